// watch_view.c: what a viewer makes of its stream, in JSON and in protobuf, and how it notices what breaks the rules.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/watch_proto.h"
#include "../../simulator/watch_view.h"
#include "view.pb-c.h"

static const struct box box = {80000000, 470000000, 90000000, 480000000};
static struct watch_team *team;
static struct watch_view view;
static struct viewer_totals totals;

static int setup(void **state) {
  (void)state;
  team = watch_team_new("team-1");
  watch_view_init(&view, team, NULL);
  totals = (struct viewer_totals){0};
  return 0;
}

static int teardown(void **state) {
  (void)state;
  watch_view_fini(&view);
  watch_team_free(team);
  return 0;
}

static bool take(struct watch_view *to, const struct watch_event *event) {
  size_t count;
  return watch_view_take(to, event, 2000000, true, &totals, &count);
}

static void assert_shows(const struct watch_view *shown, const char *wanted) {
  struct buffer text = {0};
  watch_view_write(shown, &text);
  buffer_append(&text, "", 1);
  assert_string_equal((char *)text.data, wanted);
  buffer_fini(&text);
}

// ---- JSON ----

#define SNAPSHOT(rows) \
  "{\"columns\":[\"worker\",\"taken_at_us\",\"longitude\",\"latitude\",\"status\"],\"rows\":[" rows "]}"

static bool take_json(enum watch_kind kind, const char *json) {
  const struct watch_event event = {WATCH_JSON, kind, (const uint8_t *)json, strlen(json)};
  return take(&view, &event);
}

static void keeps_the_last_row_of_every_worker(void **state) {
  (void)state;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",5,8.5,47.5,\"online\"],[\"b\",null,null,null,\"online\"]")));
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",6,8.6,47.6,\"online\"],[\"c\",7,1,2,\"offline\"]]}"));
  assert_shows(&view, "{\"a\":[6,476000000,86000000],\"b\":[null,null,null],\"c\":[7,20000000,10000000]}");
  assert_true(totals.rows == 4 && totals.snapshot_rows == 2 && totals.backward == 0 && totals.view.total == 2);
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"c\",8,1,2,\"online\"]")));
  assert_shows(&view, "{\"c\":[8,20000000,10000000]}");
}

static void counts_rows_that_go_back_and_measures_those_that_are_new(void **state) {
  (void)state;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",1500000,8.5,47.5,\"online\"]")));
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",1500000,8.5,47.5,\"stale\"]]}"));
  assert_true(totals.backward == 0 && totals.view.total == 0);
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",1999000,8.5,47.5,\"online\"]]}"));
  assert_true(totals.backward == 0 && totals.view.total == 1 && totals.view.max_us == 1000);
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",1998999,8.5,47.5,\"online\"]]}"));
  assert_true(totals.backward == 1 && totals.view.total == 1);
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("")));
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",1000000,8.5,47.5,\"online\"]]}"));
  assert_true(totals.backward == 1 && totals.view.total == 2);  // a snapshot begins anew
}

static void counts_as_delivered_what_is_new_and_of_this_run_once(void **state) {
  (void)state;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",1500000,8.5,47.5,\"online\"]")));
  assert_int_equal(totals.positions, 0);  // nothing is, before it is said since when
  view.since_us = 1600000;
  assert_true(
      take_json(WATCH_DELTA, "{\"rows\":[[\"a\",1599999,8.5,47.5,\"online\"],[\"b\",1600000,8.5,47.5,\"online\"]]}"));
  assert_int_equal(totals.positions, 1);
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"b\",1600000,8.5,47.5,\"offline\"]]}"));
  assert_int_equal(totals.positions, 1);
  assert_true(
      take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",1700000,8.5,47.5,\"online\"],[\"b\",1600000,8.5,47.5,\"online\"]")));
  assert_int_equal(totals.positions, 2);  // a snapshot brings again what it had
}

static void measures_nothing_where_clocks_have_nothing_in_common(void **state) {
  (void)state;
  static const char delta[] = "{\"rows\":[[\"a\",1000000,8.5,47.5,\"online\"]]}";
  const struct watch_event event = {WATCH_JSON, WATCH_DELTA, (const uint8_t *)delta, sizeof delta - 1};
  size_t count;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("")));
  assert_true(watch_view_take(&view, &event, 2000000, false, &totals, &count));
  assert_true(count == 1 && totals.rows == 1 && totals.view.total == 0);
}

static void who_never_sent_a_position_is_in_no_box(void **state) {
  (void)state;
  static const struct box around_0 = {-10000000, -10000000, 10000000, 10000000};
  view.box = &around_0;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",5,0,0,\"online\"],[\"b\",null,null,null,\"online\"]")));
  assert_int_equal(totals.outside, 1);
}

static void who_left_the_box_is_shown_no_more_until_it_comes_back(void **state) {
  (void)state;
  view.box = &box;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",5,8.5,47.5,\"online\"],[\"b\",5,8.5,47.5,\"online\"]")));
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"b\",6,8.5,47.6,\"online\"]],\"left\":[\"a\"]}"));
  assert_shows(&view, "{\"b\":[6,476000000,85000000]}");
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",7,8.5,47.6,\"online\"]]}"));
  assert_shows(&view, "{\"a\":[7,476000000,85000000],\"b\":[6,476000000,85000000]}");
  assert_true(totals.left == 1 && totals.outside == 0 && totals.rows == 4 && totals.backward == 0);
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[],\"left\":[\"a\"]}"));
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"a\",6,8.5,47.6,\"online\"]]}"));
  assert_int_equal(totals.backward, 1);  // also over a time outside
}

static void counts_what_does_not_belong_into_the_box(void **state) {
  (void)state;
  view.box = &box;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",5,8.5,47.5,\"online\"],[\"b\",5,7.9,47.5,\"online\"]")));
  assert_int_equal(totals.outside, 1);
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[[\"c\",null,null,null,\"online\"]]}"));
  assert_int_equal(totals.outside, 2);
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[],\"left\":[\"a\",\"d\"]}"));
  assert_int_equal(totals.outside, 3);  // d was never shown
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[],\"left\":[\"a\"]}"));
  assert_int_equal(totals.outside, 4);  // nor is a any more
}

static void nobody_leaves_a_whole_team(void **state) {
  (void)state;
  assert_true(take_json(WATCH_SNAPSHOT, SNAPSHOT("[\"a\",5,8.5,47.5,\"online\"]")));
  assert_true(take_json(WATCH_DELTA, "{\"rows\":[],\"left\":[\"a\"]}"));
  assert_int_equal(totals.outside, 1);
}

// ---- protobuf ----

struct row {
  uint32_t number;
  const char *worker;
  int64_t taken_at_us, longitude_e7, latitude_e7;  // less than 0 for the first: no position
};

// A snapshot if it has a base, else a delta, in a view whose numbers and values are its own.
static bool take_proto(struct watch_view *to, const struct watch_base *base, const struct row *rows, size_t count) {
  Muster__ViewRow made[8], *pointers[8];
  Muster__ViewSnapshot snapshot = MUSTER__VIEW_SNAPSHOT__INIT;
  Muster__ViewDelta delta = MUSTER__VIEW_DELTA__INIT;
  Muster__ViewEvent event = MUSTER__VIEW_EVENT__INIT;
  for (size_t i = 0; i < count; i++) {
    muster__view_row__init(pointers[i] = &made[i]);
    made[i].has_number = 1, made[i].number = rows[i].number;
    made[i].worker = (char *)(uintptr_t)rows[i].worker;
    made[i].has_taken_at_us = made[i].has_longitude_e7 = made[i].has_latitude_e7 = rows[i].taken_at_us >= 0;
    made[i].taken_at_us = rows[i].taken_at_us;
    made[i].longitude_e7 = rows[i].longitude_e7;
    made[i].latitude_e7 = rows[i].latitude_e7;
  }
  snapshot.n_rows = delta.n_rows = count;
  snapshot.rows = delta.rows = pointers;
  if (base) {
    snapshot.has_base_time_us = snapshot.has_base_longitude_e7 = snapshot.has_base_latitude_e7 = 1;
    snapshot.base_time_us = base->taken_at_us;
    snapshot.base_longitude_e7 = (int32_t)base->longitude_e7;
    snapshot.base_latitude_e7 = (int32_t)base->latitude_e7;
    event.snapshot = &snapshot;
  } else {
    event.delta = &delta;
  }
  uint8_t bytes[1024];
  assert_true(muster__view_event__get_packed_size(&event) <= sizeof bytes);
  size_t len = muster__view_event__pack(&event, bytes);
  const struct watch_event opened = watch_proto_open(bytes, len);
  return take(to, &opened);
}

static bool take_left(struct watch_view *to, uint32_t number) {
  uint8_t bytes[] = {0x2a, 1, (uint8_t)number};
  const struct watch_event event = {WATCH_PROTOBUF, WATCH_DELTA, bytes, sizeof bytes};
  return take(to, &event);
}

static const struct watch_base first_base = {1000000, 470000000, 80000000}, other_base = {1000500, 471000000, 81000000};
#define TAKE(to, base, ...)                               \
  take_proto(to, base, (const struct row[]){__VA_ARGS__}, \
             sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

static void numbers_and_bases_are_those_of_the_snapshot(void **state) {
  (void)state;
  assert_true(TAKE(&view, &first_base, {0, "a", 5, -1, 2}, {1, "b", -1, 0, 0}));
  assert_shows(&view, "{\"a\":[1000005,470000002,79999999],\"b\":[null,null,null]}");
  assert_true(TAKE(&view, NULL, {1, NULL, 6, 3, 4}, {2, "c", 7, 0, 0}));
  assert_shows(&view,
               "{\"a\":[1000005,470000002,79999999],\"b\":[1000006,470000004,80000003],"
               "\"c\":[1000007,470000000,80000000]}");
  assert_true(TAKE(&view, &other_base, {0, "c", 0, 0, 0}));
  assert_true(TAKE(&view, NULL, {0, NULL, 1, 0, 0}));
  assert_shows(&view, "{\"c\":[1000501,471000000,81000000]}");
}

// Two gateways number a team each in its own way; that a frame's bytes are the same does not make it say the same.
static void frames_are_shared_but_numbers_are_each_streams_own(void **state) {
  (void)state;
  struct watch_view other;
  watch_view_init(&other, team, NULL);
  assert_true(TAKE(&view, &first_base, {0, "a", 5, 0, 0}, {1, "b", 5, 0, 0}));
  assert_true(TAKE(&other, &other_base, {0, "b", 5, 0, 0}, {1, "a", 5, 0, 0}));
  assert_true(TAKE(&view, NULL, {1, NULL, 6, 1, 1}));
  assert_true(TAKE(&other, NULL, {1, NULL, 6, 1, 1}));
  assert_shows(&view, "{\"a\":[1000005,470000000,80000000],\"b\":[1000006,470000001,80000001]}");
  assert_shows(&other, "{\"a\":[1000506,471000001,81000001],\"b\":[1000505,471000000,81000000]}");
  assert_int_equal(totals.backward, 0);
  watch_view_fini(&other);
}

// The same bytes as the body of a snapshot and of a delta are different messages.
static void a_snapshot_is_not_taken_for_a_delta_of_the_same_bytes(void **state) {
  (void)state;
  const uint8_t bytes[] = {0x22, 0x05, 0x08, 0x03, 0x12, 0x01, 'a'};  // in a delta: row 3 is a; in a snapshot: nothing
  const struct watch_event delta = {WATCH_PROTOBUF, WATCH_DELTA, bytes, sizeof bytes};
  const struct watch_event snapshot = {WATCH_PROTOBUF, WATCH_SNAPSHOT, bytes, sizeof bytes};
  assert_true(take(&view, &delta));
  assert_shows(&view, "{\"a\":[null,null,null]}");
  assert_true(take(&view, &snapshot));
  assert_shows(&view, "{}");
}

static void numbers_that_were_never_told_break_the_rules(void **state) {
  (void)state;
  assert_false(TAKE(&view, &first_base, {0, NULL, 5, 0, 0}));
  assert_true(TAKE(&view, &first_base, {0, "a", 5, 0, 0}));
  assert_false(TAKE(&view, NULL, {1, NULL, 5, 0, 0}));
  assert_false(TAKE(&view, NULL, {5000, NULL, 5, 0, 0}));
  assert_false(take_left(&view, 7));
  assert_true(TAKE(&view, NULL, {0, "a", 6, 0, 0}));   // told again
  assert_false(TAKE(&view, NULL, {0, "b", 7, 0, 0}));  // told for another
  assert_true(TAKE(&view, &first_base, {0, "b", 7, 0, 0}));
  assert_false(TAKE(&view, NULL, {1, NULL, 8, 0, 0}));  // of the stream before this snapshot
}

static void places_that_are_none_on_earth_break_the_rules(void **state) {
  (void)state;
  assert_true(TAKE(&view, &first_base, {0, "a", 5, 1720000000, 430000000}));
  assert_false(TAKE(&view, NULL, {0, NULL, 6, 1720000001, 0}));
  assert_false(TAKE(&view, NULL, {0, NULL, 6, 0, 430000001}));
  assert_false(TAKE(&view, NULL, {0, NULL, 6, INT64_MAX, 0}));
  assert_false(TAKE(&view, NULL, {0, NULL, INT64_MAX, 0, 0}));
}

static void workers_leave_a_box_by_their_numbers(void **state) {
  (void)state;
  view.box = &box;
  assert_true(TAKE(&view, &first_base, {0, "a", 5, 0, 0}, {1, "b", 5, 0, 0}));
  assert_true(take_left(&view, 0));
  assert_shows(&view, "{\"b\":[1000005,470000000,80000000]}");
  assert_true(TAKE(&view, NULL, {0, "a", 6, 1, 0}));
  assert_shows(&view, "{\"a\":[1000006,470000000,80000001],\"b\":[1000005,470000000,80000000]}");
  assert_true(totals.left == 1 && totals.outside == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(keeps_the_last_row_of_every_worker),
      TEST(counts_rows_that_go_back_and_measures_those_that_are_new),
      TEST(counts_as_delivered_what_is_new_and_of_this_run_once),
      TEST(measures_nothing_where_clocks_have_nothing_in_common),
      TEST(who_never_sent_a_position_is_in_no_box),
      TEST(who_left_the_box_is_shown_no_more_until_it_comes_back),
      TEST(counts_what_does_not_belong_into_the_box),
      TEST(nobody_leaves_a_whole_team),
      TEST(numbers_and_bases_are_those_of_the_snapshot),
      TEST(frames_are_shared_but_numbers_are_each_streams_own),
      TEST(a_snapshot_is_not_taken_for_a_delta_of_the_same_bytes),
      TEST(numbers_that_were_never_told_break_the_rules),
      TEST(places_that_are_none_on_earth_break_the_rules),
      TEST(workers_leave_a_box_by_their_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

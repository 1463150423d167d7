// watch_frame.c and watch_team.c: the rows of a view's events.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/watch_frame.h"
#include "../../simulator/watch_team.h"

#define COLUMNS \
  "\"columns\":[\"worker\",\"taken_at_us\",\"longitude\",\"latitude\",\"speed_m_s\",\"status\",\"tracker\"]"
#define SNAPSHOT                                                 \
  "{\"team\":\"team-1\",\"version\":4711," COLUMNS               \
  ",\"rows\":[[\"van-7\",1784369999500000,8.5417231,47.3768812," \
  "4.16,\"online\",\"tracker-1\"],[\"bike-3\",null,null,null,null,\"offline\",\"tracker-2\"]]}"

static struct watch_row rows[16];
static char names[16][65];
static int row_count;

static void on_row(void *context, const struct watch_row *row) {
  (void)context;
  rows[row_count] = *row;
  memcpy(names[row_count], row->worker, row->worker_len);
  names[row_count++][row->worker_len] = '\0';
}

static int setup(void **state) {
  (void)state;
  memset(names, 0, sizeof names);
  row_count = 0;
  return 0;
}

static bool read_text(const char *json, struct watch_columns *columns) {
  return watch_frame_read(json, strlen(json), columns, on_row, NULL);
}

static void reads_a_snapshot(void **state) {
  (void)state;
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
  assert_true(read_text(SNAPSHOT, &columns));
  assert_int_equal(row_count, 2);
  assert_string_equal(names[0], "van-7");
  assert_true(rows[0].has_position && rows[0].online);
  assert_int_equal(rows[0].taken_at_us, INT64_C(1784369999500000));
  assert_int_equal(rows[0].longitude_e7, 85417231);
  assert_int_equal(rows[0].latitude_e7, 473768812);
  assert_string_equal(names[1], "bike-3");
  assert_false(rows[1].has_position || rows[1].online);
}

static void reads_a_delta_by_the_snapshots_columns(void **state) {
  (void)state;
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
  assert_true(read_text(SNAPSHOT, &columns));
  row_count = 0;
  assert_true(
      read_text(" { \"version\" : 5 , \"rows\" : [ [ \"a\" , 5 , -8.0 , -1 , 0 , \"online\" , null ] ] } ", &columns));
  assert_int_equal(row_count, 1);
  assert_int_equal(rows[0].longitude_e7, -80000000);
  assert_int_equal(rows[0].latitude_e7, -10000000);
  assert_true(read_text("{\"rows\":[]}", &columns));
  assert_int_equal(row_count, 1);
}

static void follows_columns_in_another_order(void **state) {
  (void)state;
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
  assert_true(
      read_text("{\"columns\":[\"new\",\"latitude\",\"longitude\",\"taken_at_us\",\"worker\"],"
                "\"rows\":[[{\"x\":[1,\"]\"]},1,2,3,\"a\"]]}",
                &columns));
  assert_string_equal(names[0], "a");
  assert_int_equal(rows[0].latitude_e7, 10000000);
  assert_int_equal(rows[0].taken_at_us, 3);
}

static void refuses_what_is_no_frame(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "{",
      "[]",
      "{\"version\":1}",
      "{\"rows\":[]",
      "{\"columns\":[\"worker\"],\"rows\":[]}",
      "{" COLUMNS ",\"rows\":[[\"a b\",1,2,3,4,\"online\",\"t\"]]}",
      "{" COLUMNS ",\"rows\":[[7,1,2,3,4,\"online\",\"t\"]]}",
      "{" COLUMNS ",\"rows\":[[\"a\",1.2e3,2,3,4,\"online\",\"t\"]]}",
      "{" COLUMNS ",\"rows\":[[\"a\",1,200,3,4,\"online\",\"t\"]]}",
      "{" COLUMNS ",\"rows\":[[\"a\",1,2,3,4,\"online\",\"t\"],]}",
      "{" COLUMNS ",\"rows\":[[]]}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
    row_count = 0;
    if (read_text(bad[i], &columns)) fail_msg("taken: %s", bad[i]);
  }
  struct watch_columns unknown = WATCH_COLUMNS_UNKNOWN;
  assert_false(read_text("{\"rows\":[]}", &unknown));
}

static void every_frame_cut_short_is_refused(void **state) {
  (void)state;
  size_t len = strlen(SNAPSHOT);
  for (size_t cut = 0; cut < len; cut++) {
    struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
    char *copy = malloc(cut + 1);  // so that a sanitizer sees an overrun
    memcpy(copy, SNAPSHOT, cut);
    row_count = 0;
    assert_false(watch_frame_read(copy, cut, &columns, on_row, NULL));
    free(copy);
  }
}

static void finds_a_number_by_its_key(void **state) {
  (void)state;
  static const char bye[] = "{\"reason\":\"drain, \\\"retry_ms\\\":1\",\"other\":{\"retry_ms\":2},\"retry_ms\":1250}";
  int64_t value;
  assert_true(watch_frame_number(bye, sizeof bye - 1, "retry_ms", &value));
  assert_int_equal(value, 1250);
  assert_false(watch_frame_number(bye, sizeof bye - 1, "none", &value));
  assert_false(watch_frame_number(bye, sizeof bye - 1, "reason", &value));
}

static void tells_who_left(void **state) {
  (void)state;
  static const char delta[] =
      "{\"version\":5,\"rows\":[[\"a\",5,1,1,0,\"online\",null]],\"left\":[\"van-7\",\"bike-3\"]}";
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
  assert_true(read_text(SNAPSHOT, &columns));
  assert_false(rows[0].left || rows[1].left);
  row_count = 0;
  assert_true(read_text(delta, &columns));
  assert_int_equal(row_count, 3);
  assert_false(rows[0].left);
  assert_true(rows[1].left && rows[2].left);
  assert_string_equal(names[1], "van-7");
  assert_string_equal(names[2], "bike-3");
  assert_true(read_text("{\"rows\":[],\"left\":[]}", &columns));
  assert_int_equal(row_count, 3);
  assert_false(read_text("{\"rows\":[],\"left\":[5]}", &columns));
  assert_false(read_text("{\"rows\":[],\"left\":[\"a b\"]}", &columns));
  assert_false(read_text("{\"rows\":[],\"left\":[\"a\"", &columns));
}

static void takes_messages_of_a_socket_apart(void **state) {
  (void)state;
  static const char message[] = " {\"event\" : \"delta\", \"more\":[1], \"data\": {\"rows\":[]} } ";
  static const char *const bad[] = {"",
                                    "{}",
                                    "[]",
                                    "{\"event\":\"delta\"}",
                                    "{\"data\":{}}",
                                    "{\"event\":5,\"data\":{}}",
                                    "{\"event\":\"delta\",\"data\":{}",
                                    "{\"event\":\"delta\",\"data\":{}} x"};
  struct watch_event event = watch_frame_open(message, sizeof message - 1);
  assert_int_equal(event.protocol, WATCH_JSON);
  assert_int_equal(event.kind, WATCH_DELTA);
  assert_int_equal(event.len, 11);
  assert_memory_equal(event.data, "{\"rows\":[]}", 11);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (watch_frame_open(bad[i], strlen(bad[i])).kind != WATCH_BAD) fail_msg("taken: %s", bad[i]);
  }
}

static void knows_events_by_their_names(void **state) {
  (void)state;
  static const char *const known[] = {"snapshot", "delta", "heartbeat", "stale", "bye", "error"};
  for (size_t i = 0; i < 6; i++) assert_int_equal(watch_frame_kind(known[i], strlen(known[i])), WATCH_SNAPSHOT + i);
  assert_int_equal(watch_frame_kind("message", 7), WATCH_OTHER);
  assert_int_equal(watch_frame_kind("delt", 4), WATCH_OTHER);
}

// ---- watch_team ----

static struct watch_event json_event(enum watch_kind kind, const char *json) {
  return (struct watch_event){WATCH_SSE, kind, (const uint8_t *)json, strlen(json)};
}

static bool read_json(struct watch_team *team, enum watch_kind kind, const char *json, struct watch_columns *columns,
                      struct watch_changes *out) {
  const struct watch_event event = json_event(kind, json);
  return watch_team_read(team, &event, columns, out);
}

static void viewers_of_a_team_share_names_and_frames(void **state) {
  (void)state;
  struct watch_team *team = watch_team_new("team-1");
  struct watch_columns first = WATCH_COLUMNS_UNKNOWN, second = WATCH_COLUMNS_UNKNOWN;
  struct watch_changes changes, again;
  struct watch_event socket = json_event(WATCH_SNAPSHOT, SNAPSHOT);
  assert_true(read_json(team, WATCH_SNAPSHOT, SNAPSHOT, &first, &changes));
  assert_int_equal(changes.count, 2);
  assert_string_equal(watch_team_worker(team, changes.rows[1].worker), "bike-3");
  socket.protocol = WATCH_JSON;  // says it in the same bytes
  assert_true(watch_team_read(team, &socket, &second, &again));
  assert_ptr_equal(again.rows, changes.rows);  // not read a second time
  assert_memory_equal(&first, &second, sizeof first);
  assert_int_equal(watch_team_workers(team), 2);
  watch_team_free(team);
}

static void the_same_bytes_by_other_columns_are_read_again(void **state) {
  (void)state;
  static const char delta[] = "{\"rows\":[[\"a\",5,1,2,3,\"online\",\"t\"]]}";
  struct watch_team *team = watch_team_new("team-1");
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN, swapped;
  struct watch_changes changes;
  assert_true(read_json(team, WATCH_SNAPSHOT, SNAPSHOT, &columns, &changes));
  swapped = columns;
  swapped.longitude = columns.latitude;
  swapped.latitude = columns.longitude;
  assert_true(read_json(team, WATCH_DELTA, delta, &columns, &changes));
  assert_int_equal(changes.rows[0].longitude_e7, 10000000);
  assert_true(read_json(team, WATCH_DELTA, delta, &swapped, &changes));
  assert_int_equal(changes.rows[0].longitude_e7, 20000000);
  watch_team_free(team);
}

static void a_frame_that_was_bad_is_not_remembered_as_good(void **state) {
  (void)state;
  static const char bad[] = "{\"rows\":[[\"a\"";
  struct watch_team *team = watch_team_new("team-1");
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
  struct watch_changes changes;
  assert_true(read_json(team, WATCH_SNAPSHOT, SNAPSHOT, &columns, &changes));
  for (int i = 0; i < 20; i++) assert_false(read_json(team, WATCH_DELTA, bad, &columns, &changes));
  assert_true(read_json(team, WATCH_SNAPSHOT, SNAPSHOT, &columns, &changes));
  assert_int_equal(changes.count, 2);
  watch_team_free(team);
}

static void a_team_indexes_any_number_of_workers(void **state) {
  (void)state;
  struct watch_team *team = watch_team_new("team-1");
  struct watch_columns columns = WATCH_COLUMNS_UNKNOWN;
  struct watch_changes changes;
  assert_true(read_json(team, WATCH_SNAPSHOT, SNAPSHOT, &columns, &changes));
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 3000; i++) {
      char json[128];
      snprintf(json, sizeof json, "{\"version\":%d,\"rows\":[[\"w-%d\",%d,1,2,3,\"online\",\"t\"]]}", round, i, i);
      assert_true(read_json(team, WATCH_DELTA, json, &columns, &changes));
      assert_int_equal(changes.count, 1);
      assert_int_equal(changes.rows[0].worker, i + 2);
      assert_int_equal(changes.rows[0].taken_at_us, i);
    }
  }
  assert_int_equal(watch_team_workers(team), 3002);
  assert_string_equal(watch_team_worker(team, 3001), "w-2999");
  watch_team_free(team);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(reads_a_snapshot),
      TEST(reads_a_delta_by_the_snapshots_columns),
      TEST(follows_columns_in_another_order),
      TEST(refuses_what_is_no_frame),
      TEST(every_frame_cut_short_is_refused),
      TEST(finds_a_number_by_its_key),
      TEST(tells_who_left),
      TEST(takes_messages_of_a_socket_apart),
      TEST(knows_events_by_their_names),
      TEST(viewers_of_a_team_share_names_and_frames),
      TEST(the_same_bytes_by_other_columns_are_read_again),
      TEST(a_frame_that_was_bad_is_not_remembered_as_good),
      TEST(a_team_indexes_any_number_of_workers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

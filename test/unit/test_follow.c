// When following the log may end: never before every tracker's first heartbeat after the moment is accounted for.
#include "../../gateway/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START_US 50000000
#define MARK 10

static struct replica tracker(const char *id, uint64_t heard_mark, uint64_t log_number, uint64_t log_acked) {
  struct replica replica = {.kind = "tracker",
                            .started_at_us = 1,
                            .log_number = log_number,
                            .log_acked = log_acked,
                            .heard_mark = heard_mark};
  snprintf(replica.id, sizeof replica.id, "%s", id);
  return replica;
}

static int set_up(void **state) {
  static struct follow follow;
  follow_init(&follow, MARK, START_US);
  *state = &follow;
  return 0;
}

static int tear_down(void **state) {
  follow_fini(*state);
  return 0;
}

static enum follow_status check(const struct follow *follow, int64_t after_us) {
  return follow_check(follow, START_US + after_us);
}

static void test_without_trackers_it_ends_when_all_could_have_spoken(void **state) {
  struct follow *f = *state;
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);  // nobody has looked yet
  follow_hear(f, NULL, 0);
  assert_int_equal(check(f, FOLLOW_HEAR_US - 1), FOLLOW_ON);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_it_waits_until_what_the_first_heartbeat_names_is_stored(void **state) {
  struct follow *f = *state;
  struct replica a = tracker("a", MARK + 1, 57, 50);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  a = tracker("a", MARK + 5, 90, 56);  // a later one asks for more than is needed
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  a = tracker("a", MARK + 9, 99, 57);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_one_heartbeat_is_enough_if_all_is_stored(void **state) {
  struct follow *f = *state;
  struct replica a = tracker("a", MARK + 1, 57, 57);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_every_tracker_counts(void **state) {
  struct follow *f = *state;
  struct replica both[] = {tracker("a", MARK + 1, 57, 57), tracker("b", MARK + 2, 9, 8)};
  follow_hear(f, both, 2);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
}

static void test_a_heartbeat_from_before_says_nothing(void **state) {
  struct follow *f = *state;
  struct replica a = tracker("a", MARK, 5, 5);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  a = tracker("a", MARK + 1, 100, 100);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_a_tracker_that_is_gone_is_not_waited_for(void **state) {
  struct follow *f = *state;
  struct replica both[] = {tracker("a", MARK + 1, 57, 0), tracker("b", MARK, 3, 3)};
  follow_hear(f, both, 2);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  follow_hear(f, both, 0);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_a_tracker_that_stored_nothing_is_not_waited_for(void **state) {
  struct follow *f = *state;
  struct replica a = tracker("a", MARK + 1, 0, 0);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_gateways_are_not_trackers(void **state) {
  struct follow *f = *state;
  struct replica g = tracker("g", MARK, 7, 0);
  snprintf(g.kind, sizeof g.kind, "gateway");
  follow_hear(f, &g, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_STORED);
}

static void test_it_is_bounded(void **state) {
  struct follow *f = *state;
  struct replica a = tracker("a", MARK + 1, 57, 0);
  follow_hear(f, &a, 1);
  assert_int_equal(check(f, FOLLOW_BOUND_US - 1), FOLLOW_ON);
  assert_int_equal(check(f, FOLLOW_BOUND_US), FOLLOW_BOUNDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_without_trackers_it_ends_when_all_could_have_spoken),
      TEST(test_it_waits_until_what_the_first_heartbeat_names_is_stored),
      TEST(test_one_heartbeat_is_enough_if_all_is_stored),
      TEST(test_every_tracker_counts),
      TEST(test_a_heartbeat_from_before_says_nothing),
      TEST(test_a_tracker_that_is_gone_is_not_waited_for),
      TEST(test_a_tracker_that_stored_nothing_is_not_waited_for),
      TEST(test_gateways_are_not_trackers),
      TEST(test_it_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

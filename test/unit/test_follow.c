// When following the log may end: never before every tracker's first heartbeat after the moment is accounted for.
#include "../../gateway/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START_US 50000000
#define MARK 10

static struct replica tracker(const char *id, uint64_t heard_mark, uint64_t log_number) {
  struct replica replica = {.kind = "tracker", .started_at_us = 1, .log_number = log_number, .heard_mark = heard_mark};
  snprintf(replica.id, sizeof replica.id, "%s", id);
  return replica;
}

static void read_log(struct numbers *read, const char *id, uint64_t number) {
  struct batch_header header = {{id, strlen(id)}, 1, number};
  (void)numbers_take(read, &header);
}

struct fixture {
  struct follow follow;
  struct numbers read;
};

static int set_up(void **state) {
  static struct fixture fixture;
  fixture = (struct fixture){0};
  follow_init(&fixture.follow, MARK, START_US);
  *state = &fixture;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *f = *state;
  follow_fini(&f->follow);
  numbers_fini(&f->read);
  return 0;
}

static enum follow_status check(const struct fixture *f, int64_t after_us) {
  return follow_check(&f->follow, &f->read, START_US + after_us);
}

static void test_without_trackers_it_ends_when_all_could_have_spoken(void **state) {
  struct fixture *f = *state;
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);  // nobody has looked yet
  follow_hear(&f->follow, NULL, 0);
  assert_int_equal(check(f, FOLLOW_HEAR_US - 1), FOLLOW_ON);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_DONE);
}

static void test_it_waits_for_the_batch_that_the_first_heartbeat_names(void **state) {
  struct fixture *f = *state;
  struct replica a = tracker("a", MARK + 1, 57);
  follow_hear(&f->follow, &a, 1);
  a = tracker("a", MARK + 5, 90);  // a later one asks for more than is needed
  follow_hear(&f->follow, &a, 1);
  read_log(&f->read, "a", 56);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  read_log(&f->read, "b", 57);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  read_log(&f->read, "a", 57);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_DONE);
}

static void test_a_heartbeat_from_before_says_nothing(void **state) {
  struct fixture *f = *state;
  struct replica a = tracker("a", MARK, 5);
  read_log(&f->read, "a", 100);
  follow_hear(&f->follow, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  a = tracker("a", MARK + 1, 100);
  follow_hear(&f->follow, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_DONE);
}

static void test_a_tracker_that_is_gone_is_not_waited_for(void **state) {
  struct fixture *f = *state;
  struct replica both[] = {tracker("a", MARK + 1, 57), tracker("b", MARK, 3)};
  follow_hear(&f->follow, both, 2);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_ON);
  follow_hear(&f->follow, both, 0);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_DONE);
}

static void test_a_tracker_that_stored_nothing_is_not_waited_for(void **state) {
  struct fixture *f = *state;
  struct replica a = tracker("a", MARK + 1, 0);
  follow_hear(&f->follow, &a, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_DONE);
}

static void test_gateways_are_not_trackers(void **state) {
  struct fixture *f = *state;
  struct replica g = tracker("g", MARK, 7);
  snprintf(g.kind, sizeof g.kind, "gateway");
  follow_hear(&f->follow, &g, 1);
  assert_int_equal(check(f, FOLLOW_HEAR_US), FOLLOW_DONE);
}

static void test_it_is_bounded(void **state) {
  struct fixture *f = *state;
  struct replica a = tracker("a", MARK + 1, 57);
  follow_hear(&f->follow, &a, 1);
  assert_int_equal(check(f, FOLLOW_BOUND_US - 1), FOLLOW_ON);
  assert_int_equal(check(f, FOLLOW_BOUND_US), FOLLOW_BOUNDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_without_trackers_it_ends_when_all_could_have_spoken),
      TEST(test_it_waits_for_the_batch_that_the_first_heartbeat_names),
      TEST(test_a_heartbeat_from_before_says_nothing),
      TEST(test_a_tracker_that_is_gone_is_not_waited_for),
      TEST(test_a_tracker_that_stored_nothing_is_not_waited_for),
      TEST(test_gateways_are_not_trackers),
      TEST(test_it_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// The table of replicas: who is alive, who lost something, and the order in which heartbeats came.
#include "../../gateway/replicas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "team.pb-c.h"

struct beat {
  const char *kind, *id;
  int64_t started_at_us;
  uint64_t live_lost;
  bool stopping;
};

static uint64_t hear(struct replicas *replicas, struct beat beat, int64_t now_us, bool *out_lost) {
  Muster__Replica message = MUSTER__REPLICA__INIT;
  uint8_t bytes[256];
  struct replica replica;
  bool lost;
  message.kind = (char *)beat.kind;
  message.id = (char *)beat.id;
  message.has_started_at_us = message.has_live_lost = message.has_stopping = message.has_log_number = 1;
  message.started_at_us = beat.started_at_us;
  message.live_lost = beat.live_lost;
  message.stopping = beat.stopping;
  message.log_number = 9;
  size_t len = muster__replica__pack(&message, bytes);
  return replicas_hear(replicas, bytes, len, now_us, out_lost ? out_lost : &lost, &replica);
}

static size_t alive(struct replicas *replicas, int64_t now_us) {
  size_t count;
  free(replicas_alive(replicas, now_us, &count));
  return count;
}

static void test_silence_and_stopping_end_a_replica(void **state) {
  (void)state;
  struct replicas *replicas = replicas_new();
  struct beat a = {"tracker", "a", 1, 0, false}, g = {"gateway", "a", 1, 0, false};
  hear(replicas, a, 1000000, NULL);
  hear(replicas, g, 1000000, NULL);
  assert_int_equal(alive(replicas, 2000000), 2);
  hear(replicas, g, 5000000, NULL);
  assert_int_equal(alive(replicas, 7500000), 1);
  g.stopping = true;
  hear(replicas, g, 7600000, NULL);
  assert_int_equal(alive(replicas, 7600000), 0);
  replicas_free(replicas);
}

static void test_entries_are_sorted_and_marked_in_order(void **state) {
  (void)state;
  struct replicas *replicas = replicas_new();
  uint64_t first = hear(replicas, (struct beat){"tracker", "b", 1, 0, false}, 10, NULL);
  uint64_t second = hear(replicas, (struct beat){"tracker", "a", 1, 0, false}, 11, NULL);
  assert_true(second > first);
  size_t count;
  struct replica *list = replicas_alive(replicas, 12, &count);
  assert_int_equal(count, 2);
  assert_string_equal(list[0].id, "a");
  assert_int_equal(list[0].heard_mark, second);
  assert_int_equal(list[0].log_number, 9);
  assert_int_equal(list[1].heard_mark, first);
  free(list);
  replicas_free(replicas);
}

static void test_what_a_tracker_lost_is_said_once(void **state) {
  (void)state;
  struct replicas *replicas = replicas_new();
  bool lost;
  hear(replicas, (struct beat){"tracker", "b", 1, 0, false}, 10, &lost);
  assert_false(lost);
  hear(replicas, (struct beat){"tracker", "a", 1, 3, false}, 10, &lost);
  assert_true(lost);  // perhaps while our views were joined without it
  hear(replicas, (struct beat){"tracker", "a", 1, 4, false}, 11, &lost);
  assert_true(lost);
  hear(replicas, (struct beat){"tracker", "a", 1, 4, false}, 12, &lost);
  assert_false(lost);
  hear(replicas, (struct beat){"tracker", "a", 2, 0, false}, 13, &lost);
  assert_false(lost);
  hear(replicas, (struct beat){"tracker", "a", 2, 5, false}, 14, &lost);
  assert_true(lost);
  hear(replicas, (struct beat){"tracker", "a", 3, 1, false}, 14, &lost);
  assert_true(lost);  // a new process that has lost one already
  replicas_free(replicas);
}

static void test_bad_messages_are_refused(void **state) {
  (void)state;
  struct replicas *replicas = replicas_new();
  struct replica replica;
  bool lost;
  assert_int_equal(replicas_hear(replicas, "\xff\xff", 2, 1, &lost, &replica), 0);
  assert_int_equal(replicas_hear(replicas, "", 0, 1, &lost, &replica), 0);
  assert_int_equal(hear(replicas, (struct beat){"tracker", "a b", 1, 0, false}, 1, NULL), 0);
  assert_int_equal(hear(replicas, (struct beat){"a-kind-that-is-too-long", "a", 1, 0, false}, 1, NULL), 0);
  assert_int_equal(alive(replicas, 1), 0);
  replicas_free(replicas);
}

static void test_a_tracker_that_dies_is_told_once(void **state) {
  (void)state;
  struct replicas *replicas = replicas_new();
  struct beat a = {"tracker", "a", 1, 0, false}, b = {"tracker", "b", 1, 0, false}, g = {"gateway", "g", 1, 0, false};
  hear(replicas, a, 1000000, NULL);
  hear(replicas, b, 1000000, NULL);
  hear(replicas, g, 1000000, NULL);
  assert_false(replicas_take_dead(replicas, 2000000));
  b.stopping = true;
  hear(replicas, b, 2000000, NULL);
  hear(replicas, a, 6000000, NULL);
  assert_false(replicas_take_dead(replicas, 9000000));  // b said that it stops, and g is no tracker
  assert_true(replicas_take_dead(replicas, 12000000));
  assert_false(replicas_take_dead(replicas, 13000000));
  a.started_at_us = 2;
  hear(replicas, a, 14000000, NULL);
  assert_false(replicas_take_dead(replicas, 14000000));  // the one before was told
  a.started_at_us = 3;
  hear(replicas, a, 15000000, NULL);  // killed and started again, sooner than silence could show
  b = (struct beat){"tracker", "b", 2, 0, false};
  hear(replicas, b, 15000000, NULL);
  assert_true(replicas_take_dead(replicas, 15000000));
  assert_false(replicas_take_dead(replicas, 15000000));
  replicas_free(replicas);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_silence_and_stopping_end_a_replica),
      cmocka_unit_test(test_entries_are_sorted_and_marked_in_order),
      cmocka_unit_test(test_what_a_tracker_lost_is_said_once),
      cmocka_unit_test(test_bad_messages_are_refused),
      cmocka_unit_test(test_a_tracker_that_dies_is_told_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

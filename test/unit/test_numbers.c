// Batch numbers: what is next, what is late, what shows a loss.
#include "../../gateway/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct batch_header header(const char *tracker, int64_t started_at_us, uint64_t number) {
  return (struct batch_header){{tracker, strlen(tracker)}, started_at_us, number};
}

static enum numbers_status take(struct numbers *numbers, const char *tracker, int64_t started_at_us, uint64_t number) {
  struct batch_header h = header(tracker, started_at_us, number);
  return numbers_take(numbers, &h, false);
}

static enum numbers_status repeat(struct numbers *numbers, const char *tracker, int64_t started_at_us,
                                  uint64_t number) {
  struct batch_header h = header(tracker, started_at_us, number);
  return numbers_take(numbers, &h, true);
}

static void test_a_missing_number_is_a_gap_once(void **state) {
  (void)state;
  struct numbers numbers = {0};
  assert_int_equal(take(&numbers, "a", 100, 7), NUMBERS_NEXT);  // the first heard may be any
  assert_int_equal(take(&numbers, "a", 100, 8), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 100, 10), NUMBERS_GAP);
  assert_int_equal(take(&numbers, "a", 100, 11), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 100, 9), NUMBERS_AGAIN);
  assert_int_equal(take(&numbers, "a", 100, 11), NUMBERS_AGAIN);
  assert_int_equal(take(&numbers, "a", 100, 12), NUMBERS_NEXT);
  numbers_fini(&numbers);
}

static void test_trackers_count_on_their_own(void **state) {
  (void)state;
  struct numbers numbers = {0};
  assert_int_equal(take(&numbers, "a", 100, 7), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "ab", 100, 3), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 100, 8), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "ab", 100, 5), NUMBERS_GAP);
  numbers_fini(&numbers);
}

static void test_a_new_process_begins_with_one(void **state) {
  (void)state;
  struct numbers numbers = {0};
  assert_int_equal(take(&numbers, "a", 100, 7), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 200, 1), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 100, 8), NUMBERS_AGAIN);  // a late word of the old one
  assert_int_equal(take(&numbers, "a", 200, 2), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 300, 2), NUMBERS_GAP);  // its first was lost
  numbers_fini(&numbers);
}

static void test_a_repeated_number_shows_that_the_last_batch_was_lost(void **state) {
  (void)state;
  struct numbers numbers = {0};
  assert_int_equal(take(&numbers, "a", 100, 7), NUMBERS_NEXT);
  assert_int_equal(repeat(&numbers, "a", 100, 7), NUMBERS_AGAIN);
  assert_int_equal(repeat(&numbers, "a", 100, 8), NUMBERS_GAP);  // the next, but what it had was never heard
  assert_int_equal(repeat(&numbers, "a", 100, 8), NUMBERS_AGAIN);
  assert_int_equal(take(&numbers, "a", 100, 9), NUMBERS_NEXT);
  assert_int_equal(repeat(&numbers, "a", 200, 1), NUMBERS_GAP);  // all that a new process has sent
  assert_int_equal(repeat(&numbers, "a", 100, 12), NUMBERS_AGAIN);
  assert_int_equal(repeat(&numbers, "b", 100, 5), NUMBERS_NEXT);  // not heard before: from here on it counts
  assert_int_equal(take(&numbers, "b", 100, 6), NUMBERS_NEXT);
  numbers_fini(&numbers);
}

static void test_zero_is_no_number(void **state) {
  (void)state;
  struct numbers numbers = {0};
  assert_int_equal(take(&numbers, "a", 0, 0), NUMBERS_NEXT);
  assert_int_equal(numbers.count, 0);
  assert_int_equal(take(&numbers, "a", 100, 7), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 0, 0), NUMBERS_NEXT);
  assert_int_equal(take(&numbers, "a", 100, 8), NUMBERS_NEXT);
  numbers_fini(&numbers);
}

static void test_the_longest_silent_makes_room(void **state) {
  (void)state;
  struct numbers numbers = {0};
  char name[16];
  for (int i = 0; i < NUMBERS_TRACKERS; i++) {
    snprintf(name, sizeof name, "t-%d", i);
    take(&numbers, name, 1, 1);
  }
  take(&numbers, "t-0", 1, 2);
  take(&numbers, "new", 1, 1);
  assert_int_equal(numbers.count, NUMBERS_TRACKERS);
  assert_int_equal(take(&numbers, "t-0", 1, 4), NUMBERS_GAP);   // known
  assert_int_equal(take(&numbers, "new", 1, 3), NUMBERS_GAP);   // known
  assert_int_equal(take(&numbers, "t-1", 1, 9), NUMBERS_NEXT);  // forgotten
  numbers_fini(&numbers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_missing_number_is_a_gap_once),
      cmocka_unit_test(test_trackers_count_on_their_own),
      cmocka_unit_test(test_a_new_process_begins_with_one),
      cmocka_unit_test(test_a_repeated_number_shows_that_the_last_batch_was_lost),
      cmocka_unit_test(test_zero_is_no_number),
      cmocka_unit_test(test_the_longest_silent_makes_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// rate.c: a token bucket under a clock of the test's own.
#include "../../tracker/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000)
#define START (1000 * S)

static bool holds(const struct rate *rate, const struct rate_limit *limit, int64_t count, int64_t now_us) {
  return rate_holds(rate, rate_slack_ns(limit, count), now_us);
}

static void test_a_new_bucket_holds_its_burst(void **state) {
  (void)state;
  struct rate_limit limit = rate_limit_make(100, 1000);
  struct rate rate = {0};
  assert_true(holds(&rate, &limit, 1000, START));
  assert_false(holds(&rate, &limit, 1001, START));
  rate_take(&rate, &limit, 1000, START);
  assert_true(rate_ready_us(&rate, &limit) <= START);
  assert_false(holds(&rate, &limit, 1, START));
}

static void test_debt_is_waited_for_at_the_rate(void **state) {
  (void)state;
  struct rate_limit limit = rate_limit_make(100, 1000);
  struct rate rate = {0};
  rate_take(&rate, &limit, 1250, START);
  assert_int_equal(rate_ready_us(&rate, &limit), START + 5 * S / 2);
}

static void test_it_fills_and_does_not_run_over(void **state) {
  (void)state;
  struct rate_limit limit = rate_limit_make(100, 1000);
  struct rate rate = {0};
  rate_take(&rate, &limit, 1000, START);
  assert_true(holds(&rate, &limit, 100, START + S));
  assert_false(holds(&rate, &limit, 101, START + S));
  assert_true(holds(&rate, &limit, 1000, START + 1000 * S));
  assert_false(holds(&rate, &limit, 1001, START + 1000 * S));
}

// Also where one is worth no whole number of nanoseconds.
static void test_whoever_waits_gets_the_rate_however_it_takes(void **state) {
  (void)state;
  const int64_t rates[] = {1, 3, 100, 7777, 999999, 1000000};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    for (int64_t step = 1; step < 100000; step = step * 7 + 1) {
      struct rate_limit limit = rate_limit_make(rates[i], 10);
      struct rate rate = {0};
      int64_t now_us = START, taken = 0;
      for (int n = 0; n < 1000; n++) {
        rate_take(&rate, &limit, step, now_us);
        taken += step;
        if (now_us < rate_ready_us(&rate, &limit)) now_us = rate_ready_us(&rate, &limit);
      }
      // What it may take by then, and no more: but for rounding, of which there is a microsecond in each wait.
      double due = (double)(now_us - START) * (double)rates[i] / 1e6 + 10;
      assert_true((double)taken <= due + 1);
      assert_true((double)taken >= due - 10 - 1 - 1000 * (double)rates[i] / 1e6);
    }
  }
}

static void test_without_a_limit_nobody_waits(void **state) {
  (void)state;
  struct rate_limit limit = rate_limit_make(0, 5);
  struct rate rate = {0};
  for (int i = 0; i < 1000; i++) rate_take(&rate, &limit, 1000000, START);
  assert_true(rate_ready_us(&rate, &limit) <= START);
  assert_true(holds(&rate, &limit, 1000000, START));
}

// The greatest that the settings allow, after a year.
static void test_large_numbers_fit(void **state) {
  (void)state;
  const int64_t year_us = 366 * 86400 * S;
  struct rate_limit slow = rate_limit_make(1, 1000000000), fast = rate_limit_make(1000000000, INT64_C(1) << 32);
  struct rate rate = {0};
  for (int i = 0; i < 1000; i++) rate_take(&rate, &slow, 1000000, year_us);
  assert_int_equal(rate_ready_us(&rate, &slow), year_us);
  rate_take(&rate, &slow, 65536, year_us);
  assert_int_equal(rate_ready_us(&rate, &slow), year_us + 65536 * S);
  rate = (struct rate){0};
  rate_take(&rate, &fast, INT64_C(1) << 32, year_us);
  rate_take(&rate, &fast, 1000000, year_us);
  assert_int_equal(rate_ready_us(&rate, &fast), year_us + 1000);
}

static void test_a_debt_that_is_forgiven_is_paid_in_time(void **state) {
  (void)state;
  struct rate_limit limit = rate_limit_make(100, 50), none = {0};
  struct rate rate = {0};
  rate_take(&rate, &limit, 5000, 0);
  rate_forgive(&rate, &limit, 5 * S, 0);
  assert_int_equal(rate_ready_us(&rate, &limit), 5 * S);
  rate_forgive(&rate, &limit, 6 * S, 0);  // it owes less already
  assert_int_equal(rate_ready_us(&rate, &limit), 5 * S);
  rate_take(&rate, &none, 5000, 0);
  rate_forgive(&rate, &none, 0, 0);
  assert_int_equal(rate_ready_us(&rate, &none), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_new_bucket_holds_its_burst),
      cmocka_unit_test(test_debt_is_waited_for_at_the_rate),
      cmocka_unit_test(test_it_fills_and_does_not_run_over),
      cmocka_unit_test(test_whoever_waits_gets_the_rate_however_it_takes),
      cmocka_unit_test(test_without_a_limit_nobody_waits),
      cmocka_unit_test(test_large_numbers_fit),
      cmocka_unit_test(test_a_debt_that_is_forgiven_is_paid_in_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

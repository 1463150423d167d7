// hist.c: percentiles within 1/64.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hist.h"

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static void an_empty_histogram_says_zero(void **state) {
  (void)state;
  static struct hist hist;
  assert_int_equal(hist_percentile_us(&hist, 50), 0);
  assert_int_equal(hist_percentile_us(&hist, 100), 0);
}

static void one_value_is_every_percentile(void **state) {
  (void)state;
  static const int64_t values[] = {0, 1, 63, 64, 127, 128, 129, 1000, 123456789, INT64_C(86400000000)};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    static struct hist hist;
    memset(&hist, 0, sizeof hist);
    hist_record(&hist, values[i]);
    assert_int_equal(hist_percentile_us(&hist, 0), values[i]);
    assert_int_equal(hist_percentile_us(&hist, 50), values[i]);
    assert_int_equal(hist_percentile_us(&hist, 100), values[i]);
  }
}

static void less_than_nothing_counts_as_nothing_and_ages_as_the_longest(void **state) {
  (void)state;
  static struct hist hist;
  hist_record(&hist, -5);
  assert_int_equal(hist_percentile_us(&hist, 100), 0);
  hist_record(&hist, INT64_MAX);
  assert_true(hist_percentile_us(&hist, 100) > INT64_C(86400000000));
  assert_int_equal(hist.total, 2);
}

// Against sorting: never below the true percentile, and at most 1/64 above it.
static void agrees_with_sorting(void **state) {
  (void)state;
  enum { COUNT = 20000 };
  static int64_t values[COUNT];
  static struct hist hist;
  srand(6);
  for (int i = 0; i < COUNT; i++) {
    values[i] = (int64_t)rand() >> (rand() % 31);
    hist_record(&hist, values[i]);
  }
  qsort(values, COUNT, sizeof *values, by_value);
  for (int percent = 1; percent <= 100; percent++) {
    int64_t exact = values[(COUNT * percent + 99) / 100 - 1], told = hist_percentile_us(&hist, percent);
    assert_true(told >= exact);
    assert_true(told <= exact + exact / 64 + 1);
  }
  assert_int_equal(hist_percentile_us(&hist, 100), values[COUNT - 1]);
}

static void merging_is_recording_both(void **state) {
  (void)state;
  static struct hist one, two, both;
  for (int i = 0; i < 5000; i++) {
    hist_record(i % 3 ? &one : &two, i * 37);
    hist_record(&both, i * 37);
  }
  hist_merge(&one, &two);
  assert_memory_equal(&one, &both, sizeof both);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_histogram_says_zero),
      cmocka_unit_test(one_value_is_every_percentile),
      cmocka_unit_test(less_than_nothing_counts_as_nothing_and_ages_as_the_longest),
      cmocka_unit_test(agrees_with_sorting),
      cmocka_unit_test(merging_is_recording_both),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

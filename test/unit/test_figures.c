// figures.c: every field counts, whichever are added later.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/figures.h"

// All of it is 64-bit words. Those that are not sums are times and durations: the latest, the longest, and one
// earliest.
static void every_word_is_a_sum_or_the_greatest(void **state) {
  (void)state;
  static struct figures one, other, both;
  static const size_t words = sizeof one / sizeof(uint64_t);
  uint64_t *a = (uint64_t *)(void *)&one, *b = (uint64_t *)(void *)&other;
  const uint64_t *sum = (const uint64_t *)(const void *)&both;
  for (size_t i = 0; i < words; i++) {
    a[i] = 3 * i + 1;
    b[i] = 1000000 - i;
  }
  figures_add(&both, &one);
  assert_memory_equal(&both, &one, sizeof one);
  figures_add(&both, &other);
  size_t greatest = 0, least = 0;
  for (size_t i = 0; i < words; i++) {
    bool is_greatest = sum[i] == (a[i] > b[i] ? a[i] : b[i]), is_least = sum[i] == (a[i] < b[i] ? a[i] : b[i]);
    assert_true(sum[i] == a[i] + b[i] || is_greatest || is_least);
    greatest += is_greatest;
    least += is_least;
  }
  assert_int_equal(greatest, 4 + 3);  // at_us, last_us and two silences; the max_us of three histograms
  assert_int_equal(least, 1);
  assert_true(both.devices.first_us == one.devices.first_us && both.devices.last_us == other.devices.last_us);
  assert_true(both.at_us == other.at_us && both.ack_silence_us == other.ack_silence_us);
  assert_true(both.view_silence_us == other.view_silence_us);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_word_is_a_sum_or_the_greatest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

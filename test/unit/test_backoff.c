// backoff.c: how long devices and viewers wait.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/backoff.h"

static void doubles_from_half_a_second_to_thirty_and_stays(void **state) {
  (void)state;
  static const int64_t whole_us[] = {500000, 1000000, 2000000, 4000000, 8000000, 16000000, 30000000, 30000000};
  uint64_t random = 5;
  for (int round = 0; round < 1000; round++) {
    for (unsigned failures = 0; failures < 8; failures++) {
      int64_t us = backoff_us(failures, &random);
      assert_in_range(us, whole_us[failures] / 2, whole_us[failures]);
    }
    assert_in_range(backoff_us(4000000000u, &random), 15000000, 30000000);
  }
}

static void spreads_over_the_whole_of_its_range(void **state) {
  (void)state;
  uint64_t random = 6;
  int quarters[4] = {0};
  for (int i = 0; i < 4000; i++) quarters[(backoff_us(1, &random) - 500000) * 4 / 500001]++;
  for (int i = 0; i < 4; i++) assert_in_range(quarters[i], 800, 1200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(doubles_from_half_a_second_to_thirty_and_stays),
      cmocka_unit_test(spreads_over_the_whole_of_its_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

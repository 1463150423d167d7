// decimal.c: text to scaled integers, exactly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decimal.h"

static int64_t parsed(const char *text, unsigned scale) {
  int64_t value = 0;
  assert_true(decimal_parse(text, strlen(text), scale, &value));
  return value;
}

static void takes_every_digit_exactly(void **state) {
  (void)state;
  assert_int_equal(parsed("31.4171383", 7), 314171383);
  assert_int_equal(parsed("119.7823116", 7), 1197823116);
  assert_int_equal(parsed("-0.0000001", 7), -1);
  assert_int_equal(parsed("120", 7), 1200000000);
  assert_int_equal(parsed("1.", 7), 10000000);
  assert_int_equal(parsed(".5", 7), 5000000);
  assert_int_equal(parsed("+8.5", 1), 85);
  assert_int_equal(parsed("1784370000000000", 0), 1784370000000000);
}

static void rounds_half_away_from_zero(void **state) {
  (void)state;
  assert_int_equal(parsed("0.00000005", 7), 1);
  assert_int_equal(parsed("0.000000049999", 7), 0);
  assert_int_equal(parsed("-0.00000005", 7), -1);
  assert_int_equal(parsed("2.5", 0), 3);
  assert_int_equal(parsed("1.99999999", 7), 20000000);
}

static void refuses_what_is_no_decimal(void **state) {
  (void)state;
  static const char *const bad[] = {"",        "-",   ".",  "+.",    "1e5",
                                    "0x10",    " 1",  "1 ", "1.2.3", "nan",
                                    "inf",     "--1", "1-", "1,5",   "9000000000000000000",
                                    "\xd9\xa1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int64_t value = 77;
    assert_false(decimal_parse(bad[i], strlen(bad[i]), 7, &value));
    assert_int_equal(value, 77);
  }
}

static void reads_no_further_than_its_length(void **state) {
  (void)state;
  int64_t value;
  assert_true(decimal_parse("12345", 3, 0, &value));
  assert_int_equal(value, 123);
}

static void agrees_with_printed_numbers(void **state) {
  (void)state;
  srand(3);
  for (int i = 0; i < 100000; i++) {
    int64_t e7 = (int64_t)(rand() % 1800000001) * (rand() % 2 ? 1 : -1);
    char text[32];
    snprintf(text, sizeof text, "%s%ld.%07ld", e7 < 0 ? "-" : "", labs(e7) / 10000000, labs(e7) % 10000000);
    assert_int_equal(parsed(text, 7), e7);
  }
}

static void degrees_end_at_their_limit(void **state) {
  (void)state;
  int32_t e7;
  assert_true(decimal_degrees("90", 2, 90, &e7));
  assert_int_equal(e7, 900000000);
  assert_true(decimal_degrees("-180.0", 6, 180, &e7));
  assert_int_equal(e7, -1800000000);
  assert_false(decimal_degrees("90.0000001", 10, 90, &e7));
  assert_false(decimal_degrees("-91", 3, 90, &e7));
}

static void a_place_is_two_coordinates(void **state) {
  (void)state;
  int32_t latitude, longitude;
  assert_true(decimal_place("47.3769, 8.5417", &latitude, &longitude));
  assert_int_equal(latitude, 473769000);
  assert_int_equal(longitude, 85417000);
  assert_false(decimal_place("47.3769", &latitude, &longitude));
  assert_false(decimal_place("91,8", &latitude, &longitude));
  assert_false(decimal_place("47,181", &latitude, &longitude));
  assert_false(decimal_place("47,8,9", &latitude, &longitude));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_every_digit_exactly),   cmocka_unit_test(rounds_half_away_from_zero),
      cmocka_unit_test(refuses_what_is_no_decimal),  cmocka_unit_test(reads_no_further_than_its_length),
      cmocka_unit_test(agrees_with_printed_numbers), cmocka_unit_test(degrees_end_at_their_limit),
      cmocka_unit_test(a_place_is_two_coordinates),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

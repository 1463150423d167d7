// Moments as text, against the C library's calendar and at the edges.
#include "../../gateway/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void assert_reads(const char *text, int64_t us) {
  int64_t got = -1;
  assert_true(time_text_parse(text, &got));
  assert_int_equal(got, us);
}

static void test_reads_what_the_page_says(void **state) {
  (void)state;
  assert_reads("2026-01-02T03:04:05Z", 1767323045000000);
  assert_reads("2026-01-02T03:04:05.6Z", 1767323045600000);
  assert_reads("2026-01-02T03:04:05.678901Z", 1767323045678901);
  assert_reads("2026-01-02T05:04:05+02:00", 1767323045000000);
  assert_reads("2026-01-02T05:04:05 02:00", 1767323045000000);
  assert_reads("2026-01-01T21:34:05-05:30", 1767323045000000);
  assert_reads("1970-01-01T00:00:00Z", 0);
  assert_reads("2024-02-29T23:59:59.999999Z", 1709251199999999);
  assert_reads("9999-12-31T23:59:59Z", TIME_TEXT_MAX_US);
  assert_reads("0", 0);
  assert_reads("1767323045", 1767323045000000);
  assert_reads("1767323045.000001", 1767323045000001);
  assert_reads("253402300799", TIME_TEXT_MAX_US);
}

static void test_refuses_everything_else(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "T",
      "Z",
      ".",
      "-1",
      "1.",
      ".5",
      "1e9",
      " 1",
      "1 ",
      "0x1",
      "1.0000001",
      "253402300800",
      "9999999999999",
      "now",
      "2026-01-02",
      "2026-01-02T03:04:05",
      "2026-01-02T03:04Z",
      "2026-01-02 03:04:05Z",
      "2026-1-02T03:04:05Z",
      "2026-00-02T03:04:05Z",
      "2026-13-02T03:04:05Z",
      "2026-01-00T03:04:05Z",
      "2026-01-32T03:04:05Z",
      "2025-02-29T00:00:00Z",
      "2100-02-29T00:00:00Z",
      "2026-04-31T00:00:00Z",
      "2026-01-02T24:00:00Z",
      "2026-01-02T03:60:00Z",
      "2026-01-02T03:04:60Z",
      "2026-01-02T03:04:05.Z",
      "2026-01-02T03:04:05.1234567Z",
      "2026-01-02T03:04:05+02",
      "2026-01-02T03:04:05+0200",
      "2026-01-02T03:04:05+24:00",
      "2026-01-02T03:04:05+01:60",
      "2026-01-02T03:04:05z",
      "2026-01-02T03:04:05ZZ",
      "1969-12-31T23:59:59Z",
      "0000-01-01T00:00:00Z",
      "1970-01-01T00:00:00+00:01",
      "9999-12-31T23:59:59-00:01",
      "99999-01-01T00:00:00Z",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int64_t us = 4711;
    if (time_text_parse(bad[i], &us)) fail_msg("took \"%s\"", bad[i]);
    assert_int_equal(us, 4711);
  }
}

static void test_agrees_with_the_library_on_every_kind_of_day(void **state) {
  (void)state;
  srand(3);
  for (int i = 0; i < 100000; i++) {
    char ours[TIME_TEXT_BYTES], theirs[32], whole[48];
    int64_t s = ((int64_t)rand() << 31 | rand()) % (TIME_TEXT_MAX_US / 1000000), us = rand() % 1000000;
    time_t t = (time_t)s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(whole, sizeof whole, "%s.%06dZ", theirs, (int)us);
    time_text_format(ours, s * 1000000 + us);
    assert_string_equal(ours, whole);
    assert_reads(ours, s * 1000000 + us);
  }
}

static void test_what_is_out_of_range_is_cut_off(void **state) {
  (void)state;
  char out[TIME_TEXT_BYTES];
  time_text_format(out, INT64_MIN);
  assert_string_equal(out, "1970-01-01T00:00:00.000000Z");
  time_text_format(out, INT64_MAX);
  assert_string_equal(out, "9999-12-31T23:59:59.999999Z");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_what_the_page_says),
      cmocka_unit_test(test_refuses_everything_else),
      cmocka_unit_test(test_agrees_with_the_library_on_every_kind_of_day),
      cmocka_unit_test(test_what_is_out_of_range_is_cut_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

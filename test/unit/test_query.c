// Queries, cookies, and the header values that decide how a file is served.
#include "../../gateway/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_pair(const char **rest, const char *name, const char *value) {
  struct query_pair pair;
  assert_int_equal(query_next(rest, &pair), QUERY_PAIR);
  assert_string_equal(pair.name, name);
  assert_string_equal(pair.value, value);
}

static void assert_status(const char *query, enum query_status status) {
  struct query_pair pair;
  assert_int_equal(query_next(&query, &pair), status);
}

static void test_pairs(void **state) {
  (void)state;
  struct query_pair pair;
  const char *rest = "interval_ms=250&&empty=&bare&a%20b=c+d%41&x=1=2&";
  assert_pair(&rest, "interval_ms", "250");
  assert_pair(&rest, "empty", "");
  assert_pair(&rest, "bare", "");
  assert_pair(&rest, "a b", "c dA");
  assert_pair(&rest, "x", "1=2");
  assert_int_equal(query_next(&rest, &pair), QUERY_END);
}

static void test_no_query(void **state) {
  (void)state;
  assert_status(NULL, QUERY_END);
  assert_status("", QUERY_END);
  assert_status("&&", QUERY_END);
}

static void test_bad_encodings(void **state) {
  (void)state;
  assert_status("a=%", QUERY_BAD);
  assert_status("a=%4", QUERY_BAD);
  assert_status("a=%4&b=1", QUERY_BAD);
  assert_status("a=%zz", QUERY_BAD);
  assert_status("a=%00", QUERY_BAD);
  assert_status("a=%0d%0a", QUERY_BAD);
  assert_status("%1f=1", QUERY_BAD);
}

static void test_lengths(void **state) {
  (void)state;
  char query[QUERY_TEXT_BYTES + 8];
  memset(query, 'v', sizeof query);
  memcpy(query, "n=", 2);
  query[2 + QUERY_TEXT_BYTES - 1] = '\0';
  assert_status(query, QUERY_PAIR);
  query[2 + QUERY_TEXT_BYTES - 1] = 'v';
  query[2 + QUERY_TEXT_BYTES] = '\0';
  assert_status(query, QUERY_BAD);
}

static void test_numbers(void **state) {
  (void)state;
  long number = -1;
  assert_true(query_number("0", 0, 60000, &number));
  assert_int_equal(number, 0);
  assert_true(query_number("60000", 0, 60000, &number));
  assert_int_equal(number, 60000);
  const char *const bad[] = {"", "-1", "+1", "60001", "1.5", "1e3", " 1", "1 ", "0x10", "99999999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(query_number(bad[i], 0, 60000, &number));
  assert_int_equal(number, 60000);
}

static void assert_cookie(const char *header, const char *value) {
  const char *found = NULL;
  size_t len = 0;
  bool there = query_cookie(header, "muster_token", &found, &len);
  assert_true(there == (value != NULL));
  if (!value) return;
  assert_int_equal(len, strlen(value));
  assert_memory_equal(found, value, len);
}

static void test_cookies(void **state) {
  (void)state;
  assert_cookie("muster_token=abc", "abc");
  assert_cookie("a=b; muster_token=abc; c=d", "abc");
  assert_cookie("a=b;muster_token=", "");
  assert_cookie("xmuster_token=abc", NULL);
  assert_cookie("muster_tokens=abc", NULL);
  assert_cookie("a=muster_token=abc", NULL);
  assert_cookie("", NULL);
  assert_cookie(NULL, NULL);
  assert_cookie(";; ;", NULL);
}

static void test_gzip(void **state) {
  (void)state;
  assert_true(query_accepts_gzip("gzip"));
  assert_true(query_accepts_gzip("br, GZIP;q=0.5"));
  assert_true(query_accepts_gzip("deflate,gzip ; q=1"));
  assert_false(query_accepts_gzip("gzip;q=0"));
  assert_false(query_accepts_gzip("gzip; q=0.00, br"));
  assert_false(query_accepts_gzip("br, gzipped"));
  assert_false(query_accepts_gzip(""));
  assert_false(query_accepts_gzip(NULL));
}

static void test_etags(void **state) {
  (void)state;
  assert_true(query_matches_etag("\"abc\"", "\"abc\""));
  assert_true(query_matches_etag("W/\"abc\"", "\"abc\""));
  assert_true(query_matches_etag("\"x\", W/\"abc\" ,\"y\"", "\"abc\""));
  assert_true(query_matches_etag("*", "\"abc\""));
  assert_false(query_matches_etag("\"abcd\"", "\"abc\""));
  assert_false(query_matches_etag("\"ab\"", "\"abc\""));
  assert_false(query_matches_etag("", "\"abc\""));
  assert_false(query_matches_etag(NULL, "\"abc\""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pairs),   cmocka_unit_test(test_no_query), cmocka_unit_test(test_bad_encodings),
      cmocka_unit_test(test_lengths), cmocka_unit_test(test_numbers),  cmocka_unit_test(test_cookies),
      cmocka_unit_test(test_gzip),    cmocka_unit_test(test_etags),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

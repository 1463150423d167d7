// Where a head ends, at every cut; what is none; and whose Connection fields are renamed.
#include "../../gateway/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum head_status scan(const char *text, size_t *out_len) {
  return head_scan((const uint8_t *)text, strlen(text), out_len);
}

static void test_a_head_is_whole_with_its_empty_line_and_not_before(void **state) {
  (void)state;
  static const char *const heads[] = {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                      "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\n"};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    char text[128];
    size_t len = 0, whole = strlen(heads[i]);
    for (size_t cut = 0; cut < whole; cut++) {
      assert_int_equal(head_scan((const uint8_t *)heads[i], cut, &len), HEAD_PART);
    }
    assert_int_equal(scan(heads[i], &len), HEAD_WHOLE);
    assert_int_equal(len, whole);
    // What follows is not looked at, whatever it is.
    snprintf(text, sizeof text, "%s\x81\x7f\x01\r\n\r\n", heads[i]);
    assert_int_equal(scan(text, &len), HEAD_WHOLE);
    assert_int_equal(len, whole);
  }
}

static void test_what_is_no_head_is_known_at_once(void **state) {
  (void)state;
  static const char *const bad[] = {" GET / HTTP/1.1", "\r\nGET / HTTP/1.1", "\nGET",     "\tGET",
                                    "\x16\x03\x01",    "GET /\tHTTP/1.1",    "GET /\x01", "GET /\x7f"};
  size_t len = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(scan(bad[i], &len), HEAD_BAD);
  assert_int_equal(head_scan((const uint8_t *)"GET /\0 ", 7, &len), HEAD_BAD);
  assert_int_equal(scan("GET /\xc3\xa4 HTTP/1.1\r\n\r\n", &len), HEAD_WHOLE);  // beyond ASCII is the routes' to judge
}

static void test_a_head_has_a_longest_length(void **state) {
  (void)state;
  uint8_t *bytes = malloc(HEAD_MAX_BYTES + 1);
  size_t len = 0;
  assert_non_null(bytes);
  memset(bytes, 'a', HEAD_MAX_BYTES + 1);
  assert_int_equal(head_scan(bytes, HEAD_MAX_BYTES - 1, &len), HEAD_PART);
  assert_int_equal(head_scan(bytes, HEAD_MAX_BYTES, &len), HEAD_BAD);
  memcpy(bytes + HEAD_MAX_BYTES - 4, "\r\n\r\n", 4);
  assert_int_equal(head_scan(bytes, HEAD_MAX_BYTES, &len), HEAD_WHOLE);
  assert_int_equal(len, HEAD_MAX_BYTES);
  memcpy(bytes + HEAD_MAX_BYTES - 4, "a\r\n\r\n", 5);
  assert_int_equal(head_scan(bytes, HEAD_MAX_BYTES + 1, &len), HEAD_BAD);
  free(bytes);
}

static void assert_renamed(const char *before, const char *after) {
  char text[256];
  snprintf(text, sizeof text, "%s", before);
  head_own_connection((uint8_t *)text, strlen(text));
  assert_string_equal(text, after);
}

static void test_every_connection_field_is_renamed_and_no_other(void **state) {
  (void)state;
  assert_renamed("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1\r\n" HEAD_CONNECTION ": close\r\n\r\n");
  assert_renamed("GET / HTTP/1.1\nconnection : a\nCONNECTION:b\n\n",
                 "GET / HTTP/1.1\n" HEAD_CONNECTION " : a\n" HEAD_CONNECTION ":b\n\n");
  static const char *const same[] = {
      "GET / HTTP/1.1\r\nConnections: close\r\nX-Connection: a\r\n\r\n", "GET /Connection: HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nX: Connection: close\r\n\r\n", "Connection: close\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) assert_renamed(same[i], same[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_head_is_whole_with_its_empty_line_and_not_before),
      cmocka_unit_test(test_what_is_no_head_is_known_at_once),
      cmocka_unit_test(test_a_head_has_a_longest_length),
      cmocka_unit_test(test_every_connection_field_is_renamed_and_no_other),
  };
  return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}

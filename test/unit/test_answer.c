// answer.c: heads of HTTP answers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/answer.h"

// Takes the text in two pieces; returns how much of it was the head, or -1.
static ptrdiff_t take(struct answer *answer, const char *text, size_t len, size_t cut) {
  answer_init(answer);
  ptrdiff_t first = answer_take(answer, (const uint8_t *)text, cut);
  if (first < 0 || answer->status) return first;
  assert_int_equal(first, cut);
  uint8_t *copy = malloc(len - cut + 1);  // of its own size, so that a sanitizer sees an overrun
  memcpy(copy, text + cut, len - cut);
  ptrdiff_t second = answer_take(answer, copy, len - cut);
  free(copy);
  return second < 0 ? second : first + second;
}

static void tells_what_kind_of_stream_it_is(void **state) {
  (void)state;
  static const char events[] =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
  static const char socket[] =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
      "sec-websocket-accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\nSec-WebSocket-Protocol: muster.v1.json\r\n\r\n";
  struct answer answer;
  for (size_t cut = 0; cut <= sizeof events - 1; cut++) {
    assert_int_equal(take(&answer, events, sizeof events - 1, cut), sizeof events - 1);
    assert_int_equal(answer.status, 200);
    assert_true(answer.is_events && answer.is_chunked && !answer.is_socket);
    assert_int_equal(answer.retry_after_s, -1);
    answer_fini(&answer);
  }
  for (size_t cut = 0; cut <= sizeof socket - 1; cut++) {
    assert_int_equal(take(&answer, socket, sizeof socket - 1, cut), sizeof socket - 1);
    assert_int_equal(answer.status, 101);
    assert_true(answer.is_socket && !answer.is_events && !answer.is_chunked);
    assert_string_equal(answer.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_string_equal(answer.protocol, "muster.v1.json");
    answer_fini(&answer);
  }
}

static void another_upgrade_is_none(void **state) {
  (void)state;
  static const char text[] = "HTTP/1.1 101 X\r\nUpgrade: websockets\r\n\r\n";
  struct answer answer;
  assert_int_equal(take(&answer, text, sizeof text - 1, 0), sizeof text - 1);
  assert_false(answer.is_socket);
  answer_fini(&answer);
}

static void leaves_the_body_where_it_is(void **state) {
  (void)state;
  static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after:  7 \r\n\r\n{\"error\":1}\r\n\r\n";
  struct answer answer;
  for (size_t cut = 0; cut < sizeof text - 1; cut++) {
    assert_int_equal(take(&answer, text, sizeof text - 1, cut), strstr(text, "{") - text);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.retry_after_s, 7);
    answer_fini(&answer);
  }
}

static void an_interim_answer_is_passed_over(void **state) {
  (void)state;
  static const char text[] = "HTTP/1.1 103 Early Hints\r\nRetry-After: 5\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n";
  struct answer answer;
  assert_int_equal(take(&answer, text, sizeof text - 1, 10), sizeof text - 1);
  assert_int_equal(answer.status, 404);
  assert_int_equal(answer.retry_after_s, -1);
  answer_fini(&answer);
}

static void values_that_are_too_long_are_none_we_know(void **state) {
  (void)state;
  char text[256];
  struct answer answer;
  for (int len = ANSWER_VALUE_BYTES - 2; len < ANSWER_VALUE_BYTES + 2; len++) {
    int text_len = snprintf(text, sizeof text, "HTTP/1.1 101 X\r\nSec-WebSocket-Protocol: %0*d\r\n\r\n", len, 7);
    assert_int_equal(take(&answer, text, (size_t)text_len, 0), text_len);
    assert_int_equal(strlen(answer.protocol), len < ANSWER_VALUE_BYTES ? len : 0);
    answer_fini(&answer);
  }
}

static void refuses_what_is_no_http_and_an_endless_head(void **state) {
  (void)state;
  static const char *const bad[] = {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 xyz\r\n\r\n", "\r\n\r\n",
                                    "HTTP/1.1 99\r\n\r\n"};
  static char endless[40000];
  struct answer answer;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(take(&answer, bad[i], strlen(bad[i]), 2), -1);
    answer_fini(&answer);
  }
  memset(endless, 'x', sizeof endless);
  assert_int_equal(take(&answer, endless, 32768, 0), 32768);
  answer_fini(&answer);
  assert_int_equal(take(&answer, endless, 32769, 100), -1);
  answer_fini(&answer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tells_what_kind_of_stream_it_is),
      cmocka_unit_test(another_upgrade_is_none),
      cmocka_unit_test(leaves_the_body_where_it_is),
      cmocka_unit_test(an_interim_answer_is_passed_over),
      cmocka_unit_test(values_that_are_too_long_are_none_we_know),
      cmocka_unit_test(refuses_what_is_no_http_and_an_endless_head),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

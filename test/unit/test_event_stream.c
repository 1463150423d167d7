// event_stream.c: HTTP answers that carry Server-Sent Events.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/event_stream.h"

// What was heard, as text: "name=data;" for each event.
static char heard[4096];

static void on_event(void *context, const struct event *event) {
  (void)context;
  size_t at = strlen(heard);
  snprintf(heard + at, sizeof heard - at, "%.*s=%.*s;", (int)event->name_len, event->name, (int)event->data_len,
           event->data);
}

// Feeds the text in pieces that end at these places; returns the last status.
static enum event_stream_status feed(struct event_stream *stream, const char *text, size_t len, size_t first,
                                     size_t second) {
  const size_t ends[] = {first, second, len};
  enum event_stream_status status = EVENT_STREAM_OPEN;
  heard[0] = '\0';
  for (size_t i = 0, at = 0; i < 3 && status == EVENT_STREAM_OPEN; at = ends[i++]) {
    uint8_t *copy = malloc(ends[i] - at + 1);  // of its own size, so that a sanitizer sees an overrun
    memcpy(copy, text + at, ends[i] - at);
    status = event_stream_receive(stream, copy, ends[i] - at, on_event, NULL);
    free(copy);
  }
  return status;
}

// Every way to cut it in three must be heard the same.
static void assert_heard(const char *text, enum event_stream_status wanted, const char *events) {
  size_t len = strlen(text);
  for (size_t first = 0; first <= len; first++) {
    for (size_t second = first; second <= len; second++) {
      struct event_stream stream;
      event_stream_init(&stream);
      assert_int_equal(feed(&stream, text, len, first, second), wanted);
      assert_string_equal(heard, events);
      event_stream_fini(&stream);
    }
  }
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

static void hears_events_of_a_plain_body(void **state) {
  (void)state;
  assert_heard(OK_HEAD
               "\r\nretry: 5\n\nevent: snapshot\ndata: {1}\n\n: comment\n\nevent:delta\ndata:{2}\n\ndata: x\n\n",
               EVENT_STREAM_OPEN, "snapshot={1};delta={2};message=x;");
}

static void hears_events_of_a_chunked_body(void **state) {
  (void)state;
  assert_heard(OK_HEAD
               "Transfer-Encoding: chunked\r\n\r\n"
               "9\r\nevent: a\n\r\n7;x=y\r\ndata: 1\r\nB\r\n\n\ndata: 2\n\n\r\n0\r\n\r\n",
               EVENT_STREAM_ENDED, "a=1;message=2;");
}

static void takes_crlf_lines_and_data_of_several_lines(void **state) {
  (void)state;
  assert_heard(OK_HEAD "\r\nevent: a\r\ndata: 1\r\ndata:  2\r\ndata\r\ndata: 3\r\n\r\n", EVENT_STREAM_OPEN,
               "a=1\n 2\n\n3;");
}

static void an_interim_answer_is_passed_over(void **state) {
  (void)state;
  assert_heard("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HEAD "\r\ndata: 1\n\n", EVENT_STREAM_OPEN,
               "message=1;");
}

static void the_body_of_another_answer_is_not_heard(void **state) {
  (void)state;
  assert_heard("HTTP/1.1 404 Not Found\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", EVENT_STREAM_OPEN, "");
  assert_heard("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\ndata: 1\n\n", EVENT_STREAM_OPEN, "");
}

static void tells_status_retry_and_retry_after(void **state) {
  (void)state;
  static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after:  7 \r\n\r\n";
  static const char with_retry[] = OK_HEAD "\r\nretry: 2317\n\nretry: 1x\n\n";
  struct event_stream stream;
  event_stream_init(&stream);
  feed(&stream, text, sizeof text - 1, 3, 20);
  assert_int_equal(stream.status, 503);
  assert_int_equal(stream.retry_after_s, 7);
  event_stream_fini(&stream);
  event_stream_init(&stream);
  assert_int_equal(stream.retry_ms, -1);
  feed(&stream, with_retry, sizeof with_retry - 1, 3, 20);
  assert_int_equal(stream.status, 200);
  assert_int_equal(stream.retry_ms, 2317);
  event_stream_fini(&stream);
}

static void refuses_what_is_no_http(void **state) {
  (void)state;
  static const char *const bad[] = {
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 xyz\r\n\r\n\r\n\r\n",
      OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      OK_HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
      OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nabcdefg",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct event_stream stream;
    event_stream_init(&stream);
    assert_int_equal(feed(&stream, bad[i], strlen(bad[i]), 0, 0), EVENT_STREAM_BAD);
    event_stream_fini(&stream);
  }
}

static void an_endless_head_is_refused(void **state) {
  (void)state;
  struct event_stream stream;
  event_stream_init(&stream);
  uint8_t bytes[1000];
  enum event_stream_status status = EVENT_STREAM_OPEN;
  int fed = 0;
  for (; status == EVENT_STREAM_OPEN && fed < 100; fed++) {
    memset(bytes, 'x', sizeof bytes);
    status = event_stream_receive(&stream, bytes, sizeof bytes, on_event, NULL);
  }
  assert_int_equal(status, EVENT_STREAM_BAD);
  assert_in_range(fed, 30, 40);
  event_stream_fini(&stream);
}

static void no_bytes_lead_it_astray(void **state) {
  (void)state;
  static const char alphabet[] = "data:event retry\n\n\r\n0123456789abc";
  srand(7);
  for (int i = 0; i < 20000; i++) {
    char text[300] = OK_HEAD;
    if (i % 2) strcat(text, "Transfer-Encoding: chunked\r\n");
    strcat(text, "\r\n");
    size_t len = strlen(text), more = (size_t)rand() % 60;
    for (size_t k = 0; k < more; k++) text[len++] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
    struct event_stream stream;
    event_stream_init(&stream);
    size_t first = (size_t)rand() % len;
    feed(&stream, text, len, first, first + (size_t)rand() % (len - first));
    event_stream_fini(&stream);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hears_events_of_a_plain_body),
      cmocka_unit_test(hears_events_of_a_chunked_body),
      cmocka_unit_test(takes_crlf_lines_and_data_of_several_lines),
      cmocka_unit_test(an_interim_answer_is_passed_over),
      cmocka_unit_test(the_body_of_another_answer_is_not_heard),
      cmocka_unit_test(tells_status_retry_and_retry_after),
      cmocka_unit_test(refuses_what_is_no_http),
      cmocka_unit_test(an_endless_head_is_refused),
      cmocka_unit_test(no_bytes_lead_it_astray),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

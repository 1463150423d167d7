// event_stream.c: Server-Sent Events in bodies of HTTP answers.
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
static enum stream_status feed(struct event_stream *stream, const char *text, size_t len, size_t first, size_t second) {
  const size_t ends[] = {first, second, len};
  enum stream_status status = STREAM_OPEN;
  heard[0] = '\0';
  for (size_t i = 0, at = 0; i < 3 && status == STREAM_OPEN; at = ends[i++]) {
    uint8_t *copy = malloc(ends[i] - at + 1);  // of its own size, so that a sanitizer sees an overrun
    memcpy(copy, text + at, ends[i] - at);
    status = event_stream_receive(stream, copy, ends[i] - at, on_event, NULL);
    free(copy);
  }
  return status;
}

// Every way to cut it in three must be heard the same.
static void assert_heard(bool chunked, const char *text, enum stream_status wanted, const char *events) {
  size_t len = strlen(text);
  for (size_t first = 0; first <= len; first++) {
    for (size_t second = first; second <= len; second++) {
      struct event_stream stream;
      event_stream_init(&stream, chunked);
      assert_int_equal(feed(&stream, text, len, first, second), wanted);
      assert_string_equal(heard, events);
      event_stream_fini(&stream);
    }
  }
}

static void hears_events_of_a_plain_body(void **state) {
  (void)state;
  assert_heard(false, "retry: 5\n\nevent: snapshot\ndata: {1}\n\n: comment\n\nevent:delta\ndata:{2}\n\ndata: x\n\n",
               STREAM_OPEN, "snapshot={1};delta={2};message=x;");
}

static void hears_events_of_a_chunked_body(void **state) {
  (void)state;
  assert_heard(true, "9\r\nevent: a\n\r\n7;x=y\r\ndata: 1\r\nB\r\n\n\ndata: 2\n\n\r\n0\r\n\r\n", STREAM_ENDED,
               "a=1;message=2;");
}

static void takes_crlf_lines_and_data_of_several_lines(void **state) {
  (void)state;
  assert_heard(false, "event: a\r\ndata: 1\r\ndata:  2\r\ndata\r\ndata: 3\r\n\r\n", STREAM_OPEN, "a=1\n 2\n\n3;");
}

static void a_name_between_lines_of_data_stays_whole(void **state) {
  (void)state;
  assert_heard(false, "data: first\nevent: delta\ndata: the second line\n\n", STREAM_OPEN,
               "delta=first\nthe second line;");
}

static void tells_the_latest_retry(void **state) {
  (void)state;
  static const char text[] = "retry: 2317\n\nretry: 1x\n\n";
  struct event_stream stream;
  event_stream_init(&stream, false);
  assert_int_equal(stream.retry_ms, -1);
  feed(&stream, text, sizeof text - 1, 3, 20);
  assert_int_equal(stream.retry_ms, 2317);
  event_stream_fini(&stream);
}

static void refuses_chunks_that_are_none(void **state) {
  (void)state;
  static const char *const bad[] = {"zz\r\n", "\x11\r\n", "fffffffffffffffff\r\n", "1\r\nabcdefg", "1\r\nabcd\n1\r\na"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct event_stream stream;
    event_stream_init(&stream, true);
    assert_int_equal(feed(&stream, bad[i], strlen(bad[i]), 0, 0), STREAM_BAD);
    event_stream_fini(&stream);
  }
}

static void an_endless_size_is_refused(void **state) {
  (void)state;
  struct event_stream stream;
  event_stream_init(&stream, true);
  uint8_t bytes[100];
  enum stream_status status = STREAM_OPEN;
  int fed = 0;
  for (; status == STREAM_OPEN && fed < 100; fed++) {
    memset(bytes, '0', sizeof bytes);
    status = event_stream_receive(&stream, bytes, sizeof bytes, on_event, NULL);
  }
  assert_int_equal(status, STREAM_BAD);
  assert_in_range(fed, 10, 12);
  event_stream_fini(&stream);
}

static void no_bytes_lead_it_astray(void **state) {
  (void)state;
  static const char alphabet[] = "data:event retry\n\n\r\n0123456789abc";
  srand(7);
  for (int i = 0; i < 20000; i++) {
    char text[60];
    size_t len = (size_t)rand() % 60 + 1;
    for (size_t k = 0; k < len; k++) text[k] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
    struct event_stream stream;
    event_stream_init(&stream, i % 2);
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
      cmocka_unit_test(a_name_between_lines_of_data_stays_whole),
      cmocka_unit_test(tells_the_latest_retry),
      cmocka_unit_test(refuses_chunks_that_are_none),
      cmocka_unit_test(an_endless_size_is_refused),
      cmocka_unit_test(no_bytes_lead_it_astray),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

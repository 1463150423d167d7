// watch_stream.c: what viewers ask for, and what they hear of the answer, in each protocol and at every cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/watch_stream.h"

#define SOCKET_HEAD(protocol)                                                         \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: " protocol "\r\n\r\n"
#define EVENTS_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define TEXT_OF(literal) (literal), sizeof(literal) - 1

// What was heard, as text: the kind's number, "=", the data, ";".
static char heard[1024];

static void on_event(void *context, const struct watch_event *event) {
  (void)context;
  size_t at = strlen(heard);
  snprintf(heard + at, sizeof heard - at, "%d=%.*s;", event->kind, (int)event->len, (const char *)event->data);
}

static void on_ping(void *context, const uint8_t *bytes, size_t len) {
  (void)context;
  size_t at = strlen(heard);
  snprintf(heard + at, sizeof heard - at, "ping %.*s;", (int)len, (const char *)bytes);
}

static const struct watch_stream_events events = {on_event, on_ping};

static enum stream_status feed(struct watch_stream *stream, const char *bytes, size_t len, size_t first,
                               size_t second) {
  const size_t ends[] = {first, second, len};
  enum stream_status status = STREAM_OPEN;
  heard[0] = '\0';
  for (size_t i = 0, at = 0; i < 3 && status == STREAM_OPEN; at = ends[i++]) {
    uint8_t *copy = malloc(ends[i] - at + 1);  // of its own size, so that a sanitizer sees an overrun
    memcpy(copy, bytes + at, ends[i] - at);
    status = watch_stream_receive(stream, copy, ends[i] - at, &events, NULL);
    free(copy);
  }
  return status;
}

// Every way to cut it in three must be heard the same.
static void assert_heard(enum watch_protocol protocol, const char *bytes, size_t len, enum stream_status wanted,
                         const char *wanted_heard, int refused) {
  for (size_t first = 0; first <= len; first++) {
    for (size_t second = first; second <= len; second += 1 + len / 40) {
      struct watch_stream stream;
      watch_stream_init(&stream, protocol);
      assert_int_equal(feed(&stream, bytes, len, first, second), wanted);
      assert_string_equal(heard, wanted_heard);
      assert_int_equal(watch_stream_refused(&stream), refused);
      watch_stream_fini(&stream);
    }
  }
}

static void hears_events_of_all_three(void **state) {
  (void)state;
  assert_heard(WATCH_SSE, TEXT_OF(EVENTS_HEAD "\r\nevent: snapshot\ndata: {1}\n\nevent: delta\ndata: {2}\n\n"),
               STREAM_OPEN, "1={1};2={2};", 0);
  assert_heard(WATCH_SSE,
               TEXT_OF(EVENTS_HEAD "Transfer-Encoding: chunked\r\n\r\n14\r\nevent: bye\ndata: 1\n\n\r\n0\r\n\r\n"),
               STREAM_ENDED, "5=1;", 0);
  assert_heard(WATCH_JSON,
               TEXT_OF(SOCKET_HEAD("muster.v1.json") "\x81\x1c{\"event\":\"delta\",\"data\":{2}}"
                                                     "\x89\x01p"
                                                     "\x88\x00"),
               STREAM_ENDED, "2={2};ping p;", 0);
  assert_heard(WATCH_PROTOBUF,
               TEXT_OF(SOCKET_HEAD("muster.v1.protobuf") "\x82\x03\x0a\x01x"
                                                         "\x82\x03\x12\x01y"),
               STREAM_OPEN, "1=x;2=y;", 0);
}

static void hears_nothing_of_what_is_no_stream(void **state) {
  (void)state;
  static const char json[] =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n\r\n{\"error\":{}}\r\n\r\ndata: 1\n\n";
  assert_heard(WATCH_SSE, TEXT_OF(json), STREAM_OPEN, "", 503);
  assert_heard(WATCH_JSON, TEXT_OF(json), STREAM_OPEN, "", 503);
  assert_heard(WATCH_SSE, TEXT_OF("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\ndata: 1\n\n"), STREAM_OPEN, "",
               200);
  assert_heard(WATCH_SSE, TEXT_OF(SOCKET_HEAD("muster.v1.json") "data: 1\n\n"), STREAM_OPEN, "", 101);
  assert_heard(WATCH_JSON, TEXT_OF(EVENTS_HEAD "\r\ndata: 1\n\n"), STREAM_OPEN, "", 200);
  assert_heard(WATCH_JSON, TEXT_OF("SSH-2.0-OpenSSH_9.2\r\n\r\n"), STREAM_BAD, "", 0);
}

static void a_socket_must_answer_our_key_and_protocol(void **state) {
  (void)state;
  assert_heard(WATCH_JSON, TEXT_OF(SOCKET_HEAD("muster.v1.protobuf") "\x81\x00"), STREAM_OPEN, "", 101);
  assert_heard(WATCH_PROTOBUF, TEXT_OF(SOCKET_HEAD("muster.v1.json") "\x81\x00"), STREAM_OPEN, "", 101);
  assert_heard(WATCH_JSON,
               TEXT_OF("HTTP/1.1 101 X\r\nUpgrade: h2c\r\nSec-WebSocket-Protocol: muster.v1.json\r\n"
                       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x00"),
               STREAM_OPEN, "", 101);
  assert_heard(WATCH_JSON,
               TEXT_OF("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: muster.v1.json\r\n"
                       "Sec-WebSocket-Accept: t3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x00"),
               STREAM_OPEN, "", 101);
}

static void messages_of_the_wrong_kind_are_bad(void **state) {
  (void)state;
  assert_heard(WATCH_JSON,
               TEXT_OF(SOCKET_HEAD("muster.v1.json") "\x82\x03\x0a\x01x"
                                                     "\x81\x02{}"),
               STREAM_OPEN, "7=\x0a\x01x;7={};", 0);
  assert_heard(WATCH_JSON, TEXT_OF(SOCKET_HEAD("muster.v1.json") "\x82\x1c{\"event\":\"delta\",\"data\":{2}}"),
               STREAM_OPEN, "7={\"event\":\"delta\",\"data\":{2}};", 0);
  assert_heard(WATCH_PROTOBUF,
               TEXT_OF(SOCKET_HEAD("muster.v1.protobuf") "\x81\x03\x0a\x01x"
                                                         "\x82\x02\x0a\x05"),
               STREAM_OPEN, "7=\x0a\x01x;7=\x0a\x05;", 0);
}

static void tells_when_to_come_back_and_why_it_ended(void **state) {
  (void)state;
  struct watch_stream stream;
  watch_stream_init(&stream, WATCH_SSE);
  assert_int_equal(watch_stream_retry_ms(&stream), -1);
  assert_int_equal(feed(&stream, TEXT_OF(EVENTS_HEAD "\r\nretry: 2317\n\n"), 3, 20), STREAM_OPEN);
  assert_int_equal(watch_stream_retry_ms(&stream), 2317);
  assert_int_equal(watch_stream_close_code(&stream), 0);
  watch_stream_fini(&stream);
  watch_stream_init(&stream, WATCH_JSON);
  assert_int_equal(watch_stream_close_code(&stream), 0);
  assert_int_equal(feed(&stream, TEXT_OF(SOCKET_HEAD("muster.v1.json") "\x88\x02\x03\xe9"), 3, 20), STREAM_ENDED);
  assert_int_equal(watch_stream_close_code(&stream), MESSAGE_GOING_AWAY);
  assert_int_equal(watch_stream_retry_ms(&stream), -1);
  watch_stream_fini(&stream);
  watch_stream_init(&stream, WATCH_JSON);
  assert_int_equal(feed(&stream, TEXT_OF("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n\r\n"), 3, 20),
                   STREAM_OPEN);
  assert_int_equal(stream.answer.retry_after_s, 3);
  watch_stream_fini(&stream);
}

// ---- asking ----

static void assert_asks(enum watch_protocol protocol, long interval_ms, const struct box *box, const char *wanted) {
  const struct watch_request request = {"/muster", "host:8080", "team-1", "TOKEN", interval_ms, box};
  struct buffer text = {0};
  watch_stream_ask(protocol, &request, &text);
  buffer_append(&text, "", 1);
  assert_string_equal((char *)text.data, wanted);
  buffer_fini(&text);
}

#define ASKED " HTTP/1.1\r\nHost: host:8080\r\nAuthorization: Bearer TOKEN\r\n"
#define ASKED_SOCKET                                                           \
  ASKED                                                                        \
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "

static void asks_for_the_stream_and_its_filter(void **state) {
  (void)state;
  const struct box box = {-10000000, 20000000, 30000000, 45000000};
  assert_asks(WATCH_SSE, -1, NULL,
              "GET /muster/api/v1/teams/team-1/stream" ASKED
              "Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n");
  assert_asks(WATCH_JSON, 0, NULL,
              "GET /muster/api/v1/teams/team-1/socket?interval_ms=0" ASKED_SOCKET "muster.v1.json\r\n\r\n");
  assert_asks(WATCH_PROTOBUF, -1, &box,
              "GET /muster/api/v1/teams/team-1/socket?bbox=-1.0000000,2.0000000,3.0000000,4.5000000" ASKED_SOCKET
              "muster.v1.protobuf\r\n\r\n");
  assert_asks(
      WATCH_SSE, 250, &box,
      "GET /muster/api/v1/teams/team-1/stream?interval_ms=250&bbox=-1.0000000,2.0000000,3.0000000,4.5000000" ASKED
      "Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hears_events_of_all_three),
      cmocka_unit_test(hears_nothing_of_what_is_no_stream),
      cmocka_unit_test(a_socket_must_answer_our_key_and_protocol),
      cmocka_unit_test(messages_of_the_wrong_kind_are_bad),
      cmocka_unit_test(tells_when_to_come_back_and_why_it_ended),
      cmocka_unit_test(asks_for_the_stream_and_its_filter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

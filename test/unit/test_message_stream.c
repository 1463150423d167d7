// message_stream.c: what a server may send over a WebSocket, at every cut, and what it may not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/message_stream.h"

#define TEXT_OF(literal) (literal), sizeof(literal) - 1

// What was heard, as text: "t:…;" and "b:…;" for messages, "ping:…;".
static char heard[1024];

static void note(const char *kind, const uint8_t *bytes, size_t len) {
  size_t at = strlen(heard);
  snprintf(heard + at, sizeof heard - at, "%s:%.*s;", kind, (int)len, len ? (const char *)bytes : "");
}

static void on_message(void *context, bool text, uint8_t *bytes, size_t len) {
  (void)context;
  note(text ? "t" : "b", bytes, len);
}

static void on_ping(void *context, const uint8_t *bytes, size_t len) {
  (void)context;
  note("ping", bytes, len);
}

static const struct message_events events = {on_message, on_ping};

// In pieces that end at these places; returns the last status.
static enum stream_status feed(struct message_stream *stream, const char *bytes, size_t len, size_t first,
                               size_t second) {
  const size_t ends[] = {first, second, len};
  enum stream_status status = STREAM_OPEN;
  heard[0] = '\0';
  for (size_t i = 0, at = 0; i < 3 && status == STREAM_OPEN; at = ends[i++]) {
    uint8_t *copy = malloc(ends[i] - at + 1);  // of its own size, so that a sanitizer sees an overrun
    memcpy(copy, bytes + at, ends[i] - at);
    status = message_stream_receive(stream, copy, ends[i] - at, &events, NULL);
    free(copy);
  }
  return status;
}

// Every way to cut it in three must be heard the same.
static void assert_heard(const char *bytes, size_t len, enum stream_status wanted, const char *wanted_heard, int code) {
  for (size_t first = 0; first <= len; first++) {
    for (size_t second = first; second <= len; second++) {
      struct message_stream stream;
      message_stream_init(&stream);
      assert_int_equal(feed(&stream, bytes, len, first, second), wanted);
      assert_string_equal(heard, wanted_heard);
      assert_int_equal(stream.close_code, code);
      message_stream_fini(&stream);
    }
  }
}

static void hears_messages_and_the_close(void **state) {
  (void)state;
  assert_heard(TEXT_OF("\x81\x03"
                       "abc"
                       "\x82\x02"
                       "de"
                       "\x81\x00"
                       "\x88\x02\x03\xe9"
                       "\x81\x01x"),
               STREAM_ENDED, "t:abc;b:de;t:;", MESSAGE_GOING_AWAY);
}

static void puts_fragments_together_with_control_frames_between_them(void **state) {
  (void)state;
  assert_heard(TEXT_OF("\x01\x02"
                       "ab"
                       "\x89\x01"
                       "p"
                       "\x00\x00"
                       "\x8a\x01"
                       "q"
                       "\x80\x01"
                       "c"
                       "\x89\x00"
                       "\x82\x01"
                       "d"),
               STREAM_OPEN, "ping:p;t:abc;ping:;b:d;", 0);
}

static void a_close_may_come_without_a_code_or_with_a_text(void **state) {
  (void)state;
  assert_heard(TEXT_OF("\x88\x00"), STREAM_ENDED, "", MESSAGE_NO_CODE);
  assert_heard(TEXT_OF("\x88\x06\x03\xf5"
                       "ful"),
               STREAM_OPEN, "", 0);  // one byte is to come
  assert_heard(TEXT_OF("\x88\x06\x03\xf5"
                       "full"),
               STREAM_ENDED, "", MESSAGE_TRY_LATER);
}

static void takes_lengths_of_all_three_kinds(void **state) {
  (void)state;
  static const size_t lens[] = {125, 126, 65535, 65536, 100000};
  static const size_t heads[] = {2, 4, 4, 10, 10};
  for (size_t i = 0; i < 5; i++) {
    size_t len = heads[i] + lens[i];
    char *frame = calloc(1, len);
    frame[0] = (char)0x82;
    frame[1] = (char)(heads[i] == 10 ? 127 : heads[i] == 4 ? 126 : lens[i]);
    for (size_t k = 2; k < heads[i]; k++) frame[k] = (char)(lens[i] >> 8 * (heads[i] - 1 - k));
    struct message_stream stream;
    for (size_t cut = 0; cut < 14; cut++) {
      message_stream_init(&stream);
      assert_int_equal(feed(&stream, frame, len - 1, cut, len / 2), STREAM_OPEN);
      assert_string_equal(heard, "");
      assert_int_equal(feed(&stream, frame + len - 1, 1, 0, 0), STREAM_OPEN);
      assert_string_equal(heard, "b:;");  // %s ends at the first of its zeros
      assert_true(stream.pending.len == 0 && stream.pending.capacity <= 4096);
      message_stream_fini(&stream);
    }
    free(frame);
  }
}

static void refuses_what_no_server_may_send(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
  } bad[] = {
      {TEXT_OF("\x81\x81x\x8a\x02yz")},  // masked, but good if it were not
      {TEXT_OF("\xc1\x01"
               "a")},  // a reserved bit
      {TEXT_OF("\x83\x01"
               "a")},  // opcodes that are none
      {TEXT_OF("\x8b\x00")},
      {TEXT_OF("\x80\x01"
               "a")},  // nothing to continue
      {TEXT_OF("\x01\x01"
               "a"
               "\x81\x01"
               "b")},                 // a message within another
      {TEXT_OF("\x09\x00")},          // a ping in fragments
      {TEXT_OF("\x89\x7e\x00\x7e")},  // a ping of 126 bytes
      {TEXT_OF("\x82\x7e\x00\x7d")},  // lengths not in their shortest form
      {TEXT_OF("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff")},
      {TEXT_OF("\x82\x7f\x00\x00\x00\x00\x04\x00\x00\x01")},  // more than 64 MiB
      {TEXT_OF("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff")},
      {TEXT_OF("\x89\x02\x03\xe8\x88\x01\x03")},  // half a code, after a whole one
      {TEXT_OF("\x88\x02\x00\x07")},              // a code that is none
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    for (size_t cut = 0; cut <= bad[i].len; cut++) {
      struct message_stream stream;
      message_stream_init(&stream);
      if (feed(&stream, bad[i].bytes, bad[i].len, cut, cut) != STREAM_BAD) fail_msg("taken: number %zu", i);
      message_stream_fini(&stream);
    }
  }
}

static void fragments_together_are_bounded_too(void **state) {
  (void)state;
  static const char first[] =
      "\x02\x01"
      "a",
                    next[] = "\x80\x7f\x00\x00\x00\x00\x04\x00\x00\x00";
  struct message_stream stream;
  message_stream_init(&stream);
  assert_int_equal(feed(&stream, TEXT_OF(first), 0, 0), STREAM_OPEN);
  assert_int_equal(feed(&stream, TEXT_OF(next), 0, 0), STREAM_BAD);
  message_stream_fini(&stream);
}

static void no_bytes_lead_it_astray(void **state) {
  (void)state;
  static const uint8_t likely[] = {0x81, 0x01, 0x82, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x7e, 0x05};
  srand(7);
  for (int i = 0; i < 50000; i++) {
    char bytes[40];
    size_t len = (size_t)rand() % sizeof bytes + 1;
    for (size_t k = 0; k < len; k++) {
      bytes[k] = (char)(rand() % 4 ? likely[(size_t)rand() % sizeof likely] : rand());
    }
    struct message_stream stream;
    message_stream_init(&stream);
    size_t first = (size_t)rand() % len;
    feed(&stream, bytes, len, first, first + (size_t)rand() % (len - first));
    message_stream_fini(&stream);
  }
}

// The masked frames of RFC 6455, 5.7, as a server reads them.
static void control_frames_are_masked(void **state) {
  (void)state;
  uint8_t frame[MESSAGE_CONTROL_BYTES], most[MESSAGE_CONTROL_MAX] = {0};
  uint32_t mask;
  memcpy(&mask, "\x37\xfa\x21\x3d", 4);
  assert_int_equal(message_control(frame, MESSAGE_PONG, (const uint8_t *)"Hello", 5, mask), 11);
  assert_memory_equal(frame, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  assert_int_equal(message_control(frame, MESSAGE_CLOSE, NULL, 0, mask), 6);
  assert_memory_equal(frame, "\x88\x80\x37\xfa\x21\x3d", 6);
  assert_int_equal(message_control(frame, MESSAGE_PONG, most, sizeof most, mask), sizeof frame);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hears_messages_and_the_close),
      cmocka_unit_test(puts_fragments_together_with_control_frames_between_them),
      cmocka_unit_test(a_close_may_come_without_a_code_or_with_a_text),
      cmocka_unit_test(takes_lengths_of_all_three_kinds),
      cmocka_unit_test(refuses_what_no_server_may_send),
      cmocka_unit_test(fragments_together_are_bounded_too),
      cmocka_unit_test(no_bytes_lead_it_astray),
      cmocka_unit_test(control_frames_are_masked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

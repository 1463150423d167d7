// frame.c: length-prefixed frames, at every split point.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"

// Looks at exactly len bytes, in memory of their own so that a sanitizer sees an overrun.
static enum frame_status look(const uint8_t *bytes, size_t len, struct frame *out) {
  uint8_t *copy = malloc(len ? len : 1);
  memcpy(copy, bytes, len);
  enum frame_status status = frame_next(copy, len, out);
  if (status == FRAME_OK) out->body = bytes + (out->body - copy);
  free(copy);
  return status;
}

static void every_length_comes_back_and_every_shorter_piece_wants_more(void **state) {
  (void)state;
  static const size_t lengths[] = {0, 1, 126, 127, 128, 129, 300, 16383, 16384, 16385, 65535, 65536};
  uint8_t *bytes = calloc(1, FRAME_HEADER_BYTES + FRAME_MAX_BYTES + 1);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t header = (size_t)(frame_put_header(bytes, lengths[i]) - bytes), total = header + lengths[i];
    assert_true(header <= FRAME_HEADER_BYTES);
    struct frame frame;
    // All split points of short frames, and those near both ends of long ones.
    for (size_t len = 0; len < total; len += len < 600 || len + 300 > total ? 1 : 97) {
      assert_int_equal(look(bytes, len, &frame), FRAME_MORE);
    }
    for (size_t more = 0; more < 2; more++) {
      assert_int_equal(look(bytes, total + more, &frame), FRAME_OK);
      assert_ptr_equal(frame.body, bytes + header);
      assert_int_equal(frame.body_len, lengths[i]);
      assert_int_equal(frame.total_len, total);
    }
  }
  free(bytes);
}

static void a_stream_of_frames_is_the_same_however_it_is_cut(void **state) {
  (void)state;
  static const size_t lengths[] = {3, 0, 130, 1, 5};
  uint8_t bytes[256];
  size_t len = 0;
  for (size_t i = 0; i < 5; i++) {
    uint8_t *body = frame_put_header(bytes + len, lengths[i]);
    memset(body, (int)i, lengths[i]);
    len = (size_t)(body - bytes) + lengths[i];
  }
  for (size_t cut = 0; cut <= len; cut++) {
    size_t at = 0, have = cut, frames = 0;
    for (int piece = 0; piece < 2; piece++, have = len) {
      struct frame frame;
      while (look(bytes + at, have - at, &frame) == FRAME_OK) {
        assert_int_equal(frame.body_len, lengths[frames]);
        for (size_t k = 0; k < frame.body_len; k++) assert_int_equal(frame.body[k], frames);
        frames++;
        at += frame.total_len;
      }
    }
    assert_int_equal(frames, 5);
    assert_int_equal(at, len);
  }
}

static void too_long_is_known_from_the_header_alone(void **state) {
  (void)state;
  uint8_t bytes[10];
  struct frame frame;
  size_t header = (size_t)(frame_put_header(bytes, FRAME_MAX_BYTES + 1) - bytes);
  assert_int_equal(look(bytes, header, &frame), FRAME_TOO_LONG);
  static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  assert_int_equal(look(huge, sizeof huge, &frame), FRAME_TOO_LONG);
}

static void a_length_longer_than_needed_is_read_and_an_endless_one_refused(void **state) {
  (void)state;
  struct frame frame;
  static const uint8_t padded[] = {0x81, 0x80, 0x00, 'x'};
  assert_int_equal(look(padded, sizeof padded, &frame), FRAME_OK);
  assert_int_equal(frame.body_len, 1);
  assert_int_equal(frame.total_len, 4);
  uint8_t endless[11];
  memset(endless, 0x80, sizeof endless);
  assert_int_equal(look(endless, 10, &frame), FRAME_MORE);
  assert_int_equal(look(endless, 11, &frame), FRAME_BAD);
  // Bits beyond the 64th must not wrap to a small length.
  static const uint8_t beyond[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02};
  assert_int_equal(look(beyond, sizeof beyond, &frame), FRAME_BAD);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_length_comes_back_and_every_shorter_piece_wants_more),
      cmocka_unit_test(a_stream_of_frames_is_the_same_however_it_is_cut),
      cmocka_unit_test(too_long_is_known_from_the_header_alone),
      cmocka_unit_test(a_length_longer_than_needed_is_read_and_an_endless_one_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// wire.c: fields of Protocol Buffers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

static uint64_t random64(void) {
  uint64_t value = (uint64_t)rand() << 62 ^ (uint64_t)rand() << 31 ^ (uint64_t)rand();
  return value >> (rand() % 64);
}

static void varints_come_back_at_their_shortest(void **state) {
  (void)state;
  srand(1);
  for (int i = 0; i < 200000; i++) {
    uint64_t value = i < 64 ? (UINT64_C(1) << i) - (uint64_t)(i & 1) : random64();
    uint8_t bytes[11];
    size_t len = (size_t)(wire_put_varint(bytes, value) - bytes);
    assert_int_equal(len, wire_varint_bytes(value));
    struct wire_reader reader = wire_reader(bytes, len);
    uint64_t back;
    assert_true(wire_varint(&reader, &back));
    assert_true(back == value);
    assert_int_equal(wire_left(&reader), 0);
    for (size_t cut = 0; cut < len; cut++) {
      struct wire_reader shorter = wire_reader(bytes, cut);
      assert_false(wire_varint(&shorter, &back));
      assert_ptr_equal(shorter.at, bytes);
    }
  }
}

static void a_varint_has_ten_bytes_at_most(void **state) {
  (void)state;
  uint8_t bytes[11];
  memset(bytes, 0x80, sizeof bytes);
  bytes[10] = 0;
  struct wire_reader reader = wire_reader(bytes, sizeof bytes);
  uint64_t value;
  assert_false(wire_varint(&reader, &value));
}

static void zigzag_comes_back(void **state) {
  (void)state;
  static const int64_t values[] = {0, -1, 1, -2, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
  static const uint64_t zigzags[] = {0, 1, 2, 3, 4294967294, 4294967295, UINT64_MAX - 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    assert_true(wire_zigzag(values[i]) == zigzags[i]);
    assert_true(wire_unzigzag(zigzags[i]) == values[i]);
  }
}

// A message with one field of each type.
static size_t message(uint8_t *bytes) {
  uint8_t *to = wire_put_uint(bytes, 1, 300);
  to = wire_put_fixed64(to, 2, UINT64_C(0x1122334455667788));
  to = wire_put_fixed32(to, 3, 0xaabbccdd);
  to = wire_put_bytes(to, 0x1fffffff, "hello", 5);
  to = wire_put_bytes(to, 5, NULL, 0);
  return (size_t)(to - bytes);
}

static void reads_what_was_written(void **state) {
  (void)state;
  uint8_t bytes[64];
  struct wire_reader reader = wire_reader(bytes, message(bytes));
  struct wire_field field;
  assert_int_equal(wire_next(&reader, &field), WIRE_FIELD);
  assert_true(field.id == 1 && field.type == WIRE_VARINT && field.number == 300);
  assert_int_equal(wire_next(&reader, &field), WIRE_FIELD);
  assert_true(field.id == 2 && field.type == WIRE_FIXED64 && field.number == UINT64_C(0x1122334455667788));
  assert_int_equal(wire_next(&reader, &field), WIRE_FIELD);
  assert_true(field.id == 3 && field.type == WIRE_FIXED32 && field.number == 0xaabbccdd);
  assert_int_equal(wire_next(&reader, &field), WIRE_FIELD);
  assert_true(field.id == 0x1fffffff && field.type == WIRE_BYTES && wire_left(&field.bytes) == 5);
  assert_memory_equal(field.bytes.at, "hello", 5);
  assert_int_equal(wire_next(&reader, &field), WIRE_FIELD);
  assert_true(field.id == 5 && wire_left(&field.bytes) == 0);
  assert_int_equal(wire_next(&reader, &field), WIRE_END);
}

// Cut anywhere, a message ends at a field's end or is bad, and nothing beyond the cut is read.
static void a_message_cut_short_is_bad_or_ends_between_fields(void **state) {
  (void)state;
  uint8_t bytes[64];
  size_t len = message(bytes), whole = 0;
  for (size_t cut = 0; cut <= len; cut++) {
    uint8_t *copy = malloc(cut + 1);
    memcpy(copy, bytes, cut);
    struct wire_reader reader = wire_reader(copy, cut);
    struct wire_field field;
    enum wire_status status;
    while ((status = wire_next(&reader, &field)) == WIRE_FIELD) continue;
    whole += status == WIRE_END;
    free(copy);
  }
  assert_int_equal(whole, 6);  // the ends of five fields, and the empty message
}

static void refuses_what_is_no_field(void **state) {
  (void)state;
  static const uint8_t bad[][6] = {
      {0x00, 0x00},  // field 0
      {0x0b, 0x00},  // a group
      {0x0c},
      {0x0e, 1},
      {0x0f, 1},                             // its end, and types that there are not
      {0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00},  // a field beyond 2^29
      {0x0a, 0x02, 'x'},                     // bytes longer than what is left
      {0x09, 1, 2, 3},
      {0x0d, 1, 2},  // too few for fixed64 and fixed32
  };
  static const size_t lengths[] = {2, 2, 1, 2, 2, 6, 3, 4, 3};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    struct wire_reader reader = wire_reader(bad[i], lengths[i]);
    struct wire_field field;
    assert_int_equal(wire_next(&reader, &field), WIRE_BAD);
  }
}

static void a_length_near_2_to_the_64_does_not_wrap(void **state) {
  (void)state;
  static const uint8_t bytes[] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'};
  struct wire_reader reader = wire_reader(bytes, sizeof bytes);
  struct wire_field field;
  assert_int_equal(wire_next(&reader, &field), WIRE_BAD);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(varints_come_back_at_their_shortest),
      cmocka_unit_test(a_varint_has_ten_bytes_at_most),
      cmocka_unit_test(zigzag_comes_back),
      cmocka_unit_test(reads_what_was_written),
      cmocka_unit_test(a_message_cut_short_is_bad_or_ends_between_fields),
      cmocka_unit_test(refuses_what_is_no_field),
      cmocka_unit_test(a_length_near_2_to_the_64_does_not_wrap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

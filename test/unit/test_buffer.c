// buffer.c: bytes that grow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"

static void keeps_what_is_appended(void **state) {
  (void)state;
  struct buffer buffer = {0};
  for (int i = 0; i < 1000; i++) buffer_append(&buffer, "abc", 3);
  assert_int_equal(buffer.len, 3000);
  assert_true(buffer.capacity >= buffer.len);
  for (size_t i = 0; i < buffer.len; i++) assert_int_equal(buffer.data[i], "abc"[i % 3]);
  buffer_fini(&buffer);
  assert_null(buffer.data);
  assert_int_equal(buffer.len + buffer.capacity, 0);
}

static void appending_nothing_takes_no_memory(void **state) {
  (void)state;
  struct buffer buffer = {0};
  buffer_append(&buffer, NULL, 0);
  buffer_append_string(&buffer, "");
  buffer_consume(&buffer, 0);
  assert_null(buffer.data);
}

static void reserve_makes_room_and_adds_nothing(void **state) {
  (void)state;
  struct buffer buffer = {0};
  buffer_append_string(&buffer, "x");
  uint8_t *at = buffer_reserve(&buffer, 10000);
  memset(at, 7, 10000);
  assert_ptr_equal(at, buffer.data + 1);
  assert_int_equal(buffer.len, 1);
  buffer_fini(&buffer);
}

// A print of every length, so that one ends exactly where the memory does.
static void prints_texts_of_every_length(void **state) {
  (void)state;
  struct buffer buffer = {0};
  size_t len = 0;
  for (int width = 0; width < 600; width++) {
    buffer_printf(&buffer, "%*s|", width, "");
    len += (size_t)width + 1;
    assert_int_equal(buffer.len, len);
    assert_int_equal(buffer.data[len - 1], '|');
  }
  buffer_printf(&buffer, "%s", "");
  assert_int_equal(buffer.len, len);
  buffer_fini(&buffer);
}

static void consume_moves_the_rest_to_the_front(void **state) {
  (void)state;
  struct buffer buffer = {0};
  buffer_append_string(&buffer, "hello world");
  buffer_consume(&buffer, 6);
  assert_int_equal(buffer.len, 5);
  assert_memory_equal(buffer.data, "world", 5);
  buffer_consume(&buffer, 5);
  assert_int_equal(buffer.len, 0);
  buffer_fini(&buffer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keeps_what_is_appended),
      cmocka_unit_test(appending_nothing_takes_no_memory),
      cmocka_unit_test(reserve_makes_room_and_adds_nothing),
      cmocka_unit_test(prints_texts_of_every_length),
      cmocka_unit_test(consume_moves_the_rest_to_the_front),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

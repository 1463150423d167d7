// pgarray.c: the binary form of Postgres arrays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tracker/pgarray.h"

static void writes_header_elements_and_nulls(void **state) {
  (void)state;
  struct pgarray array = {0};
  pgarray_start(&array, PG_INT4);
  pgarray_add_int4(&array, -2);
  pgarray_add_null(&array);
  pgarray_finish(&array);
  static const uint8_t want[] = {0, 0, 0, 1, 0, 0, 0, 1, 0,    0,    0,    23,   0,    0,    0,    2,
                                 0, 0, 0, 1, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff};
  assert_int_equal(array.bytes.len, sizeof want);
  assert_memory_equal(array.bytes.data, want, sizeof want);
  pgarray_fini(&array);
}

static void an_empty_array_has_no_dimension(void **state) {
  (void)state;
  struct pgarray array = {0};
  pgarray_start(&array, PG_TEXT);
  pgarray_finish(&array);
  static const uint8_t want[] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 25};
  assert_int_equal(array.bytes.len, sizeof want);
  assert_memory_equal(array.bytes.data, want, sizeof want);
  pgarray_fini(&array);
}

static void counts_time_from_the_year_2000(void **state) {
  (void)state;
  struct pgarray array = {0};
  pgarray_start(&array, PG_TIMESTAMPTZ);
  pgarray_add_time(&array, PG_EPOCH_US + 258);
  pgarray_finish(&array);
  static const uint8_t want[] = {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2};
  assert_int_equal(array.bytes.len, 20 + sizeof want);
  assert_memory_equal(array.bytes.data + 20, want, sizeof want);
  pgarray_fini(&array);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_header_elements_and_nulls),
      cmocka_unit_test(an_empty_array_has_no_dimension),
      cmocka_unit_test(counts_time_from_the_year_2000),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// One-dimensional arrays: dimensions, null flag, element type, length, lower bound, then length-prefixed elements.
#include "pgarray.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#define HEADER_BYTES 20

void pgarray_fini(struct pgarray *array) {
  buffer_fini(&array->bytes);
}

static void put_uint32(struct buffer *bytes, uint32_t value) {
  uint32_t wire = htonl(value);
  buffer_append(bytes, &wire, sizeof wire);
}

void pgarray_start(struct pgarray *array, enum pg_type type) {
  array->bytes.len = 0;
  array->count = 0;
  put_uint32(&array->bytes, 1);  // dimensions
  put_uint32(&array->bytes, 1);  // may have nulls
  put_uint32(&array->bytes, type);
  put_uint32(&array->bytes, 0);  // length, patched at the end
  put_uint32(&array->bytes, 1);  // lower bound
}

static void add(struct pgarray *array, const void *value, size_t len) {
  put_uint32(&array->bytes, (uint32_t)len);
  buffer_append(&array->bytes, value, len);
  array->count++;
}

void pgarray_add_null(struct pgarray *array) {
  put_uint32(&array->bytes, UINT32_MAX);
  array->count++;
}

void pgarray_add_bool(struct pgarray *array, int value) {
  add(array, value ? "\1" : "\0", 1);
}

void pgarray_add_int2(struct pgarray *array, int16_t value) {
  uint16_t wire = htons((uint16_t)value);
  add(array, &wire, sizeof wire);
}

void pgarray_add_int4(struct pgarray *array, int32_t value) {
  uint32_t wire = htonl((uint32_t)value);
  add(array, &wire, sizeof wire);
}

void pgarray_add_int8(struct pgarray *array, int64_t value) {
  uint64_t wire = htobe64((uint64_t)value);
  add(array, &wire, sizeof wire);
}

void pgarray_add_text(struct pgarray *array, const char *text, size_t len) {
  add(array, text, len);
}

void pgarray_add_time(struct pgarray *array, int64_t unix_us) {
  pgarray_add_int8(array, unix_us - PG_EPOCH_US);
}

void pgarray_finish(struct pgarray *array) {
  uint32_t count = htonl(array->count);
  memcpy(array->bytes.data + 12, &count, sizeof count);
  // An empty array has no dimension at all.
  if (array->count == 0) {
    memset(array->bytes.data, 0, 4);
    array->bytes.len = 12;
  }
}

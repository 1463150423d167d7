// Postgres arrays in binary form, as parameters of `unnest`: a column of many rows in one parameter. Pure.
// Source: PostgreSQL 15 src/include/utils/array.h and the *recv functions' external form (COPY BINARY uses the same).
#ifndef MUSTER_PGARRAY_H
#define MUSTER_PGARRAY_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

// Object ids of the element types, from pg_type.dat.
enum pg_type {
  PG_BOOL = 16,
  PG_BYTEA = 17,
  PG_INT8 = 20,
  PG_INT2 = 21,
  PG_INT4 = 23,
  PG_TEXT = 25,
  PG_TIMESTAMPTZ = 1184
};

struct pgarray {
  struct buffer bytes;
  uint32_t count;
};

void pgarray_fini(struct pgarray *array);
void pgarray_start(struct pgarray *array, enum pg_type type);  // empties it
void pgarray_add_null(struct pgarray *array);
void pgarray_add_bool(struct pgarray *array, int value);
void pgarray_add_int2(struct pgarray *array, int16_t value);
void pgarray_add_int4(struct pgarray *array, int32_t value);
void pgarray_add_int8(struct pgarray *array, int64_t value);
void pgarray_add_text(struct pgarray *array, const char *text, size_t len);  // also for PG_BYTEA
void pgarray_add_time(struct pgarray *array, int64_t unix_us);               // for PG_TIMESTAMPTZ
// Completes the array; bytes are then the parameter's value.
void pgarray_finish(struct pgarray *array);

// Postgres counts time in microseconds from 2000-01-01.
#define PG_EPOCH_US INT64_C(946684800000000)

#endif

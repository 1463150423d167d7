// The Protocol Buffers wire format once more, for fuzz targets: written to be read, not to be fast, and without
// anything of common/wire.h. It also tells where protobuf-c 1.4 reads a message otherwise than the encoding's rules
// say, which it does in corners that no writer goes to: there it is no judge.
#ifndef MUSTER_PLAIN_WIRE_H
#define MUSTER_PLAIN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

struct plain_reader {
  const uint8_t *at, *end;
  bool odd;  // protobuf-c may see it differently
};

struct plain_field {
  uint64_t id;
  unsigned type;
  uint64_t number;  // of a varint, or 4 or 8 bytes
  const uint8_t *bytes;
  size_t len;
};

enum plain_status { PLAIN_FIELD, PLAIN_END, PLAIN_BAD };

// How many bytes the varint has, 0 if it is none. What is beyond 64 bits is cut off.
static inline size_t plain_varint(struct plain_reader *r, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = 0; i < 10 && r->at + i < r->end; i++) {
    uint64_t bits = r->at[i] & 0x7f;
    if (i == 9 && bits > 1) r->odd = true;  // protobuf-c: a bool is true even if only what is cut off was set
    value |= i == 9 ? bits << 63 : bits << 7 * i;
    if (r->at[i] < 0x80) {
      *out = value;
      r->at += i + 1;
      return i + 1;
    }
  }
  return 0;
}

static inline bool plain_fixed(struct plain_reader *r, size_t bytes, uint64_t *out) {
  if ((size_t)(r->end - r->at) < bytes) return false;
  *out = 0;
  for (size_t i = 0; i < bytes; i++) *out |= (uint64_t)r->at[i] << 8 * i;
  r->at += bytes;
  return true;
}

static inline enum plain_status plain_next(struct plain_reader *r, struct plain_field *out) {
  if (r->at == r->end) return PLAIN_END;
  uint64_t tag, len;
  *out = (struct plain_field){0};
  size_t tag_bytes = plain_varint(r, &tag);
  if (tag_bytes == 0) {
    r->odd |= r->end - r->at > 5;  // protobuf-c: no tag has more than 5 bytes, and is cut off at 32 bits
    return PLAIN_BAD;
  }
  if (tag_bytes > 5 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) r->odd = true;
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return PLAIN_BAD;
  out->id = tag >> 3;
  out->type = tag & 7;
  switch (out->type) {
    case 0:
      return plain_varint(r, &out->number) ? PLAIN_FIELD : PLAIN_BAD;
    case 1:
      return plain_fixed(r, 8, &out->number) ? PLAIN_FIELD : PLAIN_BAD;
    case 5:
      return plain_fixed(r, 4, &out->number) ? PLAIN_FIELD : PLAIN_BAD;
    case 2: {
      size_t len_bytes = plain_varint(r, &len);
      if (len_bytes > 5) r->odd = true;  // protobuf-c: neither has a length
      if (len_bytes == 0 || len > (uint64_t)(r->end - r->at)) return PLAIN_BAD;
      out->bytes = r->at;
      out->len = (size_t)len;
      r->at += len;
      return PLAIN_FIELD;
    }
    default:
      return PLAIN_BAD;  // groups
  }
}

// The message that the field holds.
static inline struct plain_reader plain_inside(const struct plain_field *field) {
  return (struct plain_reader){field->bytes, field->bytes ? field->bytes + field->len : NULL, false};
}

static inline uint32_t plain_unzigzag32(uint32_t value) {
  return value % 2 ? ~(value / 2) : value / 2;
}

// ---- memory for protobuf-c: given out once, taken back all at once ----

#define PLAIN_ARENA_BYTES (1u << 21)

struct plain_arena {
  size_t used;
  _Alignas(16) uint8_t bytes[PLAIN_ARENA_BYTES];
};

static inline void *plain_alloc(void *context, size_t size) {
  struct plain_arena *arena = context;
  size_t at = (arena->used + 15) & ~(size_t)15;
  if (size > PLAIN_ARENA_BYTES - at) abort();
  arena->used = at + size;
  return arena->bytes + at;
}

static inline void plain_free(void *context, void *memory) {
  (void)context, (void)memory;
}

static inline ProtobufCAllocator plain_allocator(struct plain_arena *arena) {
  arena->used = 0;
  return (ProtobufCAllocator){plain_alloc, plain_free, arena};
}

#endif

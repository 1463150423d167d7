// The Protocol Buffers wire format, for the few hot messages that are read and written by hand; everything else uses
// protobuf-c. Source: protobuf.dev, "Encoding". Pure; any thread.
//
// Readers never read beyond `end`. Writers write at most the stated number of bytes and return the next free place.
#ifndef MUSTER_WIRE_H
#define MUSTER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_reader {
  const uint8_t *at;
  const uint8_t *end;
};

// One field: its number, its type, and its value: `number` for VARINT, FIXED64 and FIXED32, `bytes` for BYTES, which
// point into the message.
struct wire_field {
  uint32_t id;
  enum wire_type type;
  uint64_t number;
  struct wire_reader bytes;
};

enum wire_status { WIRE_FIELD, WIRE_END, WIRE_BAD };

// Reads the next field. WIRE_END at the end of the message, WIRE_BAD if the bytes are no message.
enum wire_status wire_next(struct wire_reader *reader, struct wire_field *out_field)
    __attribute__((warn_unused_result));

static inline struct wire_reader wire_reader(const void *bytes, size_t len) {
  return (struct wire_reader){bytes, (const uint8_t *)bytes + len};
}

static inline size_t wire_left(const struct wire_reader *reader) {
  return (size_t)(reader->end - reader->at);
}

// ---- reading hot messages ----
//
// A hot message is read by a loop over tags: wire_varint gives the tag, a switch over WIRE_TAG() the field, one of the
// functions below its value, and wire_skip passes over any other field. All return false if the bytes are no message.

#define WIRE_TAG(id, type) ((uint64_t)(id) << 3 | (unsigned)(type))

// What wire_varint and wire_skip leave to them. A reader whose address is not given away stays in registers. `after`:
// where the value ends, NULL if the bytes are no message.
struct wire_long {
  const uint8_t *after;
  uint64_t value;
};
struct wire_long wire_long_varint(const uint8_t *at, const uint8_t *end) __attribute__((warn_unused_result));
const uint8_t *wire_after(const uint8_t *at, const uint8_t *end, uint64_t tag) __attribute__((warn_unused_result));

// Reads a varint of at most 10 bytes; false if it does not end before `end` or is longer. Most have one byte or two.
__attribute__((warn_unused_result)) static inline bool wire_varint(struct wire_reader *reader, uint64_t *out_value) {
  const uint8_t *at = reader->at;
  if (at != reader->end && at[0] < 0x80) {
    *out_value = at[0];
    reader->at = at + 1;
    return true;
  }
  if (reader->end - at >= 2 && at[1] < 0x80) {
    *out_value = (at[0] & 0x7fu) | (unsigned)at[1] << 7;
    reader->at = at + 2;
    return true;
  }
  struct wire_long read = wire_long_varint(at, reader->end);
  if (!read.after) return false;
  *out_value = read.value;
  reader->at = read.after;
  return true;
}

__attribute__((warn_unused_result)) static inline bool wire_bool(struct wire_reader *reader, bool *out_value) {
  uint64_t value;
  if (!wire_varint(reader, &value)) return false;
  *out_value = value != 0;
  return true;
}

__attribute__((warn_unused_result)) static inline bool wire_fixed64(struct wire_reader *reader, void *out_value) {
  if (reader->end - reader->at < 8) return false;
  memcpy(out_value, reader->at, 8);
  reader->at += 8;
  return true;
}

__attribute__((warn_unused_result)) static inline bool wire_fixed32(struct wire_reader *reader, void *out_value) {
  if (reader->end - reader->at < 4) return false;
  memcpy(out_value, reader->at, 4);
  reader->at += 4;
  return true;
}

// Reads bytes with their length before them; out_bytes points into the message.
__attribute__((warn_unused_result)) static inline bool wire_bytes(struct wire_reader *reader,
                                                                  struct wire_reader *out_bytes) {
  uint64_t len;
  if (!wire_varint(reader, &len) || len > (uint64_t)(reader->end - reader->at)) return false;
  *out_bytes = (struct wire_reader){reader->at, reader->at + len};
  reader->at += len;
  return true;
}

// Passes over the value of the field with this tag; false also if no field can have the tag.
__attribute__((warn_unused_result)) static inline bool wire_skip(struct wire_reader *reader, uint64_t tag) {
  const uint8_t *after = wire_after(reader->at, reader->end, tag);
  if (!after) return false;
  reader->at = after;
  return true;
}

// ---- writing ----

// At most 10 bytes.
static inline uint8_t *wire_put_varint(uint8_t *to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  *to++ = (uint8_t)value;
  return to;
}

// At most 5 bytes for ids below 2^28.
static inline uint8_t *wire_put_tag(uint8_t *to, uint32_t id, enum wire_type type) {
  return wire_put_varint(to, (uint64_t)id << 3 | type);
}

static inline uint8_t *wire_put_uint(uint8_t *to, uint32_t id, uint64_t value) {
  return wire_put_varint(wire_put_tag(to, id, WIRE_VARINT), value);
}

// The machine is little-endian, as the wire is; wire.c asserts it.
static inline uint8_t *wire_put_fixed64(uint8_t *to, uint32_t id, uint64_t value) {
  to = wire_put_tag(to, id, WIRE_FIXED64);
  memcpy(to, &value, 8);
  return to + 8;
}

static inline uint8_t *wire_put_fixed32(uint8_t *to, uint32_t id, uint32_t value) {
  to = wire_put_tag(to, id, WIRE_FIXED32);
  memcpy(to, &value, 4);
  return to + 4;
}

static inline uint8_t *wire_put_bytes(uint8_t *to, uint32_t id, const void *bytes, size_t len) {
  to = wire_put_varint(wire_put_tag(to, id, WIRE_BYTES), len);
  if (len) memcpy(to, bytes, len);
  return to + len;
}

static inline size_t wire_varint_bytes(uint64_t value) {
  size_t n = 1;
  while (value >= 0x80) {
    value >>= 7;
    n++;
  }
  return n;
}

static inline uint64_t wire_zigzag(int64_t value) {
  return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t wire_unzigzag(uint64_t value) {
  return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif

// Reading fields of the Protocol Buffers wire format.
#include "wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fixed fields are copied as they stand in memory");

struct wire_long wire_long_varint(const uint8_t *at, const uint8_t *end) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70 && at != end; shift += 7) {
    uint8_t byte = *at++;
    // The tenth byte holds only the 64th bit; more is cut off there, as every protobuf reader does.
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return (struct wire_long){at, value};
  }
  return (struct wire_long){0};
}

static bool read_value(struct wire_reader *reader, uint64_t tag, struct wire_field *out) {
  uint32_t value = 0;
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
  out->id = (uint32_t)(tag >> 3);
  out->type = (enum wire_type)(tag & 7);
  switch (out->type) {
    case WIRE_VARINT:
      return wire_varint(reader, &out->number);
    case WIRE_FIXED64:
      return wire_fixed64(reader, &out->number);
    case WIRE_FIXED32:
      if (!wire_fixed32(reader, &value)) return false;
      out->number = value;
      return true;
    case WIRE_BYTES:
      return wire_bytes(reader, &out->bytes);
    default:
      return false;  // groups, which no message of ours has
  }
}

enum wire_status wire_next(struct wire_reader *reader, struct wire_field *out_field) {
  uint64_t tag;
  if (reader->at == reader->end) return WIRE_END;
  return wire_varint(reader, &tag) && read_value(reader, tag, out_field) ? WIRE_FIELD : WIRE_BAD;
}

const uint8_t *wire_after(const uint8_t *at, const uint8_t *end, uint64_t tag) {
  struct wire_reader reader = {at, end};
  struct wire_field passed;
  return read_value(&reader, tag, &passed) ? reader.at : NULL;
}

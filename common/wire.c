// Reading fields of the Protocol Buffers wire format.
#include "wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fixed fields are copied as they stand in memory");

bool wire_long_varint(struct wire_reader *reader, uint64_t *out_value) {
  const uint8_t *at = reader->at;
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at == reader->end) return false;
    uint8_t byte = *at++;
    // The tenth byte holds only the 64th bit; more is cut off there, as every protobuf reader does.
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      reader->at = at;
      *out_value = value;
      return true;
    }
  }
  return false;
}

static bool fixed(struct wire_reader *reader, size_t len, uint64_t *out_value) {
  if (wire_left(reader) < len) return false;
  *out_value = 0;
  memcpy(out_value, reader->at, len);
  reader->at += len;
  return true;
}

enum wire_status wire_next(struct wire_reader *reader, struct wire_field *out_field) {
  if (reader->at == reader->end) return WIRE_END;
  uint64_t tag;
  if (!wire_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return WIRE_BAD;
  out_field->id = (uint32_t)(tag >> 3);
  uint64_t value = 0;
  switch (tag & 7) {
    case WIRE_VARINT:
      if (!wire_varint(reader, &value)) return WIRE_BAD;
      break;
    case WIRE_FIXED64:
      if (!fixed(reader, 8, &value)) return WIRE_BAD;
      break;
    case WIRE_FIXED32:
      if (!fixed(reader, 4, &value)) return WIRE_BAD;
      break;
    case WIRE_BYTES:
      if (!wire_varint(reader, &value) || value > wire_left(reader)) return WIRE_BAD;
      out_field->bytes = (struct wire_reader){reader->at, reader->at + value};
      reader->at += value;
      break;
    default:
      return WIRE_BAD;  // groups, which no message of ours has
  }
  out_field->type = (enum wire_type)(tag & 7);
  out_field->number = value;
  return WIRE_FIELD;
}

// Varint-delimited frames.
#include "frame.h"

#include "wire.h"

enum frame_status frame_next(const uint8_t *bytes, size_t len, struct frame *out_frame) {
  uint64_t body_len = 0;
  for (size_t i = 0; i < len; i++) {
    if (i == 10 || (i == 9 && (bytes[i] & 0x7f) > 1)) return FRAME_BAD;  // more than 64 bits
    body_len |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
    if (body_len > FRAME_MAX_BYTES) return FRAME_TOO_LONG;
    if (bytes[i] < 0x80) {
      size_t header = i + 1;
      if (len - header < body_len) return FRAME_MORE;
      *out_frame = (struct frame){bytes + header, (size_t)body_len, header + (size_t)body_len};
      return FRAME_OK;
    }
  }
  return FRAME_MORE;
}

uint8_t *frame_put_header(uint8_t *to, size_t body_len) {
  return wire_put_varint(to, body_len);
}

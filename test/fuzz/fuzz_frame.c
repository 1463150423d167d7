// frame.c: what it says of a stream's front is what a plain reading of the length says, and does not depend on how much
// of the stream has come; what it writes it reads.
#include "frame.h"

#include "plain_wire.h"

#include "fuzz.h"

static enum frame_status plain_frame(const uint8_t *bytes, size_t len, size_t *out_header, uint64_t *out_body) {
  unsigned __int128 value = 0;
  for (size_t i = 0; i < len; i++) {
    if (i == 10) return FRAME_BAD;
    value |= (unsigned __int128)(bytes[i] & 0x7f) << 7 * i;
    if (value > UINT64_MAX) return FRAME_BAD;
    if (value > 65536) return FRAME_TOO_LONG;
    if (bytes[i] < 0x80) {
      *out_header = i + 1;
      *out_body = (uint64_t)value;
      return len - i - 1 < value ? FRAME_MORE : FRAME_OK;
    }
  }
  return FRAME_MORE;
}

// The frame at the front, of which this much has come.
static enum frame_status check_front(const uint8_t *bytes, size_t len, struct frame *out) {
  const struct frame untouched = {bytes, 77, 78};
  size_t header = 0;
  uint64_t body = 0;
  *out = untouched;
  enum frame_status status = frame_next(bytes, len, out);
  fuzz_check(status == plain_frame(bytes, len, &header, &body));
  if (status == FRAME_OK) {
    fuzz_check(out->body == bytes + header && out->body_len == body && out->total_len == header + body);
  } else {
    fuzz_check(out->body == untouched.body && out->body_len == 77 && out->total_len == 78);
  }
  return status;
}

static void check_header(size_t body_len) {
  uint8_t bytes[FRAME_HEADER_BYTES];
  struct plain_reader reader = {bytes, frame_put_header(bytes, body_len), false};
  uint64_t again;
  fuzz_check((size_t)(reader.end - bytes) <= sizeof bytes && plain_varint(&reader, &again));
  fuzz_check(again == body_len && reader.at == reader.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  struct frame frame, part;
  enum frame_status status;
  do {
    status = check_front(bytes, len, &frame);
    size_t whole = status == FRAME_OK ? frame.total_len : len, step = whole / 8 + 1;
    for (size_t have = 0; have < whole; have += have < 12 ? 1 : step) {
      enum frame_status before = check_front(bytes, have, &part);
      fuzz_check(before == FRAME_MORE || before == status);
    }
    if (status != FRAME_OK) break;
    check_header(frame.body_len);
    bytes += frame.total_len;
    len -= frame.total_len;
  } while (len > 0);
  return 0;
}

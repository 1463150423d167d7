// message_stream.c: what the simulator's WebSocket reader tells does not depend on how the bytes were cut, and is what
// a plainer reading, which has all bytes at once, makes of them.
#include "../../simulator/message_stream.h"

#include <string.h>

#include "fuzz.h"
#include "tale.h"

#define INPUT_MAX 4096

static void on_message(void *context, bool text, uint8_t *bytes, size_t len) {
  tell(context, text ? MESSAGE_TEXT : MESSAGE_BINARY, bytes, len);
}

static void on_ping(void *context, const uint8_t *bytes, size_t len) {
  fuzz_check(len <= MESSAGE_CONTROL_MAX);
  tell(context, MESSAGE_PING, bytes, len);
}

static const struct message_events events = {on_message, on_ping};

// ---- the plainer reading ----

static bool is_head_good(const uint8_t *bytes, bool unfinished) {
  int opcode = bytes[0] & 15;
  if (bytes[0] & 0x70 || bytes[1] >= 0x80) return false;
  if (opcode >= 8) return opcode <= 10 && bytes[0] >= 0x80;
  return opcode <= 2 && unfinished == (opcode == 0);
}

// STREAM_BAD, or how the stream stands, after a close with its payload at bytes.
static enum stream_status plain_close(const uint8_t *bytes, size_t len, struct tale *tale) {
  int code = len == 0 ? MESSAGE_NO_CODE : len == 1 ? 0 : bytes[0] * 256 + bytes[1];
  if (code < 1000 || code > 4999) return STREAM_BAD;
  tell(tale, code, NULL, 0);
  return STREAM_ENDED;
}

static enum stream_status plain(const uint8_t *bytes, size_t len, struct tale *tale) {
  static uint8_t message[INPUT_MAX];
  size_t message_len = 0;
  int kind = 0;
  while (len >= 2) {
    int opcode = bytes[0] & 15;
    bool fin = bytes[0] >= 0x80;
    size_t wide = (bytes[1] & 0x7f) == 126 ? 2 : (bytes[1] & 0x7f) == 127 ? 8 : 0, head = 2 + wide;
    if (len < head) return STREAM_OPEN;
    if (!is_head_good(bytes, kind != 0)) return STREAM_BAD;
    uint64_t size = wide ? 0 : bytes[1] & 0x7f;
    for (size_t i = 0; i < wide; i++) size = size * 256 + bytes[2 + i];
    if ((wide == 2 && size < 126) || (wide == 8 && size < 65536) || (opcode >= 8 && size > 125)) return STREAM_BAD;
    if (opcode < 8 && size > (64u << 20) - message_len) return STREAM_BAD;
    if (size > len - head) return STREAM_OPEN;
    const uint8_t *payload = bytes + head;
    if (opcode == 8) return plain_close(payload, (size_t)size, tale);
    if (opcode == 9) tell(tale, MESSAGE_PING, payload, (size_t)size);
    if (opcode < 8) {
      kind = opcode ? opcode : kind;
      memcpy(message + message_len, payload, (size_t)size);
      message_len += (size_t)size;
      if (fin) {
        tell(tale, kind, message, message_len);
        kind = 0;
        message_len = 0;
      }
    }
    bytes = payload + size;
    len -= head + (size_t)size;
  }
  return STREAM_OPEN;
}

// ---- the target ----

static enum stream_status feed(const uint8_t *bytes, size_t len, size_t most, uint64_t seed, struct tale *tale) {
  static uint8_t *room;
  struct message_stream stream;
  enum stream_status status = STREAM_OPEN;
  message_stream_init(&stream);
  for (size_t at = 0, size; at < len && status == STREAM_OPEN; at += size) {
    size = next_piece(&seed, most, len - at);
    uint8_t *piece = at_end(&room, INPUT_MAX, bytes + at, size);
    status = message_stream_receive(&stream, piece, size, &events, tale);
  }
  if (status == STREAM_ENDED) tell(tale, stream.close_code, NULL, 0);
  message_stream_fini(&stream);
  return status;
}

// All at once, and in small pieces.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len > INPUT_MAX) return 0;
  struct tale expected = {1};
  enum stream_status status = plain(bytes, len, &expected);
  const size_t most[] = {INPUT_MAX, expected.hash >> 32 & 1 ? 1 : 9};
  for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
    struct tale tale = {1};
    fuzz_check(feed(bytes, len, most[i], expected.hash, &tale) == status);
    fuzz_check(tale.hash == expected.hash);
  }
  return 0;
}

// ws.c: what a reader tells must not depend on how its bytes were cut, and must be what a plainer reading of RFC 6455,
// which has all bytes at once, makes of them.
#include <stdbool.h>
#include <string.h>

#include "../../gateway/ws.h"
#include "fuzz.h"
#include "tale.h"

static int on_message(void *context, bool text, const uint8_t *bytes, size_t len) {
  fuzz_check(len <= WS_MESSAGE_MAX);
  tell(context, text ? WS_TEXT : WS_BINARY, bytes, len);
  return len > 0 && bytes[0] == '!' ? WS_UNSUPPORTED : 0;
}

static int on_ping(void *context, const uint8_t *bytes, size_t len) {
  fuzz_check(len <= WS_CONTROL_MAX);
  tell(context, WS_PING, bytes, len);
  return len > 0 && bytes[0] == '!' ? WS_POLICY : 0;
}

static void on_close(void *context, int code) {
  tell(context, 0x10000 + code, NULL, 0);
}

#define INPUT_MAX 10000

static const struct ws_events events = {on_message, on_ping, on_close};

// ---- the plainer reading ----

// Decodes character by character. If the text is not complete, its last character may be cut off.
static bool is_text(const uint8_t *bytes, size_t len, bool complete) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  for (size_t at = 0; at < len;) {
    uint8_t first = bytes[at];
    size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (size == 0) return false;
    uint32_t low = size == 1 ? first : first & (0x7fu >> size), high = low;
    size_t have = 1;
    for (; have < size && at + have < len; have++) {
      if (bytes[at + have] >> 6 != 2) return false;
      low = high = low << 6 | (bytes[at + have] & 0x3f);
    }
    if (have < size && complete) return false;
    for (size_t missing = have; missing < size; missing++) {
      low <<= 6;
      high = high << 6 | 0x3f;
    }
    // What the character is, or from what to what it can still become.
    if (high < least[size] || low > 0x10ffff || (low >= 0xd800 && high <= 0xdfff)) return false;
    at += have;
  }
  return true;
}

static int model_close(struct tale *tale, const uint8_t *bytes, size_t len) {
  int code = len == 0 ? WS_NO_CODE : len == 1 ? 0 : bytes[0] * 256 + bytes[1];
  bool good = code < 1000   ? false
              : code < 1015 ? code != 1004 && code != 1005 && code != 1006
                            : code / 1000 == 3 || code / 1000 == 4;
  if (len > 0 && !good) return WS_PROTOCOL_ERROR;
  if (len > 2 && !is_text(bytes + 2, len - 2, true)) return WS_BAD_TEXT;
  on_close(tale, code);
  return len > 0 ? code : WS_NORMAL;
}

static int model_head(const uint8_t *bytes, bool unfinished) {
  int opcode = bytes[0] & 15;
  if (bytes[0] & 0x70 || bytes[1] < 0x80) return WS_PROTOCOL_ERROR;
  if (opcode >= 8) return opcode > 10 || bytes[0] < 0x80 || bytes[1] > 0x80 + 125 ? WS_PROTOCOL_ERROR : 0;
  return opcode > 2 || unfinished != (opcode == 0) ? WS_PROTOCOL_ERROR : 0;
}

static int model(const uint8_t *bytes, size_t len, struct tale *tale) {
  uint8_t message[WS_MESSAGE_MAX], control[WS_CONTROL_MAX];
  size_t message_len = 0;
  int kind = 0;
  while (len >= 2) {
    int code = model_head(bytes, kind != 0);
    if (code) return code;
    int opcode = bytes[0] & 15;
    bool fin = bytes[0] >= 0x80;
    size_t wide = bytes[1] == 0xfe ? 2 : bytes[1] == 0xff ? 8 : 0, head = 2 + wide + 4;
    if (len < head) return 0;
    uint64_t size = wide ? 0 : bytes[1] & 0x7f;
    for (size_t i = 0; i < wide; i++) size = size * 256 + bytes[2 + i];
    if ((wide == 2 && size < 126) || (wide == 8 && (size < 65536 || size > INT64_MAX))) return WS_PROTOCOL_ERROR;
    if (opcode < 8 && message_len + size > WS_MESSAGE_MAX) return WS_TOO_BIG;
    size_t have = len - head < size ? len - head : (size_t)size;
    uint8_t *to = opcode < 8 ? message + message_len : control;
    for (size_t i = 0; i < have; i++) to[i] = bytes[head + i] ^ bytes[head - 4 + i % 4];
    if (opcode < 8) {
      kind = opcode ? opcode : kind;
      message_len += have;
      if (kind == 1 && !is_text(message, message_len, fin && have == size)) return WS_BAD_TEXT;
    }
    if (have < size) return 0;
    if (opcode == 8) return model_close(tale, control, have);
    if (opcode == 9) code = on_ping(tale, control, have);
    if (opcode < 8 && fin) {
      code = on_message(tale, kind == 1, message, message_len);
      kind = 0;
      message_len = 0;
    }
    if (code) return code;
    bytes += head + have;
    len -= head + have;
  }
  return 0;
}

// ---- the target ----

// In pieces of 1 to `most` bytes, drawn from seed.
static int feed(const uint8_t *bytes, size_t len, size_t most, uint64_t seed, struct tale *tale) {
  struct ws_reader reader;
  ws_reader_init(&reader);
  int code = 0;
  static uint8_t *room;
  for (size_t at = 0, size; at < len; at += size) {
    size = next_piece(&seed, most, len - at);
    uint8_t *piece = at_end(&room, INPUT_MAX, bytes + at, size);
    code = ws_reader_feed(&reader, piece, size, &events, tale);
    fuzz_check(!code || (!reader.message && !reader.control));
    fuzz_check(reader.message_len <= WS_MESSAGE_MAX);
  }
  ws_reader_fini(&reader);
  return code;
}

// All at once, and in small pieces.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len > INPUT_MAX) return 0;
  struct tale expected = {1};
  int code = model(bytes, len, &expected);
  static const size_t cuts[] = {1, 7, 300};
  const size_t most[] = {INPUT_MAX, cuts[(expected.hash >> 32) % 3]};
  for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
    struct tale tale = {1};
    fuzz_check(feed(bytes, len, most[i], expected.hash, &tale) == code);
    fuzz_check(tale.hash == expected.hash);
  }
  return 0;
}

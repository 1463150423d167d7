// Frames of RFC 6455. Numbers in brackets are its sections.
#include "ws.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define CONTROL 0x08  // the bit that control frames' opcodes have
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH_16 126
#define LENGTH_64 127
#define MASK_BYTES 4

_Static_assert(WS_MESSAGE_MAX <= UINT16_MAX, "a reader counts in 16 bits");

bool ws_accept(const char *client_key, char out[WS_ACCEPT_BYTES]) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  enum { DIGITS = 22, KEY = DIGITS + 2 };  // 16 bytes: 22 digits, and two to fill up
  if (strspn(client_key, alphabet) != DIGITS || strcmp(client_key + DIGITS, "==") != 0) return false;
  char text[KEY + sizeof guid - 1];
  memcpy(text, client_key, KEY);
  memcpy(text + KEY, guid, sizeof guid - 1);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned digest_len;
  if (!EVP_Digest(text, sizeof text, digest, &digest_len, EVP_sha1(), NULL)) return false;
  EVP_EncodeBlock((unsigned char *)out, digest, (int)digest_len);
  return true;
}

size_t ws_head(uint8_t to[WS_HEAD_BYTES], enum ws_opcode opcode, size_t payload_len) {
  to[0] = (uint8_t)(FIN | opcode);
  size_t len_bytes = payload_len < LENGTH_16 ? 0 : payload_len <= UINT16_MAX ? 2 : 8;
  to[1] = (uint8_t)(len_bytes == 0 ? payload_len : len_bytes == 2 ? LENGTH_16 : LENGTH_64);
  for (size_t i = 0; i < len_bytes; i++) to[2 + i] = (uint8_t)((uint64_t)payload_len >> 8 * (len_bytes - 1 - i));
  return 2 + len_bytes;
}

size_t ws_close_frame(uint8_t to[WS_CLOSE_BYTES], int code) {
  bool has_code = code != WS_NO_CODE;
  to[0] = FIN | WS_CLOSE;
  to[1] = has_code ? 2 : 0;
  if (!has_code) return 2;
  to[2] = (uint8_t)(code >> 8);
  to[3] = (uint8_t)code;
  return WS_CLOSE_BYTES;
}

// Well-formed sequences by Unicode's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. The end of a
// text is good if nothing is left.
static bool utf8_take(struct ws_utf8 *utf8, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    uint8_t byte = bytes[i];
    if (utf8->left > 0) {
      if (byte < utf8->min || byte > utf8->max) return false;
      *utf8 = (struct ws_utf8){(uint8_t)(utf8->left - 1), 0x80, 0xbf};
    } else if (byte >= 0xc2 && byte <= 0xdf) {
      *utf8 = (struct ws_utf8){1, 0x80, 0xbf};
    } else if (byte >= 0xe0 && byte <= 0xef) {
      *utf8 = (struct ws_utf8){2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf};
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      *utf8 = (struct ws_utf8){3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf};
    } else if (byte >= 0x80) {
      return false;
    }
  }
  return true;
}

bool ws_is_text(const void *bytes, size_t len) {
  struct ws_utf8 utf8 = {0};
  return utf8_take(&utf8, bytes, len) && utf8.left == 0;
}

void ws_reader_init(struct ws_reader *reader) {
  *reader = (struct ws_reader){0};
}

void ws_reader_fini(struct ws_reader *reader) {
  free(reader->message);
  free(reader->control);
  *reader = (struct ws_reader){.over = reader->over};
}

// What is being fed.
struct input {
  uint8_t *at;
  uint8_t *end;
  const struct ws_events *events;
  void *context;
};

static bool is_control(const struct ws_reader *reader) {
  return reader->head[0] & CONTROL;
}

static bool is_last(const struct ws_reader *reader) {
  return reader->head[0] & FIN;
}

// Of the length that follows the first two bytes.
static size_t length_bytes(const struct ws_reader *reader) {
  uint8_t length = reader->head[1] & LENGTH;
  return length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
}

static bool has_head(const struct ws_reader *reader) {
  return reader->head_len >= 2 && reader->head_len == 2 + length_bytes(reader) + MASK_BYTES;
}

// The first two bytes of a frame (5.2, 5.4, 5.5).
static int judge_start(const struct ws_reader *reader) {
  uint8_t opcode = reader->head[0] & OPCODE;
  if (reader->head[0] & RESERVED || !(reader->head[1] & MASKED)) return WS_PROTOCOL_ERROR;
  if (is_control(reader)) {
    bool known = opcode == WS_CLOSE || opcode == WS_PING || opcode == WS_PONG;
    bool fits = (reader->head[1] & LENGTH) <= WS_CONTROL_MAX;
    return known && fits && is_last(reader) ? 0 : WS_PROTOCOL_ERROR;
  }
  bool continues = opcode == WS_CONTINUATION, unfinished = reader->opcode != WS_CONTINUATION;
  return opcode <= WS_BINARY && continues == unfinished ? 0 : WS_PROTOCOL_ERROR;
}

// The header is whole.
static int begin_frame(struct ws_reader *reader) {
  uint64_t len = reader->head[1] & LENGTH;
  size_t len_bytes = length_bytes(reader);
  if (len_bytes > 0) len = 0;
  for (size_t i = 0; i < len_bytes; i++) len = len << 8 | reader->head[2 + i];
  // It has 63 bits, in as few bytes as possible (5.2).
  if (len >> 63 || (len_bytes == 2 && len < LENGTH_16) || (len_bytes == 8 && len <= UINT16_MAX)) {
    return WS_PROTOCOL_ERROR;
  }
  reader->frame_at = 0;
  if (!is_control(reader)) {
    if (len > WS_MESSAGE_MAX - reader->message_len) return WS_TOO_BIG;
    if (reader->opcode == WS_CONTINUATION) reader->opcode = reader->head[0] & OPCODE;
  }
  reader->frame_len = (uint16_t)len;
  return 0;
}

static int take_head(struct ws_reader *reader, struct input *in) {
  while (in->at < in->end && !has_head(reader)) {
    reader->head[reader->head_len++] = *in->at++;
    int code = reader->head_len == 2 ? judge_start(reader) : 0;
    if (code) return code;
  }
  return has_head(reader) ? begin_frame(reader) : 0;
}

// Those of 7.4.1, those that IANA has registered since (1012 to 1014), and those of libraries and applications.
static bool is_close_code(int code) {
  bool standard = code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
  return standard || (code >= 3000 && code <= 4999);
}

static int take_close(const struct input *in, const uint8_t *payload, size_t len) {
  if (len == 0) {
    in->events->on_close(in->context, WS_NO_CODE);
    return WS_NORMAL;
  }
  int code = len >= 2 ? payload[0] << 8 | payload[1] : 0;
  if (!is_close_code(code)) return WS_PROTOCOL_ERROR;
  if (!ws_is_text(payload + 2, len - 2)) return WS_BAD_TEXT;
  in->events->on_close(in->context, code);
  return code;
}

static int take_control(const struct ws_reader *reader, const struct input *in, const uint8_t *payload) {
  switch (reader->head[0] & OPCODE) {
    case WS_CLOSE:
      return take_close(in, payload, reader->frame_len);
    case WS_PING:
      return in->events->on_ping(in->context, payload, reader->frame_len);
    default:
      return 0;  // a pong, asked for or not (5.5.3)
  }
}

// Puts a part of the frame's payload, which begins at frame_at, behind `before` bytes that *kept has already. What is
// allocated is for the whole frame, once.
static void keep(const struct ws_reader *reader, uint8_t **kept, size_t before, const uint8_t *part, size_t len) {
  if (len == 0) return;
  if (reader->frame_at == 0) {
    uint8_t *larger = realloc(*kept, before + reader->frame_len);
    if (!larger) abort();
    *kept = larger;
  }
  memcpy(*kept + before, part, len);
}

static int take_control_part(struct ws_reader *reader, const struct input *in, const uint8_t *part, size_t len) {
  if (len == reader->frame_len) return take_control(reader, in, part);
  keep(reader, &reader->control, reader->frame_at, part, len);
  if (reader->frame_at + len < reader->frame_len) return 0;
  int code = take_control(reader, in, reader->control);
  free(reader->control);
  reader->control = NULL;
  return code;
}

static int take_message_part(struct ws_reader *reader, const struct input *in, const uint8_t *part, size_t len) {
  bool text = reader->opcode == WS_TEXT, last = is_last(reader) && reader->frame_at + len == reader->frame_len;
  if (text && (!utf8_take(&reader->utf8, part, len) || (last && reader->utf8.left > 0))) return WS_BAD_TEXT;
  if (last && reader->message_len == 0) return in->events->on_message(in->context, text, part, len);
  keep(reader, &reader->message, reader->message_len, part, len);
  reader->message_len = (uint16_t)(reader->message_len + len);
  if (!last) return 0;
  int code = in->events->on_message(in->context, text, reader->message, reader->message_len);
  free(reader->message);
  reader->message = NULL;
  reader->message_len = 0;
  return code;
}

// What there is of the payload, possibly nothing of an empty one.
static int take_payload(struct ws_reader *reader, struct input *in) {
  size_t have = (size_t)(in->end - in->at), want = (size_t)reader->frame_len - reader->frame_at;
  size_t len = have < want ? have : want;
  uint8_t *part = in->at;
  const uint8_t *mask = reader->head + reader->head_len - MASK_BYTES;
  for (size_t i = 0; i < len; i++) part[i] ^= mask[(reader->frame_at + i) % MASK_BYTES];
  in->at += len;
  bool control = is_control(reader);
  int code = control ? take_control_part(reader, in, part, len) : take_message_part(reader, in, part, len);
  reader->frame_at = (uint16_t)(reader->frame_at + len);
  if (reader->frame_at < reader->frame_len) return code;
  if (!control && is_last(reader)) reader->opcode = WS_CONTINUATION;
  reader->head_len = 0;
  return code;
}

int ws_reader_feed(struct ws_reader *reader, uint8_t *bytes, size_t len, const struct ws_events *events,
                   void *context) {
  struct input in = {bytes, bytes + len, events, context};
  while (!reader->over) {
    bool head = has_head(reader);
    if (in.at == in.end && !(head && reader->frame_len == 0)) return 0;
    reader->over = head ? take_payload(reader, &in) : take_head(reader, &in);
  }
  ws_reader_fini(reader);
  return reader->over;
}

// Header, payload, header, payload; control frames may stand between the fragments of a message.
#include "message_stream.h"

#include <string.h>

#define MESSAGE_MAX_BYTES (64u << 20)
#define KEEP_BYTES 4096u  // a buffer larger than this is given back once it is empty
#define FIN 0x80
#define RESERVED 0x70
#define MASKED 0x80

void message_stream_init(struct message_stream *stream) {
  *stream = (struct message_stream){0};
}

void message_stream_fini(struct message_stream *stream) {
  buffer_fini(&stream->pending);
}

// ---- headers ----

static bool is_control(uint8_t opcode) {
  return opcode >= MESSAGE_CLOSE;
}

static size_t header_len(const struct message_stream *stream) {
  if (stream->head_len < 2) return 2;
  uint8_t len = stream->head[1] & 0x7f;
  return len == 127 ? 10 : len == 126 ? 4 : 2;
}

// The payload's length; false if it is not written in the shortest way.
static bool payload_len(const uint8_t *head, uint64_t *out_len) {
  uint64_t len = head[1] & 0x7f;
  size_t bytes = len == 127 ? 8 : len == 126 ? 2 : 0;
  if (bytes > 0) len = 0;
  for (size_t i = 0; i < bytes; i++) len = len << 8 | head[2 + i];
  *out_len = len;
  return bytes == 0 || len > (bytes == 2 ? 125u : 65535u);
}

// Takes a whole header: false if no server may send it now.
static bool take_header(struct message_stream *stream) {
  const uint8_t *head = stream->head;
  uint8_t opcode = head[0] & 0x0f;
  if (head[0] & RESERVED || head[1] & MASKED || !payload_len(head, &stream->payload_left)) return false;
  if (is_control(opcode)) {
    stream->control_len = 0;
    return opcode <= MESSAGE_PONG && head[0] & FIN && stream->payload_left <= MESSAGE_CONTROL_MAX;
  }
  if (opcode > MESSAGE_BINARY || (opcode == MESSAGE_CONTINUATION) != (stream->opcode != MESSAGE_CONTINUATION))
    return false;
  if (opcode != MESSAGE_CONTINUATION) stream->opcode = opcode;
  return stream->payload_left <= MESSAGE_MAX_BYTES - stream->pending.len;
}

// ---- payloads ----

static void give_message(struct message_stream *stream, uint8_t *bytes, size_t len, const struct message_events *events,
                         void *context) {
  bool text = stream->opcode == MESSAGE_TEXT;
  stream->opcode = MESSAGE_CONTINUATION;
  events->on_message(context, text, bytes, len);
}

// Takes these bytes of a data frame; they may be its last.
static void take_data(struct message_stream *stream, uint8_t *bytes, size_t len, const struct message_events *events,
                      void *context) {
  struct buffer *pending = &stream->pending;
  bool whole = stream->head[0] & FIN && stream->payload_left == 0;
  if (whole && pending->len == 0) {
    give_message(stream, bytes, len, events, context);
    return;
  }
  buffer_append(pending, bytes, len);
  if (!whole) return;
  give_message(stream, pending->data, pending->len, events, context);
  pending->len = 0;
  if (pending->capacity > KEEP_BYTES) buffer_fini(pending);
}

// A close's payload is nothing, or a code and a text.
static bool take_close(struct message_stream *stream) {
  if (stream->control_len == 1) return false;
  stream->close_code = stream->control_len ? stream->control[0] << 8 | stream->control[1] : MESSAGE_NO_CODE;
  return stream->control_len == 0 || (stream->close_code >= 1000 && stream->close_code < 5000);
}

static bool take_control(struct message_stream *stream, const uint8_t *bytes, size_t len,
                         const struct message_events *events, void *context) {
  uint8_t opcode = stream->head[0] & 0x0f;
  if (len) memcpy(stream->control + stream->control_len, bytes, len);
  stream->control_len = (uint8_t)(stream->control_len + len);
  if (stream->payload_left > 0) return true;
  if (opcode == MESSAGE_PING) events->on_ping(context, stream->control, stream->control_len);
  return opcode != MESSAGE_CLOSE || take_close(stream);
}

enum stream_status message_stream_receive(struct message_stream *stream, uint8_t *bytes, size_t len,
                                          const struct message_events *events, void *context) {
  const uint8_t *end = bytes + len;
  while (stream->close_code == 0) {
    while (bytes < end && stream->head_len < header_len(stream)) {
      stream->head[stream->head_len++] = *bytes++;
      if (stream->head_len == header_len(stream) && !take_header(stream)) return STREAM_BAD;
    }
    if (stream->head_len < header_len(stream)) return STREAM_OPEN;
    size_t left = (size_t)(end - bytes);
    size_t part = stream->payload_left < left ? (size_t)stream->payload_left : left;
    if (part == 0 && stream->payload_left > 0) return STREAM_OPEN;
    stream->payload_left -= part;
    if (stream->payload_left == 0) stream->head_len = 0;
    if (!is_control(stream->head[0] & 0x0f)) {
      take_data(stream, bytes, part, events, context);
    } else if (!take_control(stream, bytes, part, events, context)) {
      return STREAM_BAD;
    }
    bytes += part;
  }
  return STREAM_ENDED;
}

size_t message_control(uint8_t to[MESSAGE_CONTROL_BYTES], enum message_opcode opcode, const uint8_t *bytes, size_t len,
                       uint32_t mask) {
  to[0] = (uint8_t)(FIN | opcode);
  to[1] = (uint8_t)(MASKED | len);
  memcpy(to + 2, &mask, 4);
  for (size_t i = 0; i < len; i++) to[6 + i] = bytes[i] ^ to[2 + i % 4];
  return 6 + len;
}

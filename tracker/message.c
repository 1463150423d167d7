// Reading DeviceMessage, writing TrackerMessage.
#include "message.h"

#include <stdio.h>
#include <stdlib.h>

#include "frame.h"

enum { DEVICE_HELLO = 1, DEVICE_REPORT = 2, DEVICE_PING = 3 };
enum { REPORT_NUMBER = 1, REPORT_POSITIONS = 2, REPORT_ACK_NOW = 3 };
enum { TRACKER_ACK = 2, ACK_REPORT = 1 };

enum message_kind message_open(const uint8_t *body, size_t len, struct wire_reader *out_message) {
  static const enum message_kind kinds[] = {
      [DEVICE_HELLO] = MESSAGE_HELLO, [DEVICE_REPORT] = MESSAGE_REPORT, [DEVICE_PING] = MESSAGE_PING};
  struct wire_reader reader = wire_reader(body, len), message = {0};
  enum message_kind kind = MESSAGE_BAD;
  while (reader.at != reader.end) {
    uint64_t tag;
    if (!wire_varint(&reader, &tag)) return MESSAGE_BAD;
    if (tag >> 3 > DEVICE_PING) {  // a field of a later protocol beside the body
      if (!wire_skip(&reader, tag)) return MESSAGE_BAD;
      continue;
    }
    if (tag < WIRE_TAG(DEVICE_HELLO, 0) || (tag & 7) != WIRE_BYTES || kind != MESSAGE_BAD) return MESSAGE_BAD;
    if (!wire_bytes(&reader, &message)) return MESSAGE_BAD;
    kind = kinds[tag >> 3];
  }
  *out_message = message;
  return kind;
}

static void grow(struct report *report) {
  report->capacity = report->capacity ? 2 * report->capacity : 16;
  report->positions = realloc(report->positions, report->capacity * sizeof *report->positions);
  if (!report->positions) abort();
}

static inline bool read_position(struct wire_reader *message, struct report *report) {
  struct wire_reader bytes;
  if (!wire_bytes(message, &bytes)) return false;
  if (report->count == report->capacity) grow(report);
  struct reported *next = &report->positions[report->count++];
  bool plain;
  if (!position_read(bytes, &next->position, &plain)) return false;
  next->bytes = plain ? bytes : (struct wire_reader){0};
  return true;
}

static inline bool read_report_field(struct wire_reader *message, uint64_t tag, struct report *report) {
  switch (tag) {
    case WIRE_TAG(REPORT_NUMBER, WIRE_VARINT):
      return wire_varint(message, &report->number);
    case WIRE_TAG(REPORT_POSITIONS, WIRE_BYTES):
      return read_position(message, report);
    case WIRE_TAG(REPORT_ACK_NOW, WIRE_VARINT):
      return wire_bool(message, &report->ack_now);
    default:
      return wire_skip(message, tag);
  }
}

bool message_report(struct wire_reader message, struct report *report) {
  report->number = report->count = 0;
  report->ack_now = false;
  while (message.at != message.end) {
    uint64_t tag;
    if (!wire_varint(&message, &tag) || !read_report_field(&message, tag, report)) return false;
  }
  return true;
}

void report_fini(struct report *report) {
  free(report->positions);
  *report = (struct report){0};
}

// Packs and frames a message that is known to be small: texts in it are cut before.
static size_t pack(uint8_t *out, const Muster__TrackerMessage *message) {
  size_t len = muster__tracker_message__get_packed_size(message);
  uint8_t *body = frame_put_header(out, len);
  return (size_t)(body - out) + muster__tracker_message__pack(message, body);
}

size_t message_welcome(uint8_t *out, int64_t session_us, int64_t now_us, const Muster__Limits *limits) {
  Muster__Welcome welcome = MUSTER__WELCOME__INIT;
  welcome.has_session = welcome.has_server_time_us = true;
  welcome.session = session_us;
  welcome.server_time_us = now_us;
  welcome.limits = (Muster__Limits *)limits;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_WELCOME;
  message.welcome = &welcome;
  return pack(out, &message);
}

// By hand: of all that a tracker sends, only acks are as many as a part of the positions. Lengths take one byte.
size_t message_ack(uint8_t *out, uint64_t report) {
  uint8_t *ack = out + 3, *end = wire_put_uint(ack, ACK_REPORT, report);
  size_t len = (size_t)(end - ack);
  out[0] = (uint8_t)(len + 2);
  out[1] = WIRE_TAG(TRACKER_ACK, WIRE_BYTES);
  out[2] = (uint8_t)len;
  return len + 3;
}

size_t message_refused(uint8_t *out, uint64_t report, uint32_t index, enum position_fault fault) {
  Muster__Refused refused = MUSTER__REFUSED__INIT;
  refused.has_report = refused.has_index = refused.has_reason = true;
  refused.report = report;
  refused.index = index;
  refused.reason = (Muster__RefusedReason)fault;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_REFUSED;
  message.refused = &refused;
  return pack(out, &message);
}

size_t message_go_away(uint8_t *out, const char *reason, uint32_t retry_after_ms) {
  char text[MESSAGE_TEXT_BYTES];
  snprintf(text, sizeof text, "%s", reason);
  Muster__GoAway go_away = MUSTER__GO_AWAY__INIT;
  go_away.reason = text;
  go_away.has_retry_after_ms = true;
  go_away.retry_after_ms = retry_after_ms;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_GO_AWAY;
  message.go_away = &go_away;
  return pack(out, &message);
}

size_t message_error(uint8_t *out, Muster__ErrorCode code, const char *text) {
  char cut[MESSAGE_TEXT_BYTES];
  snprintf(cut, sizeof cut, "%s", text);
  Muster__Error error = MUSTER__ERROR__INIT;
  error.has_code = true;
  error.code = code;
  error.text = cut;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_ERROR;
  message.error = &error;
  return pack(out, &message);
}

size_t message_pong(uint8_t *out, int64_t now_us) {
  Muster__Pong pong = MUSTER__PONG__INIT;
  pong.has_server_time_us = true;
  pong.server_time_us = now_us;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_PONG;
  message.pong = &pong;
  return pack(out, &message);
}

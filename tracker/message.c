// Reading DeviceMessage, writing TrackerMessage.
#include "message.h"

#include <stdio.h>

#include "frame.h"

enum { DEVICE_HELLO = 1, DEVICE_REPORT = 2, DEVICE_PING = 3 };
enum { REPORT_NUMBER = 1, REPORT_POSITIONS = 2, REPORT_ACK_NOW = 3 };

enum message_kind message_open(const uint8_t *body, size_t len, struct wire_reader *out_message) {
  struct wire_reader reader = wire_reader(body, len);
  struct wire_field field;
  enum message_kind kind = MESSAGE_BAD;
  enum wire_status status;
  while ((status = wire_next(&reader, &field)) == WIRE_FIELD) {
    if (field.id > DEVICE_PING) continue;  // a field of a later protocol beside the body
    if (field.type != WIRE_BYTES || kind != MESSAGE_BAD) return MESSAGE_BAD;
    static const enum message_kind kinds[] = {
        [DEVICE_HELLO] = MESSAGE_HELLO, [DEVICE_REPORT] = MESSAGE_REPORT, [DEVICE_PING] = MESSAGE_PING};
    kind = kinds[field.id];
    *out_message = field.bytes;
  }
  return status == WIRE_END ? kind : MESSAGE_BAD;
}

bool message_report_head(struct wire_reader message, struct report_head *out_head) {
  struct report_head head = {0};
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&message, &field)) == WIRE_FIELD) {
    switch (field.id << 3 | field.type) {
      case REPORT_NUMBER << 3 | WIRE_VARINT:
        head.number = field.number;
        break;
      case REPORT_ACK_NOW << 3 | WIRE_VARINT:
        head.ack_now = field.number != 0;
        break;
      case REPORT_POSITIONS << 3 | WIRE_BYTES: {
        struct position position;
        if (!position_decode(field.bytes, &position)) return false;
        head.positions++;
        break;
      }
      default:
        break;
    }
  }
  if (status != WIRE_END) return false;
  *out_head = head;
  return true;
}

bool message_next_position(struct wire_reader *message, struct position *out_position) {
  struct wire_field field;
  while (wire_next(message, &field) == WIRE_FIELD) {
    if (field.id == REPORT_POSITIONS && field.type == WIRE_BYTES) return position_decode(field.bytes, out_position);
  }
  return false;
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

size_t message_ack(uint8_t *out, uint64_t report) {
  Muster__Ack ack = MUSTER__ACK__INIT;
  ack.has_report = true;
  ack.report = report;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_ACK;
  message.ack = &ack;
  return pack(out, &message);
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

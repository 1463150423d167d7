// Writing what a device says and reading what it hears.
#include "device_message.h"

#include <string.h>

// Fields of DeviceMessage, Hello and Report in proto/device.proto.
enum { BODY_HELLO = 1, BODY_REPORT = 2, BODY_PING = 3 };
enum { HELLO_TOKEN = 1, HELLO_PROTOCOL = 2, HELLO_AGENT = 3, HELLO_LAST_SESSION = 4 };
enum { REPORT_NUMBER = 1, REPORT_POSITIONS = 2, REPORT_ACK_NOW = 3 };

// The prefix of a report is put in front of its body once the length is known: frame header, tag, length.
#define PREFIX_BYTES (FRAME_HEADER_BYTES + 1 + 3)

_Static_assert(POSITION_WIRE_BYTES < 128, "a position's length takes one byte");

uint8_t *device_message_hello(uint8_t *to, const char *token, size_t token_len, const char *agent,
                              int64_t last_session) {
  size_t agent_len = strlen(agent);
  size_t hello = (last_session ? 9u : 0u) + 1 + wire_varint_bytes(token_len) + token_len + 2 + 1 +
                 wire_varint_bytes(agent_len) + agent_len;
  to = frame_put_header(to, 1 + wire_varint_bytes(hello) + hello);
  to = wire_put_varint(wire_put_tag(to, BODY_HELLO, WIRE_BYTES), hello);
  to = wire_put_bytes(to, HELLO_TOKEN, token, token_len);
  to = wire_put_uint(to, HELLO_PROTOCOL, DEVICE_PROTOCOL);
  to = wire_put_bytes(to, HELLO_AGENT, agent, agent_len);
  return last_session ? wire_put_fixed64(to, HELLO_LAST_SESSION, (uint64_t)last_session) : to;
}

uint8_t *device_message_ping(uint8_t *to) {
  return wire_put_bytes(frame_put_header(to, 2), BODY_PING, NULL, 0);
}

struct device_report device_report_begin(uint8_t *to, uint64_t number) {
  uint8_t *body = to + PREFIX_BYTES;
  return (struct device_report){to, body, wire_put_uint(body, REPORT_NUMBER, number)};
}

void device_report_add(struct device_report *report, const struct position *position) {
  uint8_t *to = wire_put_tag(report->at, REPORT_POSITIONS, WIRE_BYTES);
  uint8_t *length = to++;
  to = position_encode(to, position);
  *length = (uint8_t)(to - length - 1);
  report->at = to;
}

uint8_t *device_report_end(struct device_report *report, bool ack_now) {
  if (ack_now) report->at = wire_put_uint(report->at, REPORT_ACK_NOW, 1);
  size_t len = (size_t)(report->at - report->body);
  uint8_t *to = frame_put_header(report->start, 1 + wire_varint_bytes(len) + len);
  to = wire_put_varint(wire_put_tag(to, BODY_REPORT, WIRE_BYTES), len);
  memmove(to, report->body, len);
  return to + len;
}

// One field of the message inside a TrackerMessage: its number in each kind of message says what it is.
static void take_field(struct tracker_message *m, const struct wire_field *f);

static bool read_limits(struct wire_reader reader, struct tracker_message *m) {
  struct wire_field f;
  enum wire_status status;
  while ((status = wire_next(&reader, &f)) == WIRE_FIELD) {
    if (f.id == 1 && f.type == WIRE_VARINT) m->message_bytes = (uint32_t)f.number;
    if (f.id == 2 && f.type == WIRE_VARINT) m->idle_timeout_ms = (uint32_t)f.number;
  }
  return status == WIRE_END;
}

static void take_text(struct tracker_message *m, const struct wire_field *f) {
  m->text = (const char *)f->bytes.at;
  m->text_len = wire_left(&f->bytes);
}

#define FIELD(kind, id, type) ((unsigned)(kind) << 8 | (id) << 3 | (unsigned)(type))

static void take_field(struct tracker_message *m, const struct wire_field *f) {
  if (f->id > 8) return;
  switch (FIELD(m->kind, f->id, f->type)) {
    case FIELD(TRACKER_WELCOME, 1, WIRE_FIXED64):
      m->session_us = (int64_t)f->number;
      break;
    case FIELD(TRACKER_WELCOME, 2, WIRE_FIXED64):
    case FIELD(TRACKER_PONG, 1, WIRE_FIXED64):
      m->server_time_us = (int64_t)f->number;
      break;
    case FIELD(TRACKER_ACK, 1, WIRE_VARINT):
    case FIELD(TRACKER_REFUSED, 1, WIRE_VARINT):
      m->report = f->number;
      break;
    case FIELD(TRACKER_REFUSED, 2, WIRE_VARINT):
      m->index = (uint32_t)f->number;
      break;
    case FIELD(TRACKER_REFUSED, 3, WIRE_VARINT):
      m->reason = (uint32_t)f->number;
      break;
    case FIELD(TRACKER_GO_AWAY, 1, WIRE_BYTES):
    case FIELD(TRACKER_ERROR, 2, WIRE_BYTES):
      take_text(m, f);
      break;
    case FIELD(TRACKER_GO_AWAY, 2, WIRE_VARINT):
      m->retry_after_ms = (uint32_t)f->number;
      break;
    case FIELD(TRACKER_ERROR, 1, WIRE_VARINT):
      m->code = (uint32_t)f->number;
      break;
    default:
      break;
  }
}

static bool read_body(struct wire_reader reader, struct tracker_message *m) {
  struct wire_field f;
  enum wire_status status;
  while ((status = wire_next(&reader, &f)) == WIRE_FIELD) {
    if (m->kind == TRACKER_WELCOME && f.id == 3 && f.type == WIRE_BYTES) {
      if (!read_limits(f.bytes, m)) return false;
    } else {
      take_field(m, &f);
    }
  }
  return status == WIRE_END;
}

bool tracker_message_read(const uint8_t *body, size_t len, struct tracker_message *out_message) {
  static const enum tracker_message_kind kinds[] = {TRACKER_UNKNOWN, TRACKER_WELCOME, TRACKER_ACK, TRACKER_REFUSED,
                                                    TRACKER_GO_AWAY, TRACKER_ERROR,   TRACKER_PONG};
  struct tracker_message message = {0};
  struct wire_reader reader = wire_reader(body, len);
  struct wire_field f;
  enum wire_status status;
  while ((status = wire_next(&reader, &f)) == WIRE_FIELD) {
    if (f.type != WIRE_BYTES || f.id >= sizeof kinds / sizeof *kinds) continue;
    message = (struct tracker_message){.kind = kinds[f.id]};
    if (!read_body(f.bytes, &message)) return false;
  }
  if (status != WIRE_END) return false;
  *out_message = message;
  return true;
}

const char *tracker_error_name(uint32_t code) {
  static const char *const names[TRACKER_ERROR_CODES] = {
      "unspecified",      "frame_too_long", "malformed",     "hello_expected", "hello_repeated",
      "protocol_version", "token_invalid",  "token_expired", "report_number",  "report_empty",
      "replaced",         "timeout",        "token_revoked", "wrong_team",     "clock"};
  return names[code < TRACKER_ERROR_CODES ? code : 0];
}

// Writing and reading TeamBatch and LogBatch. Lengths are written in one byte where they surely fit, else patched.
#include "update.h"

#include "ident.h"

enum { BATCH_TRACKER = 1, BATCH_STARTED_AT = 2, BATCH_NUMBER = 3, BATCH_UPDATES = 4 };
enum { UPDATE_WORKER = 1, UPDATE_POSITION = 2, UPDATE_PRESENCE = 3, UPDATE_RECEIVED_AT = 4, UPDATE_TEAM = 5 };
enum { PRESENCE_ONLINE = 1, PRESENCE_SESSION = 2, PRESENCE_AT = 3, PRESENCE_REASON = 4, PRESENCE_REPORTS = 5 };

// Body of the largest update: worker, position, presence with its reason, time, team, each with tag and length.
#define UPDATE_MAX_BYTES (2 * (IDENT_MAX_BYTES + 2) + (POSITION_WIRE_BYTES + 2) + 9 + (32 + UPDATE_REASON_BYTES + 4))

void batch_append_header(struct buffer *buffer, const struct batch_header *header) {
  uint8_t *start = buffer_reserve(buffer, header->tracker.len + 40);
  uint8_t *to = wire_put_bytes(start, BATCH_TRACKER, header->tracker.data, header->tracker.len);
  to = wire_put_fixed64(to, BATCH_STARTED_AT, (uint64_t)header->started_at_us);
  to = wire_put_uint(to, BATCH_NUMBER, header->number);
  buffer->len += (size_t)(to - start);
}

// Both submessages are shorter than 128 bytes, so their length is one byte, put in once it is known.
_Static_assert(POSITION_WIRE_BYTES < 128, "a position's length takes one byte");
_Static_assert(31 + UPDATE_REASON_BYTES < 128, "a presence's length takes one byte");

static uint8_t *put_position(uint8_t *to, const struct position *position) {
  to = wire_put_tag(to, UPDATE_POSITION, WIRE_BYTES);
  uint8_t *length = to++;
  to = position_encode(to, position);
  *length = (uint8_t)(to - length - 1);
  return to;
}

static uint8_t *put_presence(uint8_t *to, const struct presence *presence) {
  to = wire_put_tag(to, UPDATE_PRESENCE, WIRE_BYTES);
  uint8_t *length = to++;
  to = wire_put_uint(to, PRESENCE_ONLINE, presence->online);
  to = wire_put_fixed64(to, PRESENCE_SESSION, (uint64_t)presence->session_us);
  to = wire_put_fixed64(to, PRESENCE_AT, (uint64_t)presence->at_us);
  if (!presence->online) {
    to = wire_put_bytes(to, PRESENCE_REASON, presence->reason.data, presence->reason.len);
    to = wire_put_uint(to, PRESENCE_REPORTS, presence->reports);
  }
  *length = (uint8_t)(to - length - 1);
  return to;
}

static void append_framed(struct buffer *buffer, const uint8_t *body, size_t len, struct slice team) {
  size_t team_bytes = team.len ? team.len + 2 : 0;
  uint8_t *start = buffer_reserve(buffer, len + team_bytes + 8);
  uint8_t *to = wire_put_varint(wire_put_tag(start, BATCH_UPDATES, WIRE_BYTES), len + team_bytes);
  memcpy(to, body, len);
  to += len;
  if (team.len) to = wire_put_bytes(to, UPDATE_TEAM, team.data, team.len);
  buffer->len += (size_t)(to - start);
}

void batch_append_update(struct buffer *live, struct buffer *log, const struct update *update) {
  uint8_t body[UPDATE_MAX_BYTES];
  uint8_t *to = wire_put_bytes(body, UPDATE_WORKER, update->worker.data, update->worker.len);
  if (update->has_position) to = put_position(to, &update->position);
  if (update->has_presence) to = put_presence(to, &update->presence);
  to = wire_put_fixed64(to, UPDATE_RECEIVED_AT, (uint64_t)update->received_at_us);
  size_t len = (size_t)(to - body);
  if (live) append_framed(live, body, len, (struct slice){0});
  if (log) append_framed(log, body, len, update->team);
}

static struct slice slice_of(const struct wire_field *field) {
  return (struct slice){(const char *)field->bytes.at, wire_left(&field->bytes)};
}

bool batch_open(const void *bytes, size_t len, struct batch_reader *out_reader, struct batch_header *out_header) {
  struct wire_reader reader = wire_reader(bytes, len), rest = reader;
  struct batch_header header = {0};
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&reader, &field)) == WIRE_FIELD && field.id != BATCH_UPDATES) {
    rest = reader;
    if (field.id == BATCH_TRACKER && field.type == WIRE_BYTES) header.tracker = slice_of(&field);
    if (field.id == BATCH_STARTED_AT && field.type == WIRE_FIXED64) header.started_at_us = (int64_t)field.number;
    if (field.id == BATCH_NUMBER && field.type == WIRE_VARINT) header.number = field.number;
  }
  if (status == WIRE_BAD || !ident_valid(header.tracker.data, header.tracker.len)) return false;
  out_reader->rest = rest;
  *out_header = header;
  return true;
}

static bool read_presence(struct wire_reader body, struct presence *out) {
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&body, &field)) == WIRE_FIELD) {
    switch (field.id << 3 | field.type) {
      case PRESENCE_ONLINE << 3 | WIRE_VARINT:
        out->online = field.number != 0;
        break;
      case PRESENCE_SESSION << 3 | WIRE_FIXED64:
        out->session_us = (int64_t)field.number;
        break;
      case PRESENCE_AT << 3 | WIRE_FIXED64:
        out->at_us = (int64_t)field.number;
        break;
      case PRESENCE_REASON << 3 | WIRE_BYTES:
        out->reason = slice_of(&field);
        break;
      case PRESENCE_REPORTS << 3 | WIRE_VARINT:
        out->reports = field.number;
        break;
      default:
        break;
    }
  }
  return status == WIRE_END;
}

static bool read_update(struct wire_reader body, struct update *out) {
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&body, &field)) == WIRE_FIELD) {
    switch (field.id << 3 | field.type) {
      case UPDATE_WORKER << 3 | WIRE_BYTES:
        out->worker = slice_of(&field);
        break;
      case UPDATE_TEAM << 3 | WIRE_BYTES:
        out->team = slice_of(&field);
        break;
      case UPDATE_RECEIVED_AT << 3 | WIRE_FIXED64:
        out->received_at_us = (int64_t)field.number;
        break;
      case UPDATE_POSITION << 3 | WIRE_BYTES:
        if (!position_decode(field.bytes, &out->position)) return false;
        out->has_position = (out->position.has & POSITION_HAS_ALL_REQUIRED) == POSITION_HAS_ALL_REQUIRED;
        break;
      case UPDATE_PRESENCE << 3 | WIRE_BYTES:
        if (!read_presence(field.bytes, &out->presence)) return false;
        out->has_presence = true;
        break;
      default:
        break;
    }
  }
  return status == WIRE_END && ident_valid(out->worker.data, out->worker.len) &&
         (out->team.len == 0 || ident_valid(out->team.data, out->team.len));
}

enum batch_status batch_next(struct batch_reader *reader, struct update *out_update) {
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&reader->rest, &field)) == WIRE_FIELD) {
    if (field.id != BATCH_UPDATES || field.type != WIRE_BYTES) continue;
    struct update update = {0};
    if (!read_update(field.bytes, &update)) return BATCH_BAD;
    *out_update = update;
    return BATCH_UPDATE;
  }
  return status == WIRE_END ? BATCH_END : BATCH_BAD;
}

// Writing and reading TeamBatch and LogBatch. Lengths are written in one byte where they surely fit, else patched.
#include "update.h"

#include <stdlib.h>

enum { BATCH_TRACKER = 1, BATCH_STARTED_AT = 2, BATCH_NUMBER = 3, BATCH_UPDATES = 4 };
enum { UPDATE_WORKER = 1, UPDATE_POSITION = 2, UPDATE_PRESENCE = 3, UPDATE_RECEIVED_AT = 4, UPDATE_TEAM = 5 };
enum { PRESENCE_ONLINE = 1, PRESENCE_SESSION = 2, PRESENCE_AT = 3, PRESENCE_REASON = 4, PRESENCE_REPORTS = 5 };

// Body of the largest update: worker, position, presence with its reason, time, team, each with tag and length.
#define UPDATE_MAX_BYTES (2 * (IDENT_MAX_BYTES + 2) + (POSITION_WIRE_BYTES + 2) + 9 + (32 + UPDATE_REASON_BYTES + 4))

size_t batch_encode_origin(uint8_t *out, struct slice tracker, int64_t started_at_us) {
  if (tracker.len > IDENT_MAX_BYTES) abort();  // no id
  uint8_t *to = wire_put_bytes(out, BATCH_TRACKER, tracker.data, tracker.len);
  return (size_t)(wire_put_fixed64(to, BATCH_STARTED_AT, (uint64_t)started_at_us) - out);
}

void batch_append_number(struct buffer *buffer, const uint8_t *origin, size_t origin_len, uint64_t number) {
  uint8_t *to = buffer_reserve(buffer, origin_len + 11);
  memcpy(to, origin, origin_len);
  to = wire_put_uint(to + origin_len, BATCH_NUMBER, number);
  buffer->len = (size_t)(to - buffer->data);
}

void batch_append_header(struct buffer *buffer, const struct batch_header *header) {
  uint8_t origin[BATCH_ORIGIN_BYTES];
  batch_append_number(buffer, origin, batch_encode_origin(origin, header->tracker, header->started_at_us),
                      header->number);
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

static inline uint8_t *begin_update(struct buffer *buffer, size_t len) {
  uint8_t *to = buffer_reserve(buffer, len + 4);
  *to++ = WIRE_TAG(BATCH_UPDATES, WIRE_BYTES);
  return wire_put_varint(to, len);
}

static void append_framed(struct buffer *buffer, const uint8_t *body, size_t len, struct slice team) {
  size_t team_bytes = team.len ? team.len + 2 : 0;
  uint8_t *to = begin_update(buffer, len + team_bytes);
  memcpy(to, body, len);
  to += len;
  if (team.len) to = wire_put_bytes(to, UPDATE_TEAM, team.data, team.len);
  buffer->len = (size_t)(to - buffer->data);
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

// Ids and positions have fewer than 128 bytes.
static inline uint8_t *put_short(uint8_t *to, uint32_t id, const void *bytes, size_t len) {
  to[0] = (uint8_t)WIRE_TAG(id, WIRE_BYTES);
  to[1] = (uint8_t)len;
  memcpy(to + 2, bytes, len);
  return to + 2 + len;
}

void batch_append_position(struct buffer *live, struct buffer *log, struct slice team, struct slice worker,
                           const struct position *position, struct wire_reader bytes, int64_t received_at_us) {
  uint8_t anew[POSITION_WIRE_BYTES];
  if (wire_left(&bytes) - 1 >= POSITION_WIRE_BYTES) {  // also none
    bytes = wire_reader(anew, (size_t)(position_encode(anew, position) - anew));
  }
  size_t len = 2 + worker.len + 2 + wire_left(&bytes) + 9;
  uint8_t *update = begin_update(live, len);
  uint8_t *to = put_short(update, UPDATE_WORKER, worker.data, worker.len);
  to = put_short(to, UPDATE_POSITION, bytes.at, wire_left(&bytes));
  to = wire_put_fixed64(to, UPDATE_RECEIVED_AT, (uint64_t)received_at_us);
  live->len = (size_t)(to - live->data);
  to = begin_update(log, len + 2 + team.len);
  memcpy(to, update, len);
  log->len = (size_t)(put_short(to + len, UPDATE_TEAM, team.data, team.len) - log->data);
}

static struct slice slice_of(const struct wire_reader *bytes) {
  return (struct slice){(const char *)bytes->at, wire_left(bytes)};
}

bool batch_open(const void *bytes, size_t len, struct batch_reader *out_reader, struct batch_header *out_header) {
  struct wire_reader reader = wire_reader(bytes, len), rest = reader;
  struct batch_header header = {0};
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&reader, &field)) == WIRE_FIELD && field.id != BATCH_UPDATES) {
    rest = reader;
    if (field.id == BATCH_TRACKER && field.type == WIRE_BYTES) header.tracker = slice_of(&field.bytes);
    if (field.id == BATCH_STARTED_AT && field.type == WIRE_FIXED64) header.started_at_us = (int64_t)field.number;
    if (field.id == BATCH_NUMBER && field.type == WIRE_VARINT) header.number = field.number;
  }
  if (status == WIRE_BAD || !ident_valid(header.tracker.data, header.tracker.len)) return false;
  out_reader->rest = rest;
  *out_header = header;
  return true;
}

static bool read_slice(struct wire_reader *body, struct slice *out) {
  struct wire_reader bytes;
  if (!wire_bytes(body, &bytes)) return false;
  *out = slice_of(&bytes);
  return true;
}

static bool read_presence_field(struct wire_reader *body, uint64_t tag, struct presence *out) {
  switch (tag) {
    case WIRE_TAG(PRESENCE_ONLINE, WIRE_VARINT):
      return wire_bool(body, &out->online);
    case WIRE_TAG(PRESENCE_SESSION, WIRE_FIXED64):
      return wire_fixed64(body, &out->session_us);
    case WIRE_TAG(PRESENCE_AT, WIRE_FIXED64):
      return wire_fixed64(body, &out->at_us);
    case WIRE_TAG(PRESENCE_REASON, WIRE_BYTES):
      return read_slice(body, &out->reason);
    case WIRE_TAG(PRESENCE_REPORTS, WIRE_VARINT):
      return wire_varint(body, &out->reports);
    default:
      return wire_skip(body, tag);
  }
}

static bool read_presence(struct wire_reader *update, struct update *out) {
  struct wire_reader body;
  if (!wire_bytes(update, &body)) return false;
  while (body.at != body.end) {
    uint64_t tag;
    if (!wire_varint(&body, &tag) || !read_presence_field(&body, tag, &out->presence)) return false;
  }
  out->has_presence = true;
  return true;
}

static bool read_position(struct wire_reader *update, struct update *out) {
  struct wire_reader body;
  if (!wire_bytes(update, &body) || !position_decode(body, &out->position)) return false;
  out->has_position = (out->position.has & POSITION_HAS_ALL_REQUIRED) == POSITION_HAS_ALL_REQUIRED;
  return true;
}

static bool read_update_field(struct wire_reader *body, uint64_t tag, struct update *out) {
  switch (tag) {
    case WIRE_TAG(UPDATE_WORKER, WIRE_BYTES):
      return read_slice(body, &out->worker);
    case WIRE_TAG(UPDATE_TEAM, WIRE_BYTES):
      return read_slice(body, &out->team);
    case WIRE_TAG(UPDATE_RECEIVED_AT, WIRE_FIXED64):
      return wire_fixed64(body, &out->received_at_us);
    case WIRE_TAG(UPDATE_POSITION, WIRE_BYTES):
      return read_position(body, out);
    case WIRE_TAG(UPDATE_PRESENCE, WIRE_BYTES):
      return read_presence(body, out);
    default:
      return wire_skip(body, tag);
  }
}

static bool read_update(struct wire_reader body, struct update *out) {
  *out = (struct update){0};
  while (body.at != body.end) {
    uint64_t tag;
    if (!wire_varint(&body, &tag) || !read_update_field(&body, tag, out)) return false;
  }
  return ident_valid(out->worker.data, out->worker.len) &&
         (out->team.len == 0 || ident_valid(out->team.data, out->team.len));
}

enum batch_status batch_next(struct batch_reader *reader, struct update *out_update) {
  struct wire_reader *rest = &reader->rest, body;
  while (rest->at != rest->end) {
    uint64_t tag;
    if (!wire_varint(rest, &tag)) return BATCH_BAD;
    if (tag == WIRE_TAG(BATCH_UPDATES, WIRE_BYTES)) {
      return wire_bytes(rest, &body) && read_update(body, out_update) ? BATCH_UPDATE : BATCH_BAD;
    }
    if (!wire_skip(rest, tag)) return BATCH_BAD;
  }
  return BATCH_END;
}

// Field after field; what is unknown is passed over.
#include "watch_proto.h"

#include "ident.h"
#include "wire.h"

enum { EVENT_SNAPSHOT = 1, EVENT_DELTA = 2, EVENT_HEARTBEAT = 3, EVENT_STALE = 4, EVENT_BYE = 5, EVENT_ERROR = 6 };
enum { SNAPSHOT_BASE_TIME = 4, SNAPSHOT_BASE_LONGITUDE = 5, SNAPSHOT_BASE_LATITUDE = 6, SNAPSHOT_ROWS = 8 };
enum { DELTA_ROWS = 4, DELTA_LEFT = 5 };
enum { ROW_NUMBER = 1, ROW_WORKER = 2, ROW_TAKEN_AT = 3, ROW_LONGITUDE = 4, ROW_LATITUDE = 5, ROW_STATUS = 11 };
enum { BYE_RETRY = 2 };

struct sink {
  void (*on_row)(void *context, const struct watch_row *row);
  void *context;
};

struct watch_event watch_proto_open(const void *bytes, size_t len) {
  static const enum watch_kind kinds[] = {
      [EVENT_SNAPSHOT] = WATCH_SNAPSHOT, [EVENT_DELTA] = WATCH_DELTA, [EVENT_HEARTBEAT] = WATCH_HEARTBEAT,
      [EVENT_STALE] = WATCH_STALE,       [EVENT_BYE] = WATCH_BYE,     [EVENT_ERROR] = WATCH_ERROR,
  };
  struct watch_event event = {.protocol = WATCH_PROTOBUF};
  struct wire_reader reader = wire_reader(bytes, len);
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&reader, &field)) == WIRE_FIELD) {
    if (field.type != WIRE_BYTES || field.id > EVENT_ERROR) continue;
    event.kind = event.kind == WATCH_OTHER ? kinds[field.id] : WATCH_BAD;
    event.data = field.bytes.at;
    event.len = wire_left(&field.bytes);
  }
  if (status != WIRE_END) event.kind = WATCH_BAD;
  return event;
}

static bool set_name(struct watch_row *row, const struct wire_field *field) {
  row->worker = (const char *)field->bytes.at;
  row->worker_len = wire_left(&field->bytes);
  return ident_valid(row->worker, row->worker_len);
}

static bool read_row(struct wire_reader body, const struct sink *sink) {
  enum { HAS_TAKEN_AT = 1, HAS_LONGITUDE = 2, HAS_LATITUDE = 4, HAS_ALL = 7 };
  struct watch_row row = {.number = WATCH_NO_NUMBER, .online = true};
  unsigned has = 0;
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&body, &field)) == WIRE_FIELD) {
    switch (field.id << 3 | field.type) {
      case ROW_NUMBER << 3 | WIRE_VARINT:
        row.number = field.number < WATCH_PROTO_NUMBERS ? (uint32_t)field.number : WATCH_NO_NUMBER;
        break;
      case ROW_WORKER << 3 | WIRE_BYTES:
        if (!set_name(&row, &field)) return false;
        break;
      case ROW_TAKEN_AT << 3 | WIRE_VARINT:
        row.taken_at_us = wire_unzigzag(field.number);
        has |= HAS_TAKEN_AT;
        break;
      case ROW_LONGITUDE << 3 | WIRE_VARINT:
        row.longitude_e7 = wire_unzigzag(field.number);
        has |= HAS_LONGITUDE;
        break;
      case ROW_LATITUDE << 3 | WIRE_VARINT:
        row.latitude_e7 = wire_unzigzag(field.number);
        has |= HAS_LATITUDE;
        break;
      case ROW_STATUS << 3 | WIRE_VARINT:
        row.online = (uint32_t)field.number == 0;
        break;
      default:
        break;
    }
  }
  row.has_position = has == HAS_ALL;
  if (status != WIRE_END || row.number == WATCH_NO_NUMBER || (has != 0 && has != HAS_ALL)) return false;
  sink->on_row(sink->context, &row);
  return true;
}

static bool read_left(uint64_t number, const struct sink *sink) {
  if (number >= WATCH_PROTO_NUMBERS) return false;
  const struct watch_row row = {.number = (uint32_t)number, .left = true};
  sink->on_row(sink->context, &row);
  return true;
}

// Numbers stand packed in one field; a protobuf reader takes them one by one as well.
static bool read_packed_left(struct wire_reader packed, const struct sink *sink) {
  uint64_t number;
  while (wire_left(&packed) > 0) {
    if (!wire_varint(&packed, &number) || !read_left(number, sink)) return false;
  }
  return true;
}

static bool read_snapshot_field(const struct wire_field *field, struct watch_base *base, const struct sink *sink) {
  switch (field->id << 3 | field->type) {
    case SNAPSHOT_BASE_TIME << 3 | WIRE_FIXED64:
      base->taken_at_us = (int64_t)field->number;
      return true;
    case SNAPSHOT_BASE_LONGITUDE << 3 | WIRE_VARINT:
      base->longitude_e7 = wire_unzigzag((uint32_t)field->number);
      return true;
    case SNAPSHOT_BASE_LATITUDE << 3 | WIRE_VARINT:
      base->latitude_e7 = wire_unzigzag((uint32_t)field->number);
      return true;
    case SNAPSHOT_ROWS << 3 | WIRE_BYTES:
      return read_row(field->bytes, sink);
    default:
      return true;
  }
}

static bool read_delta_field(const struct wire_field *field, const struct sink *sink) {
  switch (field->id << 3 | field->type) {
    case DELTA_ROWS << 3 | WIRE_BYTES:
      return read_row(field->bytes, sink);
    case DELTA_LEFT << 3 | WIRE_BYTES:
      return read_packed_left(field->bytes, sink);
    case DELTA_LEFT << 3 | WIRE_VARINT:
      return read_left(field->number, sink);
    default:
      return true;
  }
}

bool watch_proto_read(const struct watch_event *event, struct watch_base *out_base,
                      void (*on_row)(void *context, const struct watch_row *row), void *context) {
  struct wire_reader reader = wire_reader(event->data, event->len);
  const struct sink sink = {on_row, context};
  struct watch_base base = {0};
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&reader, &field)) == WIRE_FIELD) {
    bool good =
        event->kind == WATCH_SNAPSHOT ? read_snapshot_field(&field, &base, &sink) : read_delta_field(&field, &sink);
    if (!good) return false;
  }
  if (status != WIRE_END) return false;
  if (event->kind == WATCH_SNAPSHOT) *out_base = base;
  return true;
}

bool watch_proto_retry(const struct watch_event *event, int64_t *out_ms) {
  struct wire_reader reader = wire_reader(event->data, event->len);
  struct wire_field field;
  while (wire_next(&reader, &field) == WIRE_FIELD) {
    if (field.id != BYE_RETRY || field.type != WIRE_VARINT) continue;
    *out_ms = (int64_t)(uint32_t)field.number;
    return true;
  }
  return false;
}

// Rows and features, put together from a few kinds of values.
#include "view_json.h"

#include <string.h>

#include "time_text.h"

#define VIEW_FEATURE_BYTES (2 * VIEW_ROW_BYTES + 256)  // the names of the properties are the 256

const char view_columns[] =
    "[\"worker\",\"taken_at_us\",\"longitude\",\"latitude\",\"speed_m_s\",\"heading_deg\",\"accuracy_m\","
    "\"altitude_m\",\"battery_percent\",\"status\",\"tracker\"]";

#define PUT(to, text) put((to), (text), sizeof(text) - 1)

static char *put(char *to, const char *text, size_t len) {
  memcpy(to, text, len);
  return to + len;
}

static char *put_quoted(char *to, struct slice text) {
  *to++ = '"';
  to = put(to, text.data, text.len);
  *to++ = '"';
  return to;
}

// 00 01 … 99: two digits for each division.
static const char pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
    "555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

// The last 2, 4 or 8 digits, with zeros in front.
static char *put_2(char *to, uint32_t value) {
  memcpy(to, &pairs[value * 2], 2);
  return to + 2;
}

static char *put_4(char *to, uint32_t value) {
  return put_2(put_2(to, value / 100), value % 100);
}

static char *put_8(char *to, uint32_t value) {
  return put_4(put_4(to, value / 10000), value % 10000);
}

static char *put_small(char *to, uint32_t value) {
  if (value >= 10000) return put_4(put_small(to, value / 10000), value % 10000);
  if (value >= 100) return put_2(put_small(to, value / 100), value % 100);
  if (value >= 10) return put_2(to, value);
  *to = (char)('0' + value);
  return to + 1;
}

static char *put_unsigned(char *to, uint64_t value) {
  if (value < 100000000) return put_small(to, (uint32_t)value);
  return put_8(put_unsigned(to, value / 100000000), (uint32_t)(value % 100000000));
}

// Writes the sign; returns the absolute value, also of the smallest number.
static uint64_t put_sign(char **to, int64_t value) {
  if (value >= 0) return (uint64_t)value;
  *(*to)++ = '-';
  return -(uint64_t)value;
}

char *view_json_int(char *to, int64_t value) {
  uint64_t magnitude = put_sign(&to, value);
  return put_unsigned(to, magnitude);
}

char *view_json_e7(char *to, int64_t value) {
  uint64_t magnitude = put_sign(&to, value);
  char *point = put_unsigned(to, magnitude / 10000000);
  to = put_8(point, (uint32_t)(magnitude % 10000000));
  *point = '.';  // for the eighth digit, which is 0
  return to;
}

char *view_json_centi(char *to, int64_t value) {
  uint64_t magnitude = put_sign(&to, value);
  to = put_unsigned(to, magnitude / 100);
  *to++ = '.';
  return put_2(to, (uint32_t)(magnitude % 100));
}

// One of the above.
typedef char *put_number(char *to, int64_t value);

static inline char *put_optional(char *to, const struct position *p, enum position_has has, int64_t value,
                                 put_number *put_value) {
  if (!(p->has & (uint32_t)has)) return PUT(to, "null,");
  to = put_value(to, value);
  *to++ = ',';
  return to;
}

static char *put_measures(char *to, const struct position *p) {
  to = view_json_int(to, p->taken_at_us);
  *to++ = ',';
  to = view_json_e7(to, p->longitude_e7);
  *to++ = ',';
  to = view_json_e7(to, p->latitude_e7);
  *to++ = ',';
  to = put_optional(to, p, POSITION_HAS_SPEED, p->speed_cm_s, view_json_centi);
  to = put_optional(to, p, POSITION_HAS_HEADING, p->heading_cdeg, view_json_centi);
  to = put_optional(to, p, POSITION_HAS_ACCURACY, p->accuracy_cm, view_json_centi);
  to = put_optional(to, p, POSITION_HAS_ALTITUDE, p->altitude_cm, view_json_centi);
  return put_optional(to, p, POSITION_HAS_BATTERY, p->battery_percent, view_json_int);
}

static char *put_status(char *to, enum view_status status) {
  if (status == VIEW_ONLINE) return PUT(to, "\"online\"");
  return status == VIEW_STALE ? PUT(to, "\"stale\"") : PUT(to, "\"offline\"");
}

static char *put_tracker(char *to, struct slice tracker) {
  return tracker.len ? put_quoted(to, tracker) : PUT(to, "null");
}

char *view_json_row(char *to, const struct view_row *row) {
  *to++ = '[';
  to = put_quoted(to, row->worker);
  *to++ = ',';
  to = row->position ? put_measures(to, row->position) : PUT(to, "null,null,null,null,null,null,null,null,");
  to = put_status(to, row->status);
  *to++ = ',';
  to = put_tracker(to, row->tracker);
  *to++ = ']';
  return to;
}

static char *put_property(char *to, const char *name, const struct position *p, enum position_has has, int64_t value,
                          put_number *put_value) {
  *to++ = ',';
  to = put_quoted(to, (struct slice){name, strlen(name)});
  *to++ = ':';
  return p && (p->has & (uint32_t)has) ? put_value(to, value) : PUT(to, "null");
}

static char *put_measured(char *to, const struct position *p) {
  to = put_property(to, "speed_m_s", p, POSITION_HAS_SPEED, p->speed_cm_s, view_json_centi);
  to = put_property(to, "heading_deg", p, POSITION_HAS_HEADING, p->heading_cdeg, view_json_centi);
  to = put_property(to, "accuracy_m", p, POSITION_HAS_ACCURACY, p->accuracy_cm, view_json_centi);
  to = put_property(to, "altitude_m", p, POSITION_HAS_ALTITUDE, p->altitude_cm, view_json_centi);
  return put_property(to, "battery_percent", p, POSITION_HAS_BATTERY, p->battery_percent, view_json_int);
}

static char *put_properties(char *to, const struct view_row *row) {
  static const struct position none = {0};
  const struct position *p = row->position ? row->position : &none;
  to = PUT(to, "{\"worker\":");
  to = put_quoted(to, row->worker);
  to = put_property(to, "taken_at_us", p, POSITION_HAS_TAKEN_AT, p->taken_at_us, view_json_int);
  to = put_measured(to, p);
  to = PUT(to, ",\"status\":");
  to = put_status(to, row->status);
  to = PUT(to, ",\"tracker\":");
  to = put_tracker(to, row->tracker);
  *to++ = '}';
  return to;
}

static char *put_point(char *to, const struct position *p) {
  to = PUT(to, "{\"type\":\"Point\",\"coordinates\":[");
  to = view_json_e7(to, p->longitude_e7);
  *to++ = ',';
  to = view_json_e7(to, p->latitude_e7);
  return PUT(to, "]}");
}

void view_json_feature(struct buffer *out, const struct view_row *row) {
  char *start = (char *)buffer_reserve(out, VIEW_FEATURE_BYTES);
  char *to = PUT(start, "{\"type\":\"Feature\",\"geometry\":");
  to = row->position ? put_point(to, row->position) : PUT(to, "null");
  to = PUT(to, ",\"properties\":");
  to = put_properties(to, row);
  *to++ = '}';
  out->len += (size_t)(to - start);
}

void view_json_track_feature(struct buffer *out, struct slice worker, const struct position *position) {
  char time[TIME_TEXT_BYTES];
  char *start = (char *)buffer_reserve(out, VIEW_FEATURE_BYTES);
  char *to = PUT(start, "{\"type\":\"Feature\",\"geometry\":");
  to = put_point(to, position);
  to = PUT(to, ",\"properties\":{\"worker\":");
  to = put_quoted(to, worker);
  to = PUT(to, ",\"taken_at\":");
  time_text_format(time, position->taken_at_us);
  to = put_quoted(to, (struct slice){time, TIME_TEXT_BYTES - 1});
  to = put_measured(to, position);
  to = PUT(to, "}}");
  out->len += (size_t)(to - start);
}

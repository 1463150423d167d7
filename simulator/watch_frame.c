// A small pull reader of JSON: every function below takes the value at the front, and false means malformed.
#include "watch_frame.h"

#include <string.h>

#include "decimal.h"
#include "ident.h"

#define NESTING_MAX 32

struct json {
  const char *at, *end;
};

struct token {
  const char *data;
  size_t len;
};

static void skip_space(struct json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r')) j->at++;
}

// Takes this character, after white space.
static bool take(struct json *j, char c) {
  skip_space(j);
  if (j->at == j->end || *j->at != c) return false;
  j->at++;
  return true;
}

// A string's inside, escapes left as they are.
static bool take_string(struct json *j, struct token *out) {
  if (!take(j, '"')) return false;
  const char *start = j->at;
  for (; j->at < j->end && *j->at != '"'; j->at++) {
    if (*j->at == '\\' && ++j->at == j->end) return false;
  }
  if (j->at == j->end) return false;
  *out = (struct token){start, (size_t)(j->at - start)};
  j->at++;
  return true;
}

// A number or a word: true, false, null.
static bool take_word(struct json *j, struct token *out) {
  skip_space(j);
  const char *start = j->at;
  while (j->at < j->end && *j->at && !strchr(",]} \n\t\r:\"[{", *j->at)) j->at++;
  *out = (struct token){start, (size_t)(j->at - start)};
  return out->len > 0;
}

static bool skip_value(struct json *j);

static bool skip_container(struct json *j) {
  int depth = 0;
  do {
    skip_space(j);
    if (j->at == j->end) return false;
    char c = *j->at;
    struct token ignored;
    if (c == '"') {
      if (!take_string(j, &ignored)) return false;
      continue;
    }
    if ((c == '[' || c == '{') && ++depth > NESTING_MAX) return false;
    if (c == ']' || c == '}') depth--;
    j->at++;
  } while (depth > 0);
  return true;
}

static bool skip_value(struct json *j) {
  struct token ignored;
  skip_space(j);
  if (j->at == j->end) return false;
  if (*j->at == '"') return take_string(j, &ignored);
  if (*j->at == '[' || *j->at == '{') return skip_container(j);
  return take_word(j, &ignored);
}

// After an element: ',' means another one follows, `close` ends the container.
static bool take_next(struct json *j, char close, bool *out_more) {
  skip_space(j);
  if (j->at == j->end || (*j->at != ',' && *j->at != close)) return false;
  *out_more = *j->at++ == ',';
  return true;
}

static bool token_is(struct token token, const char *text) {
  return token.len == strlen(text) && memcmp(token.data, text, token.len) == 0;
}

static bool read_columns(struct json *j, struct watch_columns *columns) {
  struct watch_columns found = WATCH_COLUMNS_UNKNOWN;
  bool more = take(j, '[');
  if (!more) return false;
  for (int i = 0; more; i++) {
    struct token name;
    if (!take_string(j, &name)) return false;
    if (token_is(name, "worker")) found.worker = i;
    if (token_is(name, "taken_at_us")) found.taken_at_us = i;
    if (token_is(name, "longitude")) found.longitude = i;
    if (token_is(name, "latitude")) found.latitude = i;
    if (token_is(name, "status")) found.status = i;
    if (!take_next(j, ']', &more)) return false;
  }
  if (found.worker < 0 || found.taken_at_us < 0 || found.longitude < 0 || found.latitude < 0) return false;
  *columns = found;
  return true;
}

static bool degrees(struct token value, int limit, int64_t *out_e7) {
  int32_t e7;
  if (!decimal_degrees(value.data, value.len, limit, &e7)) return false;
  *out_e7 = e7;
  return true;
}

// Sets the part of a row that stands in this column.
static bool set_column(struct watch_row *row, const struct watch_columns *columns, int column, bool text,
                       struct token value) {
  if (column == columns->worker) {
    row->worker = value.data;
    row->worker_len = value.len;
    return text && ident_valid(value.data, value.len);
  }
  if (column == columns->status) {
    row->online = token_is(value, "online");
    return true;
  }
  bool null = !text && token_is(value, "null");
  if (column == columns->taken_at_us) {
    row->has_position = !null;
    return null || decimal_parse(value.data, value.len, 0, &row->taken_at_us);
  }
  if (column == columns->longitude) return null || degrees(value, 180, &row->longitude_e7);
  if (column == columns->latitude) return null || degrees(value, 90, &row->latitude_e7);
  return true;
}

static bool read_row(struct json *j, const struct watch_columns *columns, struct watch_row *out) {
  struct watch_row row = {.number = WATCH_NO_NUMBER};
  bool more = take(j, '[');
  if (!more) return false;
  for (int column = 0; more; column++) {
    struct token value = {j->at, 0};
    skip_space(j);
    if (j->at == j->end) return false;
    bool text = *j->at == '"', container = *j->at == '[' || *j->at == '{';
    bool good = text ? take_string(j, &value) : container ? skip_container(j) : take_word(j, &value);
    if (!good || !set_column(&row, columns, column, text, value)) return false;
    if (!take_next(j, ']', &more)) return false;
  }
  *out = row;
  return row.worker != NULL;
}

static bool read_rows(struct json *j, const struct watch_columns *columns,
                      void (*on_row)(void *context, const struct watch_row *row), void *context) {
  if (columns->worker < 0 || !take(j, '[')) return false;
  if (take(j, ']')) return true;
  for (bool more = true; more;) {
    struct watch_row row;
    if (!read_row(j, columns, &row)) return false;
    on_row(context, &row);
    if (!take_next(j, ']', &more)) return false;
  }
  return true;
}

static bool read_left(struct json *j, void (*on_row)(void *context, const struct watch_row *row), void *context) {
  if (!take(j, '[')) return false;
  if (take(j, ']')) return true;
  for (bool more = true; more;) {
    struct token name;
    if (!take_string(j, &name) || !ident_valid(name.data, name.len)) return false;
    const struct watch_row row = {.worker = name.data, .worker_len = name.len, .number = WATCH_NO_NUMBER, .left = true};
    on_row(context, &row);
    if (!take_next(j, ']', &more)) return false;
  }
  return true;
}

bool watch_frame_read(const char *json, size_t len, struct watch_columns *columns,
                      void (*on_row)(void *context, const struct watch_row *row), void *context) {
  struct json j = {json, json + len};
  bool has_rows = false;
  if (!take(&j, '{')) return false;
  for (bool more = true; more;) {
    struct token key;
    if (!take_string(&j, &key) || !take(&j, ':')) return false;
    bool good;
    if (token_is(key, "columns")) {
      good = read_columns(&j, columns);
    } else if (token_is(key, "rows")) {
      has_rows = true;
      good = read_rows(&j, columns, on_row, context);
    } else if (token_is(key, "left")) {
      good = read_left(&j, on_row, context);
    } else {
      good = skip_value(&j);
    }
    if (!good || !take_next(&j, '}', &more)) return false;
  }
  return has_rows;
}

bool watch_frame_number(const char *json, size_t len, const char *key, int64_t *out_value) {
  struct json j = {json, json + len};
  if (!take(&j, '{')) return false;
  for (bool more = true; more;) {
    struct token name, value;
    if (!take_string(&j, &name) || !take(&j, ':')) return false;
    if (token_is(name, key)) return take_word(&j, &value) && decimal_parse(value.data, value.len, 0, out_value);
    if (!skip_value(&j) || !take_next(&j, '}', &more)) return false;
  }
  return false;
}

enum watch_kind watch_frame_kind(const char *name, size_t len) {
  static const char *const names[] = {
      [WATCH_SNAPSHOT] = "snapshot", [WATCH_DELTA] = "delta", [WATCH_HEARTBEAT] = "heartbeat",
      [WATCH_STALE] = "stale",       [WATCH_BYE] = "bye",     [WATCH_ERROR] = "error",
  };
  for (size_t i = WATCH_SNAPSHOT; i <= WATCH_ERROR; i++) {
    if (token_is((struct token){name, len}, names[i])) return (enum watch_kind)i;
  }
  return WATCH_OTHER;
}

struct watch_event watch_frame_open(const char *json, size_t len) {
  static const struct watch_event bad = {.protocol = WATCH_JSON, .kind = WATCH_BAD};
  struct json j = {json, json + len};
  struct token key, name = {NULL, 0};
  struct watch_event event = {.protocol = WATCH_JSON};
  if (!take(&j, '{')) return bad;
  for (bool more = true; more;) {
    if (!take_string(&j, &key) || !take(&j, ':')) return bad;
    skip_space(&j);
    const char *value = j.at;
    if (token_is(key, "event") ? !take_string(&j, &name) : !skip_value(&j)) return bad;
    if (token_is(key, "data")) {
      event.data = (const uint8_t *)value;
      event.len = (size_t)(j.at - value);
    }
    if (!take_next(&j, '}', &more)) return bad;
  }
  skip_space(&j);
  if (j.at != j.end || !name.data || !event.data) return bad;
  event.kind = watch_frame_kind(name.data, name.len);
  return event;
}

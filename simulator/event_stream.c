// Two layers: the chunks, the events.
#include "event_stream.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_LINE_MAX_BYTES 1024u
#define EVENT_MAX_BYTES (64u << 20)
#define KEEP_BYTES 4096u  // a buffer larger than this is given back once it is empty

struct sink {
  void (*on_event)(void *context, const struct event *event);
  void *context;
};

void event_stream_init(struct event_stream *stream, bool chunked) {
  *stream = (struct event_stream){.phase = chunked ? EVENT_STREAM_SIZE : EVENT_STREAM_BODY, .retry_ms = -1};
}

void event_stream_fini(struct event_stream *stream) {
  buffer_fini(&stream->line);
  buffer_fini(&stream->pending);
}

// ---- events ----

static bool is_field(const char *line, size_t len, const char *name, const char **out_value, size_t *out_len) {
  size_t name_len = strlen(name);
  if (len < name_len || memcmp(line, name, name_len) != 0) return false;
  if (len > name_len && line[name_len] != ':') return false;
  const char *value = line + name_len + (len > name_len);
  if (value < line + len && *value == ' ') value++;
  *out_value = value;
  *out_len = (size_t)(line + len - value);
  return true;
}

static void take_retry(struct event_stream *stream, const char *value, size_t len) {
  int64_t ms = 0;
  for (size_t i = 0; i < len; i++) {
    if (value[i] < '0' || value[i] > '9' || ms > 1000000000) return;
    ms = ms * 10 + (value[i] - '0');
  }
  if (len > 0) stream->retry_ms = ms;
}

// Length of the event at the front, blank line included; 0 if it is not whole.
static size_t event_len(const char *bytes, size_t len) {
  for (size_t at = 0; at < len;) {
    const char *newline = memchr(bytes + at, '\n', len - at);
    if (!newline) return 0;
    size_t line_len = (size_t)(newline - bytes) - at;
    bool blank = line_len == 0 || (line_len == 1 && bytes[at] == '\r');
    at += line_len + 1;
    if (blank) return at;
  }
  return 0;
}

// Reads one whole event. Data of several lines is moved together in place, over what stands between them; the name may,
// so it is kept elsewhere.
static void take_event(struct event_stream *stream, char *bytes, size_t len, const struct sink *sink) {
  char name[EVENT_NAME_BYTES];
  struct event event = {"message", 7, NULL, 0};
  char *data = NULL;
  for (size_t at = 0; at < len;) {
    char *line = bytes + at;
    size_t line_len = (size_t)((char *)memchr(line, '\n', len - at) - line);
    at += line_len + 1;
    if (line_len > 0 && line[line_len - 1] == '\r') line_len--;
    const char *value;
    size_t value_len;
    if (is_field(line, line_len, "data", &value, &value_len)) {
      if (data) {
        data[event.data_len++] = '\n';
        memmove(data + event.data_len, value, value_len);
        event.data_len += value_len;
      } else {
        event.data = value;
        event.data_len = value_len;
        data = line + (value - line);
      }
    } else if (is_field(line, line_len, "event", &value, &value_len)) {
      event.name_len = value_len < sizeof name ? value_len : sizeof name;
      event.name = memcpy(name, value, event.name_len);
    } else if (is_field(line, line_len, "retry", &value, &value_len)) {
      take_retry(stream, value, value_len);
    }
  }
  if (data) sink->on_event(sink->context, &event);
}

static size_t take_events(struct event_stream *stream, char *bytes, size_t len, const struct sink *sink) {
  size_t used = 0, event;
  while ((event = event_len(bytes + used, len - used)) > 0) {
    take_event(stream, bytes + used, event, sink);
    used += event;
  }
  return used;
}

static bool take_payload(struct event_stream *stream, uint8_t *bytes, size_t len, const struct sink *sink) {
  struct buffer *pending = &stream->pending;
  if (pending->len == 0) {
    size_t used = take_events(stream, (char *)bytes, len, sink);
    buffer_append(pending, bytes + used, len - used);
    return true;
  }
  if (pending->len + len > EVENT_MAX_BYTES) return false;
  buffer_append(pending, bytes, len);
  buffer_consume(pending, take_events(stream, (char *)pending->data, pending->len, sink));
  if (pending->len == 0 && pending->capacity > KEEP_BYTES) buffer_fini(pending);
  return true;
}

// ---- chunks ----

// Moves bytes into stream->line until that ends in a line feed. Returns how many were taken.
static size_t gather(struct event_stream *stream, const uint8_t *bytes, size_t len, bool *out_whole) {
  const uint8_t *newline = memchr(bytes, '\n', len);
  size_t used = newline ? (size_t)(newline - bytes) + 1 : len;
  buffer_append(&stream->line, bytes, used);
  *out_whole = newline != NULL;
  return used;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_size(struct event_stream *stream) {
  uint64_t size = 0;
  size_t i = 0;
  const struct buffer *line = &stream->line;
  for (; i < line->len; i++) {
    int digit = hex_digit((char)line->data[i]);
    if (digit < 0) break;
    if (size > UINT64_MAX >> 8) return false;
    size = size << 4 | (uint64_t)digit;
  }
  if (i == 0) return false;
  stream->chunk_left = size;
  stream->phase = EVENT_STREAM_CHUNK;
  return true;
}

// One step on the bytes at the front; returns how many were used, or -1 if they are bad.
static ptrdiff_t step(struct event_stream *stream, uint8_t *bytes, size_t len, const struct sink *sink) {
  bool whole, good = true;
  size_t used = len;
  switch (stream->phase) {
    case EVENT_STREAM_SIZE:
      used = gather(stream, bytes, len, &whole);
      if (whole) good = take_size(stream);
      if (whole) stream->line.len = 0;
      good = good && stream->line.len <= SIZE_LINE_MAX_BYTES;
      break;
    case EVENT_STREAM_CHUNK:
      if (used > stream->chunk_left) used = (size_t)stream->chunk_left;
      good = take_payload(stream, bytes, used, sink);
      stream->chunk_left -= used;
      if (stream->chunk_left == 0) stream->phase = EVENT_STREAM_TAIL;
      break;
    case EVENT_STREAM_TAIL:  // the line end after a chunk's bytes
      used = gather(stream, bytes, len, &whole);
      good = stream->line.len <= 2;
      if (whole) stream->phase = EVENT_STREAM_SIZE;
      if (whole) stream->line.len = 0;
      break;
    case EVENT_STREAM_BODY:
      good = take_payload(stream, bytes, len, sink);
      break;
  }
  return good ? (ptrdiff_t)used : -1;
}

enum stream_status event_stream_receive(struct event_stream *stream, uint8_t *bytes, size_t len,
                                        void (*on_event)(void *context, const struct event *event), void *context) {
  const struct sink sink = {on_event, context};
  while (len > 0) {
    ptrdiff_t used = step(stream, bytes, len, &sink);
    if (used < 0) return STREAM_BAD;
    bytes += used;
    len -= (size_t)used;
    if (stream->phase == EVENT_STREAM_CHUNK && stream->chunk_left == 0) return STREAM_ENDED;
  }
  return STREAM_OPEN;
}

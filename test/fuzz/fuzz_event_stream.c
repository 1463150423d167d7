// event_stream.c: what the reader of Server-Sent Events tells does not depend on how the bytes were cut, and is what a
// plainer reading, first of all chunks, then of all lines, makes of them. The first byte says whether there are chunks.
#include "../../simulator/event_stream.h"

#include <string.h>

#include "fuzz.h"
#include "tale.h"

#define INPUT_MAX 1000  // below the longest line with a chunk's size

static void on_event(void *context, const struct event *event) {
  tell(context, 'n', event->name, event->name_len);
  tell(context, 'd', event->data, event->data_len);
}

// ---- the plainer reading ----

static int hex_digit(uint8_t c) {
  const char *digits = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) % 16 : -1;
}

static enum stream_status plain_chunks(const uint8_t *bytes, size_t len, uint8_t *body, size_t *out_len) {
  const uint8_t *end = bytes + len;
  *out_len = 0;
  while (bytes < end) {
    const uint8_t *newline = memchr(bytes, '\n', (size_t)(end - bytes));
    if (!newline) return STREAM_OPEN;
    if (hex_digit(*bytes) < 0) return STREAM_BAD;
    uint64_t size = 0;
    for (; hex_digit(*bytes) >= 0; bytes++) {
      if (size >> 56) return STREAM_BAD;
      size = size * 16 + (uint64_t)hex_digit(*bytes);
    }
    bytes = newline + 1;
    if (size == 0) return STREAM_ENDED;
    size_t have = (uint64_t)(end - bytes) < size ? (size_t)(end - bytes) : (size_t)size;
    memcpy(body + *out_len, bytes, have);
    *out_len += have;
    bytes += have;
    if (have < size) return STREAM_OPEN;
    newline = memchr(bytes, '\n', (size_t)(end - bytes));
    if ((newline ? newline + 1 : end) - bytes > 2) return STREAM_BAD;
    if (!newline) return STREAM_OPEN;
    bytes = newline + 1;
  }
  return STREAM_OPEN;
}

struct plain_event {
  char data[INPUT_MAX + 1], name[INPUT_MAX + 1];
  size_t data_len, name_len;
  bool has_data;
};

static bool plain_field(const uint8_t *line, size_t len, const char *name, const uint8_t **out, size_t *out_len) {
  size_t n = strlen(name);
  if (len < n || memcmp(line, name, n) != 0 || (len > n && line[n] != ':')) return false;
  size_t skip = len == n ? n : len > n + 1 && line[n + 1] == ' ' ? n + 2 : n + 1;
  *out = line + skip;
  *out_len = len - skip;
  return true;
}

static void plain_retry(const uint8_t *digits, size_t len, int64_t *retry_ms) {
  int64_t ms = 0;
  for (size_t i = 0; i < len; i++) {
    if (digits[i] < '0' || digits[i] > '9' || ms > 1000000000) return;
    ms = ms * 10 + digits[i] - '0';
  }
  if (len > 0) *retry_ms = ms;
}

// Of an event that is not whole nothing counts.
static int64_t plain_events(const uint8_t *body, size_t len, struct tale *tale) {
  static struct plain_event event;
  int64_t retry_ms = -1, retry_after_ms = -1;
  event.data_len = event.name_len = event.has_data = false;
  for (size_t at = 0; at < len;) {
    const uint8_t *line = body + at, *newline = memchr(line, '\n', len - at), *value;
    size_t value_len;
    if (!newline) break;
    size_t line_len = (size_t)(newline - line);
    at += line_len + 1;
    if (line_len > 0 && line[line_len - 1] == '\r') line_len--;
    if (line_len == 0) {
      if (event.has_data) {
        tell(tale, 'n', event.name_len ? event.name : "message", event.name_len ? event.name_len - 1 : 7);
        tell(tale, 'd', event.data, event.data_len);
      }
      event.data_len = event.name_len = event.has_data = false;
      retry_ms = retry_after_ms;
    } else if (plain_field(line, line_len, "data", &value, &value_len)) {
      if (event.has_data) event.data[event.data_len++] = '\n';
      memcpy(event.data + event.data_len, value, value_len);
      event.data_len += value_len;
      event.has_data = true;
    } else if (plain_field(line, line_len, "event", &value, &value_len)) {
      if (value_len > EVENT_NAME_BYTES) value_len = EVENT_NAME_BYTES;
      memcpy(event.name, value, value_len);
      event.name_len = value_len + 1;  // 0: there is none
    } else if (plain_field(line, line_len, "retry", &value, &value_len)) {
      plain_retry(value, value_len, &retry_after_ms);
    }
  }
  return retry_ms;
}

// ---- the target ----

static enum stream_status feed(bool chunked, const uint8_t *bytes, size_t len, size_t most, struct tale *tale) {
  static uint8_t *room;
  struct event_stream stream;
  enum stream_status status = STREAM_OPEN;
  uint64_t seed = len;
  event_stream_init(&stream, chunked);
  for (size_t at = 0, size; at < len && status == STREAM_OPEN; at += size) {
    size = next_piece(&seed, most, len - at);
    uint8_t *piece = at_end(&room, INPUT_MAX, bytes + at, size);
    status = event_stream_receive(&stream, piece, size, on_event, tale);
  }
  tell(tale, stream.retry_ms, NULL, 0);
  event_stream_fini(&stream);
  return status;
}

// All at once, and in small pieces.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  static uint8_t body[INPUT_MAX];
  if (len == 0 || len > INPUT_MAX) return 0;
  bool chunked = bytes[0] == 'c';
  size_t body_len = len - 1;
  enum stream_status status = STREAM_OPEN;
  if (chunked) {
    status = plain_chunks(bytes + 1, len - 1, body, &body_len);
  } else {
    memcpy(body, bytes + 1, body_len);
  }
  struct tale expected = {1};
  tell(&expected, plain_events(body, body_len, &expected), NULL, 0);
  const size_t most[] = {INPUT_MAX, expected.hash >> 32 & 1 ? 1 : 9};
  for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
    struct tale tale = {1};
    fuzz_check(feed(chunked, bytes + 1, len - 1, most[i], &tale) == status);
    fuzz_check(tale.hash == expected.hash);
  }
  return 0;
}

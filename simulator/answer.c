// Gathers the head up to its blank line, then looks at it line by line.
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX_BYTES 32768u

void answer_init(struct answer *answer) {
  *answer = (struct answer){.retry_after_s = -1};
}

void answer_fini(struct answer *answer) {
  buffer_fini(&answer->head);
}

static bool header_is(const char *line, size_t len, const char *name, const char **out_value, size_t *out_len) {
  size_t name_len = strlen(name);
  if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0) return false;
  const char *value = line + name_len + 1, *end = line + len;
  while (value < end && (*value == ' ' || *value == '\t')) value++;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
  *out_value = value;
  *out_len = (size_t)(end - value);
  return true;
}

static bool starts_with(const char *text, size_t len, const char *prefix) {
  return len >= strlen(prefix) && strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static void keep(char to[ANSWER_VALUE_BYTES], const char *value, size_t len) {
  if (len >= ANSWER_VALUE_BYTES) return;
  memcpy(to, value, len);
  to[len] = '\0';
}

static void take_header(struct answer *answer, const char *line, size_t len) {
  const char *value;
  size_t value_len;
  if (header_is(line, len, "Content-Type", &value, &value_len)) {
    answer->is_events = starts_with(value, value_len, "text/event-stream");
  } else if (header_is(line, len, "Transfer-Encoding", &value, &value_len)) {
    answer->is_chunked = starts_with(value, value_len, "chunked");
  } else if (header_is(line, len, "Retry-After", &value, &value_len) && value_len > 0 && value_len < 6) {
    int seconds = atoi(value);  // ends at the line's CR
    answer->retry_after_s = seconds > 0 ? seconds : 0;
  } else if (header_is(line, len, "Upgrade", &value, &value_len)) {
    answer->is_socket = value_len == 9 && starts_with(value, value_len, "websocket");
  } else if (header_is(line, len, "Sec-WebSocket-Accept", &value, &value_len)) {
    keep(answer->accept, value, value_len);
  } else if (header_is(line, len, "Sec-WebSocket-Protocol", &value, &value_len)) {
    keep(answer->protocol, value, value_len);
  }
}

// Reads the whole head, its blank line included.
static bool read_head(struct answer *answer, const char *head, size_t len) {
  if (len < 14 || memcmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ') return false;
  int status = atoi(head + 9);
  if (status < 100 || status > 999) return false;
  if (status < 200 && status != 101) return true;  // an interim answer: another head follows
  const char *end = head + len;
  for (const char *line = (const char *)memchr(head, '\n', len) + 1; line < end;) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    size_t line_len = (size_t)(newline - line);
    if (line_len > 0 && line[line_len - 1] == '\r') line_len--;
    take_header(answer, line, line_len);
    line = newline + 1;
  }
  answer->status = status;
  return true;
}

ptrdiff_t answer_take(struct answer *answer, const uint8_t *bytes, size_t len) {
  struct buffer *head = &answer->head;
  for (size_t i = 0; i < len; i++) {
    buffer_append(head, bytes + i, 1);
    if (head->len > HEAD_MAX_BYTES) return -1;
    if (head->len < 4 || memcmp(head->data + head->len - 4, "\r\n\r\n", 4) != 0) continue;
    bool good = read_head(answer, (const char *)head->data, head->len);
    buffer_fini(head);
    if (!good) return -1;
    if (answer->status) return (ptrdiff_t)i + 1;
  }
  return (ptrdiff_t)len;
}

// One pass, no state: a head that comes in pieces is looked at again from its first byte.
#include "head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

// Control characters have no place in a head, a tab neither; bytes beyond ASCII are let through.
static bool is_allowed(uint8_t c) {
  return c == '\r' || c == '\n' || (c >= 0x20 && c != 0x7f);
}

enum head_status head_scan(const uint8_t *bytes, size_t len, size_t *out_len) {
  if (len && (bytes[0] <= 0x20 || bytes[0] == 0x7f)) return HEAD_BAD;
  for (size_t i = 0; i < len && i < HEAD_MAX_BYTES; i++) {
    if (!is_allowed(bytes[i])) return HEAD_BAD;
    if (bytes[i] != '\n') continue;
    // The end is "\n\n" or "\r\n\r\n"; mixtures end nothing.
    bool bare = i >= 1 && bytes[i - 1] == '\n';
    if (bare || (i >= 3 && memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0)) {
      *out_len = i + 1;
      return HEAD_WHOLE;
    }
  }
  return len < HEAD_MAX_BYTES ? HEAD_PART : HEAD_BAD;
}

void head_own_connection(uint8_t *head, size_t len) {
  static const char name[] = "Connection";
  _Static_assert(sizeof HEAD_CONNECTION == sizeof name, "renamed in place");
  const uint8_t *end = head + len;
  for (uint8_t *line = head; (line = memchr(line, '\n', (size_t)(end - line)));) {
    line++;
    if ((size_t)(end - line) <= sizeof name) return;
    uint8_t after = line[sizeof name - 1];
    if (strncasecmp((const char *)line, name, sizeof name - 1) == 0 && (after == ':' || after == ' ')) {
      memcpy(line, HEAD_CONNECTION, sizeof name - 1);
    }
  }
}

// head.c: where a head ends is what a plainer reading finds, however much has come; and once its Connection fields are
// renamed, it has none, and nothing else has changed.
#include "../../gateway/head.h"

#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

// Whether the text ends there.
static bool is_at(const uint8_t *bytes, size_t at, const char *text, size_t len) {
  while (len > 0 && at > 0 && bytes[at - 1] == (uint8_t)text[len - 1]) at--, len--;
  return len == 0;
}

static enum head_status plain_scan(const uint8_t *bytes, size_t len, size_t *out_len) {
  for (size_t i = 0; i < len; i++) {
    if (i == HEAD_MAX_BYTES) return HEAD_BAD;
    if (i == 0 && (bytes[0] == '\r' || bytes[0] == '\n' || bytes[0] == ' ')) return HEAD_BAD;
    if (bytes[i] == 127 || (bytes[i] < 32 && bytes[i] != '\r' && bytes[i] != '\n')) return HEAD_BAD;
    if (is_at(bytes, i + 1, "\n\n", 2) || is_at(bytes, i + 1, "\r\n\r\n", 4)) {
      *out_len = i + 1;
      return HEAD_WHOLE;
    }
  }
  return len == HEAD_MAX_BYTES ? HEAD_BAD : HEAD_PART;
}

static int lower(int c) {
  return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
}

static bool begins(const uint8_t *line, size_t len, const char *name) {
  size_t i = 0;
  while (i < len && name[i] && lower(line[i]) == lower(name[i])) i++;
  return !name[i] && i < len && (line[i] == ':' || line[i] == ' ');
}

static void check_renaming(const uint8_t *before, size_t len) {
  uint8_t *head = malloc(len);
  memcpy(head, before, len);
  head_own_connection(head, len);
  bool line_begins = false;
  size_t name = 0;  // bytes of a name that are still to be passed over
  for (size_t i = 0; i < len; i++) {
    if (line_begins) {
      fuzz_check(!begins(head + i, len - i, "Connection"));
      if (begins(before + i, len - i, "Connection")) {
        fuzz_check(begins(head + i, len - i, HEAD_CONNECTION));
        name = strlen(HEAD_CONNECTION);
      }
    }
    if (name > 0) {
      name--;
    } else {
      fuzz_check(head[i] == before[i]);
    }
    line_begins = before[i] == '\n';
  }
  free(head);
}

static enum head_status check_scan(const uint8_t *bytes, size_t len, size_t *out_len) {
  size_t ours = 0, plain = 0;
  enum head_status status = head_scan(bytes, len, &ours);
  fuzz_check(status == plain_scan(bytes, len, &plain) && ours == plain);
  *out_len = ours;
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  size_t whole = 0, part = 0;
  enum head_status status = check_scan(bytes, len, &whole);
  for (size_t have = len / 4; have < len; have += len / 4 + 1) {
    enum head_status before = check_scan(bytes, have, &part);
    fuzz_check(before == HEAD_PART || (before == status && part == whole));
  }
  if (status == HEAD_WHOLE) check_renaming(bytes, whole);
  return 0;
}

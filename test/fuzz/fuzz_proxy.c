// proxy.c: what stands in front of a device's first byte is the edge's header only if it is one to its last byte,
// however much of it has come, and its address is the one that the C library writes.
#include "../../tracker/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";

// The whole header that is there, or how far it has come.
static enum proxy_status plain(const uint8_t *bytes, size_t len, size_t *out_used) {
  for (size_t i = 0; i < 12 && i < len; i++) {
    if (bytes[i] != signature[i]) return PROXY_BAD;
  }
  if (len > 12 && bytes[12] != 0x20 && bytes[12] != 0x21) return PROXY_BAD;
  if (len < 16) return PROXY_PART;
  size_t rest = bytes[14] * 256u + bytes[15], at = 0;
  if (bytes[12] == 0x21) {
    if (bytes[13] != 0x11 && bytes[13] != 0x21) return PROXY_BAD;
    at = bytes[13] == 0x11 ? 12 : 36;
  } else if (bytes[13] != 0) {
    return PROXY_BAD;
  }
  if (at > rest || rest > PROXY_MAX_BYTES - 16) return PROXY_BAD;
  if (len - 16 < rest) return PROXY_PART;
  while (at < rest) {
    if (rest - at < 3) return PROXY_BAD;
    at += 3 + bytes[16 + at + 1] * 256u + bytes[16 + at + 2];
  }
  *out_used = 16 + rest;
  return at == rest ? PROXY_WHOLE : PROXY_BAD;
}

static void check_source(const uint8_t *bytes, const struct peer *source) {
  char ours[PEER_TEXT_BYTES], theirs[64] = "-";
  struct peer again;
  if (bytes[12] == 0x21) inet_ntop(bytes[13] == 0x11 ? AF_INET : AF_INET6, bytes + 16, theirs, sizeof theirs);
  const char *text = strncmp(theirs, "::ffff:", 7) == 0 && strchr(theirs, '.') ? theirs + 7 : theirs;
  fuzz_check(strcmp(peer_text(source, ours), text) == 0);
  fuzz_check(peer_parse(ours, strlen(ours), &again) == (source->family != 0));
  if (source->family) fuzz_check(again.family == source->family && !memcmp(again.bytes, source->bytes, 16));
}

static enum proxy_status check(const uint8_t *bytes, size_t len, size_t *out_used) {
  struct peer source = {.family = 77};
  size_t ours = 7777, expected = 7777;
  enum proxy_status status = proxy_parse(bytes, len, &ours, &source);
  fuzz_check(status == plain(bytes, len, &expected));
  if (status == PROXY_WHOLE) {
    fuzz_check(ours == expected && ours <= len);
    check_source(bytes, &source);
  } else {
    fuzz_check(ours == 7777 && source.family == 77);
  }
  *out_used = ours;
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  size_t used, part;
  enum proxy_status status = check(bytes, len, &used);
  for (size_t have = len / 5; have < len; have += len / 5 + 1) {
    enum proxy_status before = check(bytes, have, &part);
    fuzz_check(before == PROXY_PART || (before == status && part == used));
  }
  return 0;
}

// query.c: pairs are those of a plainer reading; cookies, encodings and entity tags are found wherever they stand. The
// first byte says which.
#include "../../gateway/query.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"

#define TEXT_MAX 512

static int plain_hex(char c) {
  const char *digits = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) % 16 : -1;
}

static bool plain_decode(const char *text, size_t len, char out[QUERY_TEXT_BYTES]) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    int c = (unsigned char)text[i];
    if (c == '+') c = ' ';
    if (c == '%') {
      if (len - i < 3 || plain_hex(text[i + 1]) < 0 || plain_hex(text[i + 2]) < 0) return false;
      c = plain_hex(text[i + 1]) * 16 + plain_hex(text[i + 2]);
      i += 2;
    }
    if (c < 32 || c == 127 || n == QUERY_TEXT_BYTES - 1) return false;
    out[n++] = (char)c;
  }
  out[n] = '\0';
  return true;
}

static void check_pairs(const char *text) {
  const char *rest = text, *at = text;
  struct query_pair pair, plain;
  for (;;) {
    at += strspn(at, "&");
    enum query_status status = query_next(&rest, &pair);
    if (!*at) {
      fuzz_check(status == QUERY_END);
      return;
    }
    size_t len = strcspn(at, "&"), name = strcspn(at, "=&"), value = name < len ? name + 1 : len;
    bool good = plain_decode(at, name, plain.name) && plain_decode(at + value, len - value, plain.value);
    fuzz_check(status == (good ? QUERY_PAIR : QUERY_BAD));
    if (good) fuzz_check(strcmp(plain.name, pair.name) == 0 && strcmp(plain.value, pair.value) == 0);
    at += len;
    fuzz_check(rest == at);
  }
}

static void check_number(const char *text) {
  long number = -1, plain = 0;
  bool good = *text && strlen(text) <= 18;
  for (const char *at = text; good && *at; at++) {
    good = *at >= '0' && *at <= '9';
    plain = plain * 10 + (*at - '0');
  }
  good = good && plain >= 10 && plain <= 60000;
  fuzz_check(query_number(text, 10, 60000, &number) == good);
  fuzz_check(number == (good ? plain : -1));
}

// The first piece between semicolons that is the cookie's, however many others stand before it.
static void check_cookie(const char *text) {
  static const char name[] = "muster";
  const char *value = NULL;
  size_t len = 0;
  bool found = query_cookie(text, name, &value, &len), plain = false;
  for (const char *at = text; *at && !plain;) {
    while (*at == ' ' || *at == '\t' || *at == ';') at++;
    if (strncmp(at, "muster=", 7) == 0) {
      plain = true;
      fuzz_check(found && value == at + 7 && len == strcspn(at + 7, ";"));
    }
    at += strcspn(at, ";");
  }
  fuzz_check(found == plain);
}

// What is said of other encodings and tags before makes no difference.
static void check_lists(const char *text) {
  char more[TEXT_MAX + 32];
  snprintf(more, sizeof more, "br;q=0, %s", text);
  bool gzip = query_accepts_gzip(text);
  fuzz_check(gzip == query_accepts_gzip(more));
  fuzz_check(!gzip || strcasestr(text, "gzip"));
  snprintf(more, sizeof more, "\"other\",%s", text);
  bool match = query_matches_etag(text, "\"1a\"");
  fuzz_check(match == query_matches_etag(more, "\"1a\""));
  fuzz_check(!match || strstr(text, "\"1a\"") || strchr(text, '*'));
  snprintf(more, sizeof more, "\"other\", W/\"1a\" ,%s", text);
  fuzz_check(query_matches_etag(more, "\"1a\""));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len == 0 || len > TEXT_MAX) return 0;
  char *text = malloc(len);
  memcpy(text, bytes + 1, len - 1);
  text[len - 1] = '\0';
  if (bytes[0] == '?') check_pairs(text);
  if (bytes[0] == '1') check_number(text);
  if (bytes[0] == 'c') check_cookie(text);
  if (bytes[0] == 'l') check_lists(text);
  free(text);
  return 0;
}

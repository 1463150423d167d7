// Small parsers of URL parts and header values; none of them keeps anything.
#include "query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode(const char *text, size_t len, char *out, size_t out_bytes) {
  size_t at = 0;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c == '%') {
      int high = i + 2 < len ? hex_value(text[i + 1]) : -1, low = i + 2 < len ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return false;
      c = (char)(high << 4 | low);
      i += 2;
    } else if (c == '+') {
      c = ' ';
    }
    if ((unsigned char)c < 0x20 || c == 0x7f || at + 1 >= out_bytes) return false;
    out[at++] = c;
  }
  out[at] = '\0';
  return true;
}

enum query_status query_next(const char **rest, struct query_pair *out_pair) {
  const char *at = *rest ? *rest : "";
  while (*at == '&') at++;
  if (!*at) return QUERY_END;
  size_t len = strcspn(at, "&");
  const char *equals = memchr(at, '=', len);
  size_t name_len = equals ? (size_t)(equals - at) : len;
  const char *value = equals ? equals + 1 : at + len;
  *rest = at + len;
  if (!decode(at, name_len, out_pair->name, sizeof out_pair->name) ||
      !decode(value, (size_t)(at + len - value), out_pair->value, sizeof out_pair->value)) {
    return QUERY_BAD;
  }
  return QUERY_PAIR;
}

bool query_number(const char *text, long min, long max, long *out_number) {
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 18 || text[digits]) return false;
  long number = strtol(text, NULL, 10);
  if (number < min || number > max) return false;
  *out_number = number;
  return true;
}

bool query_cookie(const char *header, const char *name, const char **out_value, size_t *out_len) {
  size_t name_len = strlen(name);
  for (const char *at = header ? header : ""; *at;) {
    at += strspn(at, "; \t");
    size_t len = strcspn(at, ";");
    if (len > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0) {
      *out_value = at + name_len + 1;
      *out_len = len - name_len - 1;
      return true;
    }
    at += len;
  }
  return false;
}

// "gzip;q=0", "gzip; q=0.0" and the like.
static bool has_zero_weight(const char *parameters, size_t len) {
  const char *q = memchr(parameters, '=', len);
  if (!q) return false;
  size_t left = (size_t)(parameters + len - q - 1);
  size_t zeros = strspn(q + 1, "0. ");
  return left > 0 && zeros >= left;
}

bool query_accepts_gzip(const char *header) {
  for (const char *at = header ? header : ""; *at;) {
    at += strspn(at, ", \t");
    size_t len = strcspn(at, ","), name = strcspn(at, ",; \t");
    if (name == 4 && strncasecmp(at, "gzip", 4) == 0) return !has_zero_weight(at + name, len - name);
    at += len;
  }
  return false;
}

bool query_matches_etag(const char *header, const char *etag) {
  size_t etag_len = strlen(etag);
  for (const char *at = header ? header : ""; *at;) {
    at += strspn(at, ", \t");
    if (*at == '*') return true;
    if (strncmp(at, "W/", 2) == 0) at += 2;
    size_t len = strcspn(at, ", \t");
    if (len == etag_len && memcmp(at, etag, len) == 0) return true;
    at += len;
  }
  return false;
}

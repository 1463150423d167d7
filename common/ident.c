// The one place that says what an id may look like.
#include "ident.h"

static bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool ident_valid(const char *text, size_t len) {
  if (len < 1 || len > IDENT_MAX_BYTES) return false;
  for (size_t i = 0; i < len; i++) {
    if (!allowed(text[i])) return false;
  }
  return true;
}

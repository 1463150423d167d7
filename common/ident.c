// The one place that says what an id may look like.
#include "ident.h"

// A table, because every name of every position is looked at.
static const bool allowed[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['_'] = true, ['-'] = true};

bool ident_valid(const char *text, size_t len) {
  if (len < 1 || len > IDENT_MAX_BYTES) return false;
  bool valid = true;
  for (size_t i = 0; i < len; i++) valid &= allowed[(unsigned char)text[i]];  // good names are the rule: no early end
  return valid;
}

// One pass over a stranger's bytes, without memory of its own.
#include "token_scan.h"

#include <string.h>

#define DEPTH_MAX 8

// 1 more than the value of each character; 0 is none of the alphabet.
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64};

// How deep JSON nests, as far as it has been read. Brackets inside strings do not count.
struct nesting {
  int depth;
  bool in_string, escaped;
};

static void nesting_take(struct nesting *nesting, char c) {
  if (nesting->in_string) {
    if (c == '"' && !nesting->escaped) nesting->in_string = false;
    nesting->escaped = c == '\\' && !nesting->escaped;
  } else if (c == '"') {
    nesting->in_string = true;
  } else if (c == '[' || c == '{') {
    nesting->depth++;
  } else if ((c == ']' || c == '}') && nesting->depth > 0) {
    nesting->depth--;
  }
}

// libjwt parses header and claims by recursion, before a signature is checked, and CivetWeb's threads have stacks of
// 100 KiB: a stranger's deeply nested "token" must not get that far.
static bool scan_part(const char *text, size_t len, bool json) {
  struct nesting nesting = {0};
  unsigned value = 0, bits = 0;
  for (size_t i = 0; i < len; i++) {
    unsigned six = values[(unsigned char)text[i]];
    if (six == 0) return false;
    value = value << 6 | (six - 1);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    nesting_take(&nesting, (char)(value >> bits & 0xff));
    if (json && nesting.depth > DEPTH_MAX) return false;
  }
  return bits < 6 && (value & ((1U << bits) - 1)) == 0;
}

bool token_scan(const char *text, size_t len, struct token_parts *out) {
  const char *first = memchr(text, '.', len);
  if (!first) return false;
  size_t head_len = (size_t)(first - text);
  const char *second = memchr(first + 1, '.', len - head_len - 1);
  if (!second) return false;
  struct token_parts parts = {.signed_len = (size_t)(second - text)};
  parts.signature_at = parts.signed_len + 1;
  parts.signature_len = len - parts.signature_at;
  *out = parts;
  return scan_part(text, head_len, true) && scan_part(first + 1, (size_t)(second - first) - 1, true) &&
         scan_part(text + parts.signature_at, parts.signature_len, false);
}

bool token_scan_decode(const char *text, size_t len, uint8_t *out, size_t out_bytes, size_t *out_len) {
  unsigned value = 0, bits = 0;
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    value = value << 6 | (values[(unsigned char)text[i]] - 1U);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    if (n == out_bytes) return false;
    out[n++] = (uint8_t)(value >> bits);
  }
  *out_len = n;
  return true;
}

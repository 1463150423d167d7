// Exact decimal parsing.
#include "decimal.h"

#include <string.h>

#define DECIMAL_MAX 900000000000000000

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Multiplies by ten and adds; false beyond DECIMAL_MAX.
static bool shift_in(int64_t *value, int digit) {
  if (*value > (DECIMAL_MAX - digit) / 10) return false;
  *value = *value * 10 + digit;
  return true;
}

bool decimal_parse(const char *text, size_t len, unsigned scale, int64_t *out_value) {
  const char *end = text + len;
  bool negative = len > 0 && *text == '-';
  if (len > 0 && (*text == '-' || *text == '+')) text++;
  int64_t value = 0;
  bool any = false;
  for (; text < end && is_digit(*text); text++, any = true) {
    if (!shift_in(&value, *text - '0')) return false;
  }
  if (text < end && *text == '.') text++;
  unsigned decimals = 0;
  for (; text < end && is_digit(*text) && decimals < scale; text++, decimals++, any = true) {
    if (!shift_in(&value, *text - '0')) return false;
  }
  if (text < end && is_digit(*text)) any = true;
  bool round_up = text < end && *text >= '5' && *text <= '9';
  while (text < end && is_digit(*text)) text++;
  if (!any || text != end) return false;
  for (; decimals < scale; decimals++) {
    if (!shift_in(&value, 0)) return false;
  }
  value += round_up;
  *out_value = negative ? -value : value;
  return true;
}

bool decimal_degrees(const char *text, size_t len, int limit, int32_t *out_e7) {
  int64_t e7, most = (int64_t)limit * 10000000;
  if (!decimal_parse(text, len, 7, &e7) || e7 > most || e7 < -most) return false;
  *out_e7 = (int32_t)e7;
  return true;
}

bool decimal_place(const char *text, int32_t *out_latitude_e7, int32_t *out_longitude_e7) {
  const char *comma = strchr(text, ',');
  if (!comma) return false;
  const char *second = comma + 1 + strspn(comma + 1, " ");
  int32_t latitude, longitude;
  if (!decimal_degrees(text, (size_t)(comma - text), 90, &latitude)) return false;
  if (!decimal_degrees(second, strlen(second), 180, &longitude)) return false;
  *out_latitude_e7 = latitude;
  *out_longitude_e7 = longitude;
  return true;
}

// The calendar is computed, not asked of the C library: no locale, no time zone files, no limits of its own.
#include "time_text.h"

#include <string.h>

#define SECOND_US 1000000LL
#define DAY_S 86400LL
#define DECIMALS 6

// Days since 1970-01-01 of a day in the Gregorian calendar; years are counted from March, so that a leap day is last.
static int64_t days_of(int year, int month, int day) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t of_era = y % 400, day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return y / 400 * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, int *out_year, int *out_month, int *out_day) {
  days += 719468;
  int64_t of_era = days % 146097;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t day_of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * day_of_year + 2) / 153;
  *out_day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
  *out_month = (int)(m < 10 ? m + 3 : m - 9);
  *out_year = (int)(year + days / 146097 * 400 + (*out_month <= 2));
}

static int days_in_month(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

// Takes exactly `digits` digits, and `after` if it is not NUL.
static bool take(const char **at, int digits, char after, int *out_value) {
  int value = 0;
  for (int i = 0; i < digits; i++, ++*at) {
    if (**at < '0' || **at > '9') return false;
    value = value * 10 + (**at - '0');
  }
  *out_value = value;
  return !after || *(*at)++ == after;
}

// Takes ".5" and the like, if it is there.
static bool take_decimals(const char **at, int64_t *out_us) {
  int64_t us = 0;
  int count = 0;
  *out_us = 0;
  if (**at != '.') return true;
  for (++*at; **at >= '0' && **at <= '9'; ++*at, count++) {
    if (count == DECIMALS) return false;
    us = us * 10 + (**at - '0');
  }
  if (count == 0) return false;
  for (; count < DECIMALS; count++) us *= 10;
  *out_us = us;
  return true;
}

static bool take_offset(const char **at, int64_t *out_s) {
  int hours, minutes, sign = **at == '-' ? -1 : 1;
  *out_s = 0;
  if (**at == 'Z') return ++*at, true;
  if (**at != '+' && **at != ' ' && **at != '-') return false;
  ++*at;
  if (!take(at, 2, ':', &hours) || !take(at, 2, 0, &minutes) || hours > 23 || minutes > 59) return false;
  *out_s = sign * (hours * 3600LL + minutes * 60);
  return true;
}

static bool parse_rfc3339(const char *at, int64_t *out_us) {
  int year, month, day, hour, minute, second;
  int64_t decimals_us, offset_s;
  bool good = take(&at, 4, '-', &year) && take(&at, 2, '-', &month) && take(&at, 2, 'T', &day) &&
              take(&at, 2, ':', &hour) && take(&at, 2, ':', &minute) && take(&at, 2, 0, &second) &&
              take_decimals(&at, &decimals_us) && take_offset(&at, &offset_s) && !*at;
  if (!good || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  int64_t s = days_of(year, month, day) * DAY_S + hour * 3600LL + minute * 60 + second - offset_s;
  *out_us = s * SECOND_US + decimals_us;
  return true;
}

static bool parse_unix(const char *at, int64_t *out_us) {
  int64_t s = 0, decimals_us;
  int digits = 0;
  for (; *at >= '0' && *at <= '9'; at++) {
    if (++digits > 12) return false;
    s = s * 10 + (*at - '0');
  }
  if (digits == 0 || !take_decimals(&at, &decimals_us) || *at) return false;
  *out_us = s * SECOND_US + decimals_us;
  return true;
}

bool time_text_parse(const char *text, int64_t *out_us) {
  int64_t us;
  if (!(strchr(text, 'T') ? parse_rfc3339(text, &us) : parse_unix(text, &us))) return false;
  if (us < 0 || us > TIME_TEXT_MAX_US) return false;
  *out_us = us;
  return true;
}

static char *put(char *to, int64_t value, int digits, char after) {
  for (int i = digits; i-- > 0; value /= 10) to[i] = (char)('0' + value % 10);
  to[digits] = after;
  return to + digits + 1;
}

void time_text_format(char out[TIME_TEXT_BYTES], int64_t us) {
  int year, month, day;
  if (us < 0) us = 0;
  if (us > TIME_TEXT_MAX_US + SECOND_US - 1) us = TIME_TEXT_MAX_US + SECOND_US - 1;
  int64_t s = us / SECOND_US, of_day = s % DAY_S;
  date_of(s / DAY_S, &year, &month, &day);
  char *to = put(out, year, 4, '-');
  to = put(to, month, 2, '-');
  to = put(to, day, 2, 'T');
  to = put(to, of_day / 3600, 2, ':');
  to = put(to, of_day / 60 % 60, 2, ':');
  to = put(to, of_day % 60, 2, '.');
  to = put(to, us % SECOND_US, DECIMALS, 'Z');
  *to = '\0';
}

// time_text.c and trace_time of the simulator: a moment that was read is written as the C library writes it, and reads
// back as it was; where both readers take a text, they mean the same moment.
#include "../../gateway/time_text.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "../../simulator/trace.h"
#include "fuzz.h"

static void check_format(int64_t us) {
  char ours[TIME_TEXT_BYTES], theirs[64];
  time_t s = us / 1000000;
  struct tm tm;
  fuzz_check(gmtime_r(&s, &tm) != NULL);
  time_text_format(ours, us);
  size_t len = strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(theirs + len, sizeof theirs - len, ".%06dZ", (int)(us % 1000000));
  fuzz_check(strcmp(ours, theirs) == 0);
  int64_t again;
  fuzz_check(time_text_parse(ours, &again) && again == us);
  fuzz_check(trace_time(ours, strlen(ours), &again) && again == us);
}

// What ends in an offset is as much earlier or later than the same in UTC.
static void check_offset(const char *text, int64_t us) {
  size_t len = strlen(text);
  char utc[64];
  if (len < 25 || len >= sizeof utc || text[len - 3] != ':' || !strchr("+- ", text[len - 6])) return;
  memcpy(utc, text, len - 6);
  memcpy(utc + len - 6, "Z", 2);
  int64_t minutes = atoi(text + len - 5) * 60 + atoi(text + len - 2), utc_us;
  if (!time_text_parse(utc, &utc_us)) return;  // before 1970, or after the year 9999
  fuzz_check(us == utc_us + (text[len - 6] == '-' ? 60000000 : -60000000) * minutes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  char *text = malloc(len + 1);
  memcpy(text, bytes, len);
  text[len] = '\0';
  int64_t us = -77, of_trace;
  bool good = time_text_parse(text, &us);
  if (good) {
    fuzz_check(us >= 0 && us <= TIME_TEXT_MAX_US);
    check_format(us);
    check_offset(text, us);
    if (trace_time(text, strlen(text), &of_trace)) fuzz_check(of_trace == us);
  } else {
    fuzz_check(us == -77);
  }
  free(text);
  return 0;
}

// watch_frame.c: rows that are told have a name and a place on earth, and are the same however much white space stands
// between the values. The first byte says which reader it is.
#include "../../simulator/watch_frame.h"

#include <string.h>

#include "fuzz.h"
#include "ident.h"
#include "tale.h"

#define INPUT_MAX 1024

static void on_row(void *context, const struct watch_row *row) {
  fuzz_check(row->worker && ident_valid(row->worker, row->worker_len) && row->number == WATCH_NO_NUMBER);
  if (row->has_position) {
    fuzz_check(row->latitude_e7 >= -900000000 && row->latitude_e7 <= 900000000);
    fuzz_check(row->longitude_e7 >= -1800000000 && row->longitude_e7 <= 1800000000);
  }
  tell(context, row->left * 4 + row->has_position * 2 + row->online, row->worker, row->worker_len);
  tell(context, row->taken_at_us, &row->latitude_e7, sizeof row->latitude_e7);
  tell(context, row->longitude_e7, NULL, 0);
}

// The same with a space before and after each comma, bracket and brace outside of texts.
static size_t with_spaces(const char *json, size_t len, char *to) {
  size_t n = 0;
  bool text = false, escaped = false;
  for (size_t i = 0; i < len; i++) {
    bool mark = !text && strchr(",[]{}:", json[i]) && json[i];
    if (mark) to[n++] = ' ';
    to[n++] = json[i];
    if (mark) to[n++] = '\n';
    if (json[i] == '"' && !escaped) text = !text;
    escaped = text && json[i] == '\\' && !escaped;
  }
  return n;
}

static bool read_rows(const char *json, size_t len, struct tale *tale) {
  struct watch_columns columns = {0, 1, 2, 3, 4};
  *tale = (struct tale){1};
  bool good = watch_frame_read(json, len, &columns, on_row, tale);
  tell(tale, columns.worker, &columns, sizeof columns);
  return good;
}

static void check_open(const char *json, size_t len) {
  struct watch_event event = watch_frame_open(json, len);
  if (event.kind == WATCH_BAD) return;
  const char *data = (const char *)event.data;
  fuzz_check(data > json && event.len > 0 && data + event.len < json + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  static char spaced[3 * INPUT_MAX];
  if (len == 0 || len > INPUT_MAX) return 0;
  const char *json = (const char *)bytes + 1;
  int64_t number = -1, again = -1;
  struct tale tale, other;
  size_t spaced_len = with_spaces(json, --len, spaced);
  if (bytes[0] == 'o') check_open(json, len);
  if (bytes[0] == 'n') {
    bool good = watch_frame_number(json, len, "retry_ms", &number);
    fuzz_check(good == watch_frame_number(spaced, spaced_len, "retry_ms", &again) && number == again);
  }
  if (bytes[0] == 'r') {
    bool good = read_rows(json, len, &tale);
    fuzz_check(good == read_rows(spaced, spaced_len, &other));
    fuzz_check(tale.hash == other.hash);
  }
  return 0;
}

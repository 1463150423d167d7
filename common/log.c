// Log lines: built in one buffer and written with one write(), so that lines of several threads never mix.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_program = "muster";
static const char *log_id = "";
static enum log_level log_least = LOG_INFO;

void log_setup(const char *program, const char *id, enum log_level least) {
  log_program = program;
  log_id = id;
  log_least = least;
}

void log_line(enum log_level level, const char *event, const char *format, ...) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  if (level < log_least) return;
  char line[2048];
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  size_t len = strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &utc);
  len += (size_t)snprintf(line + len, sizeof line - len, ".%03ldZ level=%s program=%s%s%s event=%s ",
                          now.tv_nsec / 1000000, names[level], log_program, *log_id ? " id=" : "", log_id, event);
  va_list args;
  va_start(args, format);
  int more = vsnprintf(line + len, sizeof line - len, format, args);
  va_end(args);
  if (more > 0) len += (size_t)more;
  if (len > sizeof line - 1) len = sizeof line - 1;
  line[len++] = '\n';
  ssize_t ignored = write(STDERR_FILENO, line, len);  // nowhere is left to report a failing log
  (void)ignored;
}

// Two threads at the turn of a second may let a line more through: no harm.
bool log_limit_pass(struct log_limit *limit, int64_t now_us) {
  int64_t second = now_us / 1000000;
  if (limit->second != second) {
    limit->second = second;
    limit->lines = 0;
  }
  return limit->lines++ < LOG_LIMIT_PER_S;
}

const char *log_quote(char *out, size_t out_bytes, const char *text, size_t len) {
  size_t at = 0;
  out[at++] = '"';
  for (size_t i = 0; i < len && at + 6 < out_bytes; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') {
      out[at++] = '\\';
      out[at++] = (char)c;
    } else if (c < 0x20 || c >= 0x7f) {
      at += (size_t)snprintf(out + at, out_bytes - at, "\\x%02x", c);
    } else {
      out[at++] = (char)c;
    }
  }
  out[at++] = '"';
  out[at] = '\0';
  return out;
}

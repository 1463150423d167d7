// Log lines on standard error: one event each, "key=value" pairs, nothing per position. Any thread.
//
//   log_info("listening", "addr=%s replicas=%d", addr, n)
//   ts=2026-01-02T03:04:05.678Z level=info program=muster-tracker id=tracker-1 event=listening addr=… replicas=…
//
// Text that came from outside is put in with LOG_TEXT, which quotes and escapes it.
#ifndef MUSTER_LOG_H
#define MUSTER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

// Sets what every line begins with; program and id must outlive the process. Call once, before other threads start.
void log_setup(const char *program, const char *id, enum log_level least);

void log_line(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_line(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)

// For lines that strangers can cause: at most so many of a kind a second. Zeroed at first; any thread.
#define LOG_LIMIT_PER_S 10
struct log_limit {
  _Atomic int64_t second;
  _Atomic unsigned lines;
};
bool log_limit_pass(struct log_limit *limit, int64_t now_us) __attribute__((warn_unused_result));

// Writes text in double quotes, with control characters, quotes and backslashes escaped, cut to fit; returns out.
const char *log_quote(char *out, size_t out_bytes, const char *text, size_t len);
#define LOG_TEXT_BYTES 256
#define LOG_TEXT(text, len) log_quote((char[LOG_TEXT_BYTES]){0}, LOG_TEXT_BYTES, (text), (len))

#endif

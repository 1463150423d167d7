// Frames are one block of memory: the counts, then the bytes.
#include "view_frame.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct view_frame *view_frame_new(size_t len, uint64_t version, uint32_t rows) {
  struct view_frame *frame = malloc(sizeof *frame + len);
  if (!frame) abort();
  *frame = (struct view_frame){.refs = 1, .rows = rows, .version = version, .len = len};
  return frame;
}

void view_frame_unref(struct view_frame *frame) {
  if (frame && --frame->refs == 0) free(frame);
}

__attribute__((format(printf, 1, 2))) static struct view_frame *print(const char *format, ...) {
  va_list args;
  char text[256];
  va_start(args, format);
  int len = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  struct view_frame *frame = view_frame_new((size_t)len, 0, 0);
  memcpy(frame->data, text, (size_t)len);
  return frame;
}

struct view_frame *view_frame_heartbeat(int64_t now_us) {
  return print("event: heartbeat\ndata: {\"time_us\":%" PRId64 "}\n\n", now_us);
}

struct view_frame *view_frame_stale(int64_t since_us, const char *reason) {
  return print("event: stale\ndata: {\"since_us\":%" PRId64 ",\"reason\":\"%s\"}\n\n", since_us, reason);
}

struct view_frame *view_frame_bye(const char *reason, unsigned retry_ms) {
  return print("retry: %u\nevent: bye\ndata: {\"reason\":\"%s\",\"retry_ms\":%u}\n\n", retry_ms, reason, retry_ms);
}

// Frames are one block of memory: the counts, then the bytes.
#include "view_frame.h"

#include <stdlib.h>

static struct view_frame *allocate(size_t capacity) {
  struct view_frame *frame = malloc(sizeof *frame + capacity);
  if (!frame) abort();
  frame->refs = 1;
  frame->capacity = capacity;
  return frame;
}

static struct view_frame *begin(struct view_frame *frame, size_t len, uint64_t version, uint32_t rows) {
  frame->rows = rows;
  frame->version = version;
  frame->len = len;
  return frame;
}

struct view_frame *view_frame_new(size_t len, uint64_t version, uint32_t rows) {
  return begin(allocate(len), len, version, rows);
}

void view_frame_unref(struct view_frame *frame) {
  if (frame && --frame->refs == 0) free(frame);
}

struct view_frame *view_frame_renew(struct view_frame **spare, size_t len, uint64_t version, uint32_t rows) {
  if (!spare) return view_frame_new(len, version, rows);
  if (!*spare || (*spare)->refs > 1 || (*spare)->capacity < len) {
    view_frame_unref(*spare);
    *spare = allocate(len + len / 2);
  }
  return view_frame_ref(begin(*spare, len, version, rows));
}

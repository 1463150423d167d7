// Frames: encoded bytes for viewers, counted by reference and shared by all who get the same. Fan-out thread only.
#ifndef MUSTER_VIEW_FRAME_H
#define MUSTER_VIEW_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct view_frame {
  uint32_t refs;
  uint32_t rows;     // for the counters
  uint64_t version;  // of the team's state that a viewer has after this frame; 0 if the frame moves nothing
  size_t len;
  size_t capacity;
  char data[];
};

// A frame with one reference and room for len bytes, which the caller writes.
struct view_frame *view_frame_new(size_t len, uint64_t version, uint32_t rows);
void view_frame_unref(struct view_frame *frame);  // NULL is fine

static inline struct view_frame *view_frame_ref(struct view_frame *frame) {
  frame->refs++;
  return frame;
}

// The same in the memory of *spare, if nobody else holds that and it is large enough. *spare, NULL at first, keeps a
// reference, and the caller gets another. Without a spare (NULL) it is view_frame_new.
struct view_frame *view_frame_renew(struct view_frame **spare, size_t len, uint64_t version, uint32_t rows);

#endif

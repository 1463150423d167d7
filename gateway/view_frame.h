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
  char data[];
};

// A frame with one reference and room for len bytes, which the caller writes.
struct view_frame *view_frame_new(size_t len, uint64_t version, uint32_t rows);
void view_frame_unref(struct view_frame *frame);  // NULL is fine

static inline struct view_frame *view_frame_ref(struct view_frame *frame) {
  frame->refs++;
  return frame;
}

// Whole events that move nothing, as docs/http-api.md has them.
struct view_frame *view_frame_heartbeat(int64_t now_us);
struct view_frame *view_frame_stale(int64_t since_us, const char *reason);
// Also sets the delay after which a browser's EventSource reconnects.
struct view_frame *view_frame_bye(const char *reason, unsigned retry_ms);

#endif

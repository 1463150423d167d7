// A lane: the viewers of one team with one interval. They share one due time, and so stay at the same cursor and share
// every frame; a timer belongs to a lane, never to a viewer. Fan-out thread only.
#ifndef MUSTER_LANE_H
#define MUSTER_LANE_H

#include <uv.h>

#include "gateway_metrics.h"
#include "team.h"
#include "viewer.h"

enum source_state {
  SOURCE_JOINING,  // the team's state is not whole yet: nothing can be shown
  SOURCE_LIVE,
  SOURCE_STALE,  // it was whole, and it is not known what changed since: new viewers get it and are told
};

// What all lanes of a team show.
struct source {
  struct team *team;
  enum source_state state;
  struct view_frame *partial;  // the event that says so, while the team may lack workers; else NULL
};

// What all lanes of the process share.
struct stage {
  uv_loop_t *loop;
  int epoll_fd;  // edge-triggered: tells when a blocked viewer can take more, and when any is gone
  struct gateway_metrics *metrics;
  struct viewer *blocked;
  struct view_frame *stale_event;  // since when NATS is gone; NULL before the first time
  unsigned stall_ms;
};

struct lane {
  struct lane *next;
  struct stage *stage;
  struct source *source;
  struct viewer *viewers;
  size_t count;
  unsigned interval_ms;
  uint64_t due_ms;   // the loop's time; no frame before
  uint64_t sent_ms;  // when something was last sent to all
  uint64_t flushed;  // the version that viewers were brought to then
  uv_timer_t timer;
};

struct lane *lane_new(struct stage *stage, struct source *source, unsigned interval_ms);
// With its viewers, if it still has any. The memory goes once the loop has run again.
void lane_free(struct lane *lane, enum close_reason reason);

// Takes a connected, non-blocking socket; the snapshot goes out at once if there is one.
void lane_add(struct lane *lane, int fd);
// The source has changed: sends now, or as soon as the interval allows.
void lane_changed(struct lane *lane);
// Sends now what each viewer lacks, whatever the interval says: after joining, and after healing.
void lane_flush(struct lane *lane);
// Sends `stale` to all that were not told yet.
void lane_tell_stale(struct lane *lane);
// The team lacks nothing any more: sends a whole snapshot to all who were told that it might.
void lane_begin_again(struct lane *lane);
// Sends an event that moves nothing to all who are not in the middle of a frame.
void lane_broadcast(struct lane *lane, struct view_frame *frame);
// Says bye with one of these frames each, and closes all.
void lane_bye(struct lane *lane, struct view_frame *const *frames, size_t frame_count);

// What epoll says of a viewer. It may be gone afterwards.
void lane_event(struct viewer *viewer, uint32_t events);
// Closes blocked viewers that have taken nothing for too long.
void lane_close_stalled(struct stage *stage);

#endif

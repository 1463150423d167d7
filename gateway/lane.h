// A lane: the viewers of one team with one protocol and one interval. They share one due time, and so stay at the same
// cursor and share every frame; a timer belongs to a lane, never to a viewer. Only a viewer with a window gets frames
// of its own. Fan-out thread only.
#ifndef MUSTER_LANE_H
#define MUSTER_LANE_H

#include <uv.h>

#include "gateway_metrics.h"
#include "team.h"
#include "view_event.h"
#include "viewer.h"

struct channel;

enum source_state {
  SOURCE_JOINING,  // the team's state is not whole yet: nothing can be shown
  SOURCE_LIVE,
  SOURCE_STALE,  // it was whole, and it is not known what changed since: new viewers get it and are told
};

// What all lanes of a team show.
struct source {
  struct team *team;
  enum source_state state;
  bool partial;                     // the team may lack workers…
  struct view_event partial_event;  // …which this says; zeros else
};

// What all lanes of the process share.
struct stage {
  uv_loop_t *loop;
  void (*gather)(void *context);  // takes what waits to be merged
  void *context;
  int epoll_fd;  // edge-triggered: tells when a blocked viewer can take more, and when any is gone
  struct gateway_metrics *metrics;
  struct viewer *blocked;
  struct view_event stale_event;  // since when NATS is gone
  struct view_frame *spare;       // the memory of frames for one viewer
  unsigned stall_ms;
};

struct lane {
  struct lane *next;
  struct stage *stage;
  struct channel *channel;  // whose it is
  struct source *source;
  struct viewer *viewers;
  size_t count;
  enum view_protocol protocol;
  unsigned interval_ms;
  uint64_t due_ms;    // the loop's time; no frame before
  uint64_t sent_ms;   // when something was last sent to all
  uint64_t flushed;   // the version that viewers were brought to then
  int64_t expires_s;  // no viewer's token does so earlier; expiry.h's
  uv_timer_t timer;
};

struct lane *lane_new(struct stage *stage, struct channel *channel, struct source *source, enum view_protocol protocol,
                      unsigned interval_ms);
// With its viewers, if it still has any. The memory goes once the loop has run again.
void lane_free(struct lane *lane, enum close_reason reason);

// Takes over the arrival's socket and place; the snapshot goes out at once if there is one.
void lane_add(struct lane *lane, const struct arrival *arrival);
// Moves a viewer here, from a lane of the same channel and protocol.
void lane_move(struct lane *lane, struct viewer *viewer);
// Shows the viewer this part of the team from now on (NULL: all of it), at once. False if it is gone now.
bool lane_show(struct viewer *viewer, const struct view_box *box) __attribute__((warn_unused_result));
// Says something to one viewer alone, now or after its unfinished frame; of several that wait the last is said. Takes
// over the frame. False if the viewer is gone now.
bool lane_reply(struct viewer *viewer, struct view_frame *frame) __attribute__((warn_unused_result));
// Ends the connection; with a last frame (NULL is fine, taken over) if there is no unfinished one.
void lane_end(struct viewer *viewer, struct view_frame *last, enum close_reason reason);

// The source has changed: sends now, or as soon as the interval allows.
void lane_changed(struct lane *lane);
// The same, but never from within this call.
void lane_wake(struct lane *lane);
// Sends now what each viewer lacks, whatever the interval says: after joining, and after healing.
void lane_flush(struct lane *lane);
// Sends `stale` to all that were not told yet.
void lane_tell_stale(struct lane *lane);
// The team lacks nothing any more: sends a whole snapshot to all who were told that it might.
void lane_begin_again(struct lane *lane);
// Sends an event that moves nothing to all who are not in the middle of a frame.
void lane_broadcast(struct lane *lane, const struct view_event *event);
// Says bye with one of these events each, and closes all.
void lane_bye(struct lane *lane, const struct view_event *events, size_t event_count);

// The socket takes more, or the connection has ended, as epoll says. The viewer may be gone afterwards.
void lane_writable(struct viewer *viewer);
// Closes blocked viewers that have taken nothing for too long, and lets the others keep no more than they need.
void lane_tend_blocked(struct stage *stage);

#endif

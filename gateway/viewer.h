// One open map view: a socket, the version it has been sent, and at most one unfinished frame. Fan-out thread only.
//
// A viewer is in the list of its lane always, and in the list of blocked viewers while a frame is unfinished. It keeps
// no queue: what it misses meanwhile is in the team's state.
#ifndef MUSTER_VIEWER_H
#define MUSTER_VIEWER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "arrival.h"
#include "view_frame.h"
#include "window.h"
#include "ws.h"

struct lane;

struct viewer {
  struct viewer *next, **link;                  // in the lane
  struct viewer *blocked_next, **blocked_link;  // among the blocked; blocked_link is NULL if it is not
  struct lane *lane;
  struct view_frame *frame;  // unfinished, or NULL
  size_t offset;             // of what the socket has not taken yet
  struct view_frame *reply;  // what is said to this viewer alone once the frame is finished, or NULL
  struct window *window;     // the part that it is shown; NULL: the whole team
  struct ws_reader *reader;  // of a WebSocket; else NULL
  struct place *place;       // its own
  struct token_stamp stamp;  // of its token
  uint64_t cursor;           // the version it has, or will have with the unfinished frame; 0: nothing yet
  uint64_t progress_ms;      // while blocked: when the socket last took something
  int fd;
  bool told_stale;    // the last event it was sent is "stale"
  bool told_partial;  // that the team may lack workers, and it has got no whole snapshot since
};

enum viewer_status {
  VIEWER_SENT,     // the socket took all of it
  VIEWER_BLOCKED,  // it took a part, or nothing: the frame is unfinished now
  VIEWER_GONE,     // the connection is broken
};

// Takes over the arrival's socket and place. Sets the socket up for small buffers and no waiting.
struct viewer *viewer_new(const struct arrival *arrival, unsigned stall_ms);
// Closes the socket; with reset, what the kernel still holds for it is thrown away.
void viewer_free(struct viewer *viewer, bool reset);

// Gives the socket bytes: how many it took, or -1 as send(2).
static inline ssize_t viewer_push(int fd, const char *bytes, size_t len) {
  return send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Sends a frame, of which the viewer must have none unfinished. *taken is raised by the bytes the socket took. Keeps a
// reference of its own if blocked. The cursor is the frame's version afterwards, unless that is 0.
enum viewer_status viewer_send(struct viewer *viewer, struct view_frame *frame, uint64_t *taken);
// The same after the first viewer_push of it, which returned `sent`.
enum viewer_status viewer_settle(struct viewer *viewer, struct view_frame *frame, ssize_t sent, uint64_t *taken);
// Goes on with the unfinished frame.
enum viewer_status viewer_resume(struct viewer *viewer, uint64_t *taken);

// Of an unfinished frame that nobody else has any more, keeps only what the socket has not taken yet.
void viewer_shrink(struct viewer *viewer);

// Reads what the client sent: the number of bytes, 0 if there is nothing now, -1 if no more will come.
ssize_t viewer_receive(struct viewer *viewer, void *bytes, size_t capacity);

#endif

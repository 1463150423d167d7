// Of all that one read brings, only the last filter and the last ping are acted upon: a client that says a lot costs
// little.
#include "viewer_input.h"

#include <sys/epoll.h>

#include "channel.h"
#include "ws.h"

#define INPUT_BYTES 16384
#define READS_MAX 4        // from one viewer at a time; then it is the others' turn
#define DISCARD_READS 64u  // before a connection is closed on what the client still sends

struct hearing {
  enum view_protocol protocol;
  struct view_filter filter;
  bool filtered, closed;
  const char *fault;
  struct view_frame *pong;
};

static int on_message(void *context, bool text, const uint8_t *bytes, size_t len) {
  struct hearing *hearing = context;
  const char *fault;
  if (text != (hearing->protocol == VIEW_SOCKET_JSON)) return WS_UNSUPPORTED;
  if (view_filter_read(hearing->protocol, bytes, len, &hearing->filter, &fault)) {
    hearing->filtered = true;
  } else {
    hearing->fault = fault;
  }
  return 0;
}

static int on_ping(void *context, const uint8_t *bytes, size_t len) {
  struct hearing *hearing = context;
  view_frame_unref(hearing->pong);
  hearing->pong = view_event_pong(bytes, len);
  return 0;
}

static void on_close(void *context, int code) {
  struct hearing *hearing = context;
  (void)code;
  hearing->closed = true;
}

static const struct ws_events events = {on_message, on_ping, on_close};

// Closing a socket with unread bytes resets it, and the close frame might never be seen.
static void discard(struct viewer *viewer) {
  uint8_t bytes[4096];
  for (unsigned i = 0; i < DISCARD_READS && viewer_receive(viewer, bytes, sizeof bytes) > 0; i++) continue;
}

// False if the viewer is gone.
static bool hear(struct viewer *viewer, uint8_t *bytes, size_t len) {
  const struct lane *lane = viewer->lane;
  struct hearing hearing = {.protocol = lane->protocol, .filter = {.interval_ms = lane->interval_ms}};
  if (viewer->window && viewer->window->boxed) {
    hearing.filter.has_box = true;
    hearing.filter.box = viewer->window->box;
  }
  int code = ws_reader_feed(viewer->reader, bytes, len, &events, &hearing);
  if (code) {
    view_frame_unref(hearing.pong);
    discard(viewer);
    lane_end(viewer, view_event_close(code), hearing.closed ? CLOSE_GONE : CLOSE_PROTOCOL);
    return false;
  }
  bool there = !hearing.filtered || channel_filter(viewer, &hearing.filter);
  if (there && hearing.fault) {
    there = lane_reply(viewer, view_event_error(hearing.protocol, "bad_filter", hearing.fault));
  }
  if (!there) {
    view_frame_unref(hearing.pong);
    return false;
  }
  return !hearing.pong || lane_reply(viewer, hearing.pong);
}

// The socket is watched for edges: what is left is asked for again.
static bool watch_again(struct viewer *viewer) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET, .data.ptr = viewer};
  if (epoll_ctl(viewer->lane->stage->epoll_fd, EPOLL_CTL_MOD, viewer->fd, &event) == 0) return true;
  lane_end(viewer, NULL, CLOSE_GONE);
  return false;
}

bool viewer_input_read(struct viewer *viewer) {
  uint8_t bytes[INPUT_BYTES];
  for (unsigned i = 0; i < READS_MAX; i++) {
    ssize_t len = viewer_receive(viewer, bytes, sizeof bytes);
    if (len == 0) return true;
    if (len < 0) {
      lane_end(viewer, NULL, CLOSE_GONE);
      return false;
    }
    if (!hear(viewer, bytes, (size_t)len)) return false;
  }
  return watch_again(viewer);
}

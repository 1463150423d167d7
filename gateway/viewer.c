// Plain send(): one syscall per frame, and none for a viewer that has nothing to get.
#include "viewer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "places.h"

// What the kernel may hold for one viewer: enough for a frame every round trip, far below the megabytes that it would
// give by itself. NOTSENT_LOWAT keeps a slow viewer from queueing states that are old by the time they leave.
#define SEND_BUFFER_BYTES (128 * 1024)
#define NOTSENT_BYTES (64 * 1024)
#define DEAD_PEER_EXTRA_MS 15000
#define SHRINK_BYTES 4096  // less is not worth a copy

static void set_option(int fd, int level, int name, int value) {
  // A system without the option is no reason to refuse a viewer.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

struct viewer *viewer_new(const struct arrival *arrival, unsigned stall_ms) {
  struct viewer *viewer = calloc(1, sizeof *viewer);
  if (!viewer) abort();
  int fd = arrival->fd;
  viewer->fd = fd;
  viewer->place = arrival->place;
  viewer->stamp = arrival->stamp;
  if (arrival->filter.has_box) viewer->window = window_new(&arrival->filter.box);
  if (arrival->protocol != VIEW_SSE) {
    viewer->reader = malloc(sizeof *viewer->reader);
    if (!viewer->reader) abort();
    ws_reader_init(viewer->reader);
  }
  set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES);
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // Ends connections whose peer vanished without a word: heartbeats stay unacknowledged.
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)stall_ms + DEAD_PEER_EXTRA_MS);
  return viewer;
}

void viewer_free(struct viewer *viewer, bool reset) {
  if (reset) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(viewer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  }
  close(viewer->fd);
  view_frame_unref(viewer->frame);
  view_frame_unref(viewer->reply);
  window_free(viewer->window);
  if (viewer->reader) ws_reader_fini(viewer->reader);
  free(viewer->reader);
  places_release(viewer->place);
  free(viewer);
}

// What a push says: the bytes taken, 0 if the socket takes none now, -1 if the connection is broken.
static ssize_t judge(ssize_t sent) {
  return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) ? 0 : sent;
}

static ssize_t push(int fd, const char *bytes, size_t len) {
  ssize_t sent;
  do {
    sent = viewer_push(fd, bytes, len);
  } while (sent < 0 && errno == EINTR);
  return judge(sent);
}

enum viewer_status viewer_settle(struct viewer *viewer, struct view_frame *frame, ssize_t sent, uint64_t *taken) {
  sent = sent < 0 && errno == EINTR ? push(viewer->fd, frame->data, frame->len) : judge(sent);
  if (sent < 0) return VIEWER_GONE;
  *taken += (size_t)sent;
  if (frame->version) viewer->cursor = frame->version;
  if ((size_t)sent == frame->len) return VIEWER_SENT;
  viewer->frame = view_frame_ref(frame);
  viewer->offset = (size_t)sent;
  return VIEWER_BLOCKED;
}

enum viewer_status viewer_send(struct viewer *viewer, struct view_frame *frame, uint64_t *taken) {
  return viewer_settle(viewer, frame, viewer_push(viewer->fd, frame->data, frame->len), taken);
}

enum viewer_status viewer_resume(struct viewer *viewer, uint64_t *taken) {
  struct view_frame *frame = viewer->frame;
  ssize_t sent = push(viewer->fd, frame->data + viewer->offset, frame->len - viewer->offset);
  if (sent < 0) return VIEWER_GONE;
  *taken += (size_t)sent;
  viewer->offset += (size_t)sent;
  if (viewer->offset < frame->len) return VIEWER_BLOCKED;
  viewer->frame = NULL;
  view_frame_unref(frame);
  return VIEWER_SENT;
}

void viewer_shrink(struct viewer *viewer) {
  struct view_frame *frame = viewer->frame;
  if (!frame || frame->refs > 1 || viewer->offset < SHRINK_BYTES) return;
  struct view_frame *rest = view_frame_new(frame->len - viewer->offset, frame->version, frame->rows);
  memcpy(rest->data, frame->data + viewer->offset, rest->len);
  view_frame_unref(frame);
  viewer->frame = rest;
  viewer->offset = 0;
}

ssize_t viewer_receive(struct viewer *viewer, void *bytes, size_t capacity) {
  ssize_t len;
  do {
    len = recv(viewer->fd, bytes, capacity, MSG_DONTWAIT);
  } while (len < 0 && errno == EINTR);
  if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  return len > 0 ? len : -1;
}

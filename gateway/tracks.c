// Each chunk is a buffer full of features: what a client has by then is either whole, or visibly cut off.
#include "tracks.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "safe_headers.h"
#include "view_json.h"

#define CHUNK_BYTES 65536
#define CHUNK_HEAD_BYTES 10  // "%08zx\r\n"
#define LOOK_MS 200          // how often a wait looks whether it should end
#define TOKEN_LOOK_US 1000000
#define SEND_BUFFER_BYTES (256 * 1024)

struct tracks {
  struct tracks_options options;
  pthread_mutex_t lock;
  pthread_cond_t left;
  unsigned taken;
  _Atomic bool stopping;
};

struct track {
  struct tracks *tracks;
  struct history *history;
  struct buffer out;  // a chunk's head, and features
  int fd;
  bool keeps_tls;
  struct token_stamp stamp;
  int64_t looked_us;  // at the token, monotonic
  int64_t positions;
};

struct tracks *tracks_new(const struct tracks_options *options) {
  struct tracks *tracks = calloc(1, sizeof *tracks);
  if (!tracks) abort();
  tracks->options = *options;
  pthread_mutex_init(&tracks->lock, NULL);
  pthread_cond_init(&tracks->left, NULL);
  return tracks;
}

bool tracks_take_place(struct tracks *tracks) {
  pthread_mutex_lock(&tracks->lock);
  bool free_place = tracks->taken < tracks->options.places && !tracks->stopping;
  if (free_place) tracks->taken++;
  metric_set(tracks->options.metrics->tracks, tracks->taken);
  pthread_mutex_unlock(&tracks->lock);
  return free_place;
}

void tracks_give_place(struct tracks *tracks) {
  pthread_mutex_lock(&tracks->lock);
  tracks->taken--;
  metric_set(tracks->options.metrics->tracks, tracks->taken);
  pthread_cond_broadcast(&tracks->left);
  pthread_mutex_unlock(&tracks->lock);
}

// ---- one track: its own thread ----

// Looked at once a second, also while a client takes its time: that is how a track could last for hours.
static bool token_over(struct track *track) {
  int64_t now_us = clock_mono_us();
  if (now_us - track->looked_us < TOKEN_LOOK_US) return false;
  track->looked_us = now_us;
  const struct token_guard *guard = track->tracks->options.guard;
  return token_guard_look(guard, &track->stamp, clock_wall_us() / 1000000, UINT64_MAX) != TOKEN_OK;
}

// Sends all of it, or says why not.
static enum track_end push(struct track *track, const void *bytes, size_t len) {
  int64_t until_us = clock_mono_us() + track->tracks->options.stall_ms * 1000LL;
  const char *at = bytes, *end = at + len;
  while (at < end) {
    if (token_over(track)) return TRACK_TOKEN;
    ssize_t sent = send(track->fd, at, (size_t)(end - at), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      at += sent;
      continue;
    }
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return TRACK_GONE;
    struct pollfd fd = {.fd = track->fd, .events = POLLOUT | POLLRDHUP};
    (void)poll(&fd, 1, LOOK_MS);
    if (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) return TRACK_GONE;
    if (track->tracks->stopping) return TRACK_STOPPED;
    if (clock_mono_us() >= until_us) return TRACK_STALLED;
  }
  return TRACK_WHOLE;
}

static void begin_chunk(struct track *track) {
  track->out.len = 0;
  buffer_append(&track->out, "00000000\r\n", CHUNK_HEAD_BYTES);
}

static enum track_end push_chunk(struct track *track) {
  char head[CHUNK_HEAD_BYTES + 1];
  snprintf(head, sizeof head, "%08zx\r\n", track->out.len - CHUNK_HEAD_BYTES);
  memcpy(track->out.data, head, CHUNK_HEAD_BYTES);
  buffer_append(&track->out, "\r\n", 2);
  enum track_end end = push(track, track->out.data, track->out.len);
  begin_chunk(track);
  return end;
}

static enum track_end end_of(enum history_status status) {
  if (status == HISTORY_END) return TRACK_WHOLE;
  return status == HISTORY_LEFT ? TRACK_GONE : TRACK_FAILED;
}

static enum track_end send_body(struct track *track) {
  struct history_row row;
  enum history_status status;
  begin_chunk(track);
  buffer_append_string(&track->out, "{\"type\":\"FeatureCollection\",\"features\":[");
  while ((status = history_next(track->history, track->fd, &track->tracks->stopping, &row)) == HISTORY_OK) {
    if (track->positions++) buffer_append(&track->out, ",", 1);
    buffer_append(&track->out, "\n", 1);  // a feature a line
    view_json_track_feature(&track->out, row.worker, &row.position);
    if (track->out.len < CHUNK_BYTES) continue;
    enum track_end end = push_chunk(track);
    if (end != TRACK_WHOLE) return end;
  }
  if (status != HISTORY_END) return track->tracks->stopping ? TRACK_STOPPED : end_of(status);
  buffer_append_string(&track->out, "\n]}\n");
  enum track_end end = push_chunk(track);
  return end == TRACK_WHOLE ? push(track, "0\r\n\r\n", 5) : end;
}

static enum track_end send_track(struct track *track) {
  static const char head[] =
      "HTTP/1.1 200 OK\r\nContent-Type: application/geo+json\r\nTransfer-Encoding: chunked\r\n"
      "Cache-Control: no-store\r\nConnection: close\r\n" SAFE_HEADERS_DATA;
  static const char tls_end[] = SAFE_HEADERS_TLS "\r\n";
  int bytes = SEND_BUFFER_BYTES;
  (void)setsockopt(track->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  enum track_end end = push(track, head, sizeof head - 1);
  if (end == TRACK_WHOLE) end = track->keeps_tls ? push(track, tls_end, sizeof tls_end - 1) : push(track, "\r\n", 2);
  return end == TRACK_WHOLE ? send_body(track) : end;
}

static void *run(void *context) {
  struct track *track = context;
  struct tracks *tracks = track->tracks;
  int64_t started_us = clock_mono_us();
  enum track_end end = send_track(track);
  metric_add(tracks->options.metrics->track_ends[end], 1);
  metric_add(tracks->options.metrics->track_positions, track->positions);
  log_info("track_sent", "result=%s positions=%lld ms=%lld", track_end_names[end], (long long)track->positions,
           (long long)(clock_mono_us() - started_us) / 1000);
  close(track->fd);
  history_close(track->history);
  buffer_fini(&track->out);
  free(track);
  tracks_give_place(tracks);
  return NULL;
}

void tracks_send(struct tracks *tracks, struct history *history, int fd, const struct token_stamp *stamp,
                 bool keeps_tls) {
  struct track *track = calloc(1, sizeof *track);
  pthread_t thread;
  if (!track) abort();
  *track = (struct track){.tracks = tracks, .history = history, .fd = fd, .stamp = *stamp, .keeps_tls = keeps_tls};
  if (pthread_create(&thread, NULL, run, track) == 0) {
    pthread_detach(thread);
    return;
  }
  log_error("no_thread", "part=tracks");
  close(fd);
  history_close(history);
  free(track);
  tracks_give_place(tracks);
}

void tracks_stop(struct tracks *tracks) {
  pthread_mutex_lock(&tracks->lock);
  tracks->stopping = true;
  while (tracks->taken) pthread_cond_wait(&tracks->left, &tracks->lock);
  pthread_mutex_unlock(&tracks->lock);
}

void tracks_free(struct tracks *tracks) {
  if (!tracks) return;
  pthread_cond_destroy(&tracks->left);
  pthread_mutex_destroy(&tracks->lock);
  free(tracks);
}

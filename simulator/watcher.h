// One viewer: holds a team's live view open over HTTP, as the map does, keeps the last position of every worker in it,
// and measures how old positions are as they come. Reconnects by itself. The loop's thread.
#ifndef MUSTER_WATCHER_H
#define MUSTER_WATCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "buffer.h"
#include "endpoint.h"
#include "event_stream.h"
#include "totals.h"
#include "watch_team.h"

// What all viewers share; outlives them. Fill in the first four.
struct watcher_host {
  uv_loop_t *loop;
  long interval_ms;                                 // asked of the gateway; less than 0: its default
  bool measures;                                    // taken_at is by this machine's clock
  char *(*token)(void *context, const char *team);  // to be freed by the caller
  void *context;
  struct viewer_totals totals;
  uint32_t open;       // connections that are not closed
  uint32_t watching;   // viewers with a snapshot
  int64_t changed_us;  // when the last row came
  uint8_t in[65536];
};

enum watcher_state { WATCHER_WAITING, WATCHER_OPENING, WATCHER_OPEN, WATCHER_CLOSING };

struct watcher_row;

// Embedded in its owner, who must not go before the state is WATCHER_WAITING.
struct watcher {
  uv_tcp_t tcp;
  struct watcher_host *host;
  struct watch_team *team;      // borrowed
  const struct endpoint *http;  // borrowed
  enum watcher_state state;
  bool watching;  // a snapshot has come on this connection
  bool ever_watching;
  unsigned failures;    // connections in a row without a snapshot
  uint32_t connection;  // 1 for the first that was made
  uint64_t random;
  int64_t connect_at_us, heard_us, rows_us;  // rows_us: when the last row came
  int64_t retry_us;                          // what a bye or Retry-After asked for; -1: nothing
  struct event_stream stream;
  struct watch_columns columns;
  struct watcher_row *rows;  // by the team's index of workers
  uint32_t row_capacity;
};

// It connects at connect_us, to `http`.
void watcher_init(struct watcher *watcher, struct watcher_host *host, struct watch_team *team,
                  const struct endpoint *http, uint64_t seed, int64_t connect_us);
void watcher_fini(struct watcher *watcher);

// Called every second or so: connects when it is time, gives up what is silent.
void watcher_poll(struct watcher *watcher, int64_t now_us);
void watcher_close(struct watcher *watcher, int64_t now_us);

// Appends the view as a JSON object: {"worker":[taken_at_us,latitude_e7,longitude_e7],…}, nulls without a position.
void watcher_write_state(const struct watcher *watcher, struct buffer *out);

#endif

// One viewer: holds a team's live view open over HTTP, as the map does, in one of its protocols, and keeps what it was
// told. Reconnects by itself. The loop's thread.
#ifndef MUSTER_WATCHER_H
#define MUSTER_WATCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "buffer.h"
#include "endpoint.h"
#include "totals.h"
#include "watch_stream.h"
#include "watch_view.h"

// What all viewers share; outlives them. Fill in the first seven.
struct watcher_host {
  uv_loop_t *loop;
  long interval_ms;                                 // asked of the gateway; less than 0: its default
  const struct box *box;                            // asked of the gateway; NULL: the whole team
  uint32_t sources;                                 // how many addresses connections come from: source.h
  bool measures;                                    // taken_at is by this machine's clock
  char *(*token)(void *context, const char *team);  // to be freed by the caller
  void *context;
  struct viewer_totals totals;
  uint32_t open;       // connections that are not closed
  uint32_t watching;   // viewers with a snapshot
  uint32_t shown;      // viewers that ever had one
  int64_t changed_us;  // when the last row came
  uint8_t in[65536];
};

#define WATCHER_SLOW_BYTES 4096

enum watcher_state { WATCHER_WAITING, WATCHER_OPENING, WATCHER_OPEN, WATCHER_CLOSING };

// Embedded in its owner, who must not go before the state is WATCHER_WAITING.
struct watcher {
  uv_tcp_t tcp;
  struct watcher_host *host;
  const struct endpoint *http;  // borrowed
  uint32_t number;              // among all viewers
  enum watcher_state state;
  bool watching;  // a snapshot has come on this connection
  bool ever_watching;
  bool slow;            // it reads WATCHER_SLOW_BYTES each time it is polled, and its view latency is not counted
  bool waits;           // until it is polled
  unsigned failures;    // connections in a row without a snapshot
  uint32_t connection;  // 1 for the first that was made
  uint64_t random;
  int64_t connect_at_us, heard_us, rows_us;  // rows_us: when the last row came
  int64_t retry_us;                          // what a bye or Retry-After asked for; -1: nothing
  struct watch_stream stream;
  struct watch_view view;
};

// It connects at connect_us, to `http`.
void watcher_init(struct watcher *watcher, struct watcher_host *host, enum watch_protocol protocol,
                  struct watch_team *team, const struct endpoint *http, uint32_t number, uint64_t seed,
                  int64_t connect_us);
void watcher_fini(struct watcher *watcher);

// Called every second or so: connects when it is time, gives up what is silent.
void watcher_poll(struct watcher *watcher, int64_t now_us);
void watcher_close(struct watcher *watcher, int64_t now_us);

#endif

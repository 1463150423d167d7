// Tracks under way: histories that are sent as GeoJSON to sockets, a few at a time, each by a thread of its own. What
// waits for Postgres or for a slow client is that thread, never one of the HTTP server's and never what is live; and a
// track holds one buffer of features at most, however long it is.
//
// A place is taken before Postgres is asked, and given back by the thread, or by whoever took it.
#ifndef MUSTER_TRACKS_H
#define MUSTER_TRACKS_H

#include <stdbool.h>

#include "gateway_metrics.h"
#include "history.h"
#include "token_guard.h"

struct tracks;

struct tracks_options {
  unsigned places;
  unsigned stall_ms;  // a client that does not take a buffer in this time is closed
  const struct token_guard *guard;
  struct gateway_metrics *metrics;
};

struct tracks *tracks_new(const struct tracks_options *options);

// False if all places are taken. Any thread.
bool tracks_take_place(struct tracks *tracks) __attribute__((warn_unused_result));
void tracks_give_place(struct tracks *tracks);
// Sends head and body to this socket, which must not block, and closes both. The place goes with it. stamp: of the
// token that has asked for it, and without which it ends. keeps_tls: SAFE_HEADERS_TLS goes with it.
void tracks_send(struct tracks *tracks, struct history *history, int fd, const struct token_stamp *stamp,
                 bool keeps_tls);

void tracks_stop(struct tracks *tracks);  // breaks off what is under way and waits for it
void tracks_free(struct tracks *tracks);  // NULL is fine

#endif

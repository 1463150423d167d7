// What NATS brings: live batches of the teams that are looked at, heartbeats of replicas, and the state of the
// connection. nats.c's threads call in here and only post on; feed_subscribe, feed_unsubscribe and feed_echo are the
// join thread's, because they may wait for the network. A thread of the feed's own sends our heartbeat.
#ifndef MUSTER_FEED_H
#define MUSTER_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fanout.h"
#include "replicas.h"

struct feed;

// Called on nats.c's threads; none may wait.
struct feed_events {
  void *context;
  void (*on_batch)(void *context, struct live_batch *batch);
  void (*on_link)(void *context, bool connected);
  void (*on_loss)(void *context, enum heal_reason reason);
};

struct feed_options {
  const char *nats_url;
  const char *id;
  // Live batches that wait for the fan-out's thread, and as many again of each team that wait for nats.c's: beyond it
  // they are dropped, and on_loss is called.
  size_t backlog_bytes;
  struct replicas *replicas;
  struct gateway_metrics *metrics;
  struct feed_events events;
};

struct feed *feed_new(const struct feed_options *options);
// False, with the reason logged, if NATS' URL is of no use. NATS itself may come later.
bool feed_start(struct feed *feed) __attribute__((warn_unused_result));
bool feed_connected(struct feed *feed);

// Subscribes to a team's live batches if that is not done yet.
bool feed_subscribe(struct feed *feed, const char *team) __attribute__((warn_unused_result));
void feed_unsubscribe(struct feed *feed, const char *team);

// Sends a heartbeat of our own and waits until it came back. NATS then has every subscription made before, and each
// heartbeat with a mark beyond *out_mark was sent after that moment. False if that takes too long.
bool feed_echo(struct feed *feed, uint64_t *out_mark) __attribute__((warn_unused_result));

// Tells the others that this replica stops; then ends the connection. Events may come until feed_end_library.
void feed_stop(struct feed *feed);
void feed_free(struct feed *feed);  // after feed_end_library
// Once, when nobody uses NATS any more: waits for nats.c's threads.
void feed_end_library(struct feed *feed);

#endif

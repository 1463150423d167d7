// The publisher: a thread that puts live batches on core NATS and log batches into JetStream, over a connection each,
// so that storing never delays what is live. The loop hands it one work at a time and keeps appending meanwhile; so
// batches grow by themselves while NATS is busy, and a position leaves at once while it is idle.
//
// All callbacks come on the loop's thread. The publisher owns nothing that it is lent.
#ifndef MUSTER_PUBLISH_H
#define MUSTER_PUBLISH_H

#include <stdbool.h>
#include <uv.h>

#include "batcher.h"
#include "metrics.h"

struct publisher;

// Log batches in one work, by reference: they stay until the work is done, even if their acks come before.
#define PUBLISH_MAX_LOGS 64
// Log batches that may wait for their acks at once. Beyond twice as many nats.c would block, and hold up what is live.
#define PUBLISH_MAX_UNACKED 512

struct publish_work {
  struct live_batch *live;
  struct log_batch *logs[PUBLISH_MAX_LOGS];
  size_t log_count;
  struct buffer replica;  // a Replica message to send after the live batches; empty for none
  size_t live_lost;       // result: live batches that could not be published
};

struct publish_config {
  const char *nats_url;
  const char *id;
  int64_t started_at_us;
  long log_max_age_s, log_max_bytes;  // limits of the stream, if it is to be created; 0: none
  bool creates_stream;
};

struct publish_events {
  void *context;
  void (*done)(void *context, struct publish_work *work);                 // the work was carried out
  void (*log_stored)(void *context, uint64_t number, const char *fault);  // fault NULL: stored; else: try again
  void (*live_cut)(void *context);                                        // live messages may have been lost
  void (*acks_lost)(void *context);  // what was sent to be stored before this will not be told of any more
};

// Starts the thread and connects in the background, for ever. NULL with a message in *out_fault if NATS' library
// refuses, for example for a malformed URL.
struct publisher *publisher_start(uv_loop_t *loop, const struct publish_config *config,
                                  const struct publish_events *events, struct metrics *metrics, const char **out_fault);

// Hands over the work; it is the publisher's until `done`.
void publisher_submit(struct publisher *publisher, struct publish_work *work);

// True if both connections are up and the stream is there. Any thread.
bool publisher_ready(const struct publisher *publisher);

// The end comes in steps. Ends the thread, after the work that it has; what came of that is called back before this
// returns.
void publisher_finish(struct publisher *publisher);
// After publisher_finish: publishes a Replica message behind everything before, unless NATS is out of reach.
void publisher_say(struct publisher *publisher, const struct buffer *replica);
// Ends the connections; what they still had to say is called back before this returns. Then run the loop until its
// handles are closed, and free. It closes the whole NATS library: stop the recorder first.
void publisher_stop(struct publisher *publisher);
void publisher_free(struct publisher *publisher);

#endif

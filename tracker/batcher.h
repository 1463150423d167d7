// Pending batches: one live batch per team that has news, and the open log batch of all teams. An update is encoded
// once and appended to both. Pure; owned by the tracker's loop. Batches are lent to the publisher and come back.
//
// Overflow: nothing is ever dropped here. batcher_backlog says how many bytes of log batches are not durable yet; the
// loop stops reading devices while that is beyond its limit.
#ifndef MUSTER_BATCHER_H
#define MUSTER_BATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "update.h"

struct batcher;
struct batch_team;  // a team as the batcher knows it; lives as long as the batcher

// What to publish on muster.pos.<team>.
struct live_batch {
  struct live_batch *next;
  struct batch_team *team;
  struct buffer bytes;
};

// Names a connection that wants to hear when a log batch is durable.
struct batch_waiter {
  uint32_t slot, generation;
};

// What to store on muster.log.<shard>.
struct log_batch {
  struct log_batch *next;  // in the list of batches that are not durable, by number
  uint64_t number;
  struct buffer bytes;
  bool lent;              // the publisher's thread may be reading it: it must stay
  bool sent;              // its ack is waited for
  bool durable;           // it was acked
  int64_t not_before_us;  // monotonic; when to publish it again after a failure
  struct batch_waiter *waiters;
  size_t waiter_count, waiter_capacity;
};

struct batcher *batcher_new(const char *tracker, int64_t started_at_us);
void batcher_free(struct batcher *batcher);

struct batch_team *batcher_team(struct batcher *batcher, const char *team);
const char *batch_team_name(const struct batch_team *team);

// Appends an update (its team field is set here) and returns the number of the log batch that it is in.
uint64_t batcher_append(struct batcher *batcher, struct batch_team *team, struct update *update);
// The same of a worker's position and the bytes that it was read from, as batch_append_position says.
uint64_t batcher_position(struct batcher *batcher, struct batch_team *team, struct slice worker,
                          const struct position *position, struct wire_reader bytes, int64_t received_at_us);

// Adds a connection to those that hear of this log batch's durability. The batch must not be durable yet.
void batcher_wait(struct batcher *batcher, uint64_t number, struct batch_waiter waiter);

// Batches are cut at this size, well below the megabyte that NATS takes.
#define BATCHER_MAX_BYTES (256 * 1024)

// Takes all pending live batches, as a list; NULL if there is none. batcher_return_live gives them back. now_us:
// monotonic.
struct live_batch *batcher_take_live(struct batcher *batcher, int64_t now_us);
// Makes a tail pending for each team that fell silent: a batch without updates, under the number of the team's last
// one, which shows whoever lost that one that there was one. Call it about twice a second.
void batcher_add_tails(struct batcher *batcher, int64_t now_us);
#define BATCHER_TAILS 2                                        // for each team that falls silent, one after …
#define BATCHER_TAIL_US ((const int64_t[]){1000000, 5000000})  // … these times of silence
void batcher_return_live(struct batcher *batcher, struct live_batch *list);

// Closes the open log batch, if anything is in it. Closed batches stay the batcher's until they are durable.
void batcher_close_log(struct batcher *batcher);

// The closed batches, oldest first, through their `next`.
struct log_batch *batcher_first_log(struct batcher *batcher);
struct log_batch *batcher_find_log(struct batcher *batcher, uint64_t number);  // NULL if there is none

// Frees the batches at the front that are durable and not lent, each after handing it to `done`. Call it after changing
// either flag of a batch.
typedef void (*batcher_done)(void *context, const struct log_batch *batch);
void batcher_reap(struct batcher *batcher, batcher_done done, void *context);

uint64_t batcher_newest_log(const struct batcher *batcher);   // number of the newest batch with anything in it
uint64_t batcher_durable_log(const struct batcher *batcher);  // all batches up to this number are durable and reaped
size_t batcher_backlog(const struct batcher *batcher);        // bytes of log batches that are not durable

#endif

// Joining views: making a team's state exact (promise 4 of the design), for all teams that wait at once.
//
//   1. subscribe to what is live, and wait until NATS has the subscription;
//   2. load the snapshot from Postgres, with the stream position it is complete up to;
//   3. replay the log from there to its end as it is after step 1: the team is ready;
//   4. follow the log until it is surely past the moment of step 1 (follow.h), and hand over what that still brings.
//
// Everything is merged by taken_at and session, so the order in which the parts meet live batches does not matter. With
// Postgres out of reach, a join begins with an empty snapshot and the whole log, and is repeated once Postgres is back.
//
// One thread of its own, because all of this waits; wishes are queued by the fan-out's thread.
#ifndef MUSTER_JOIN_H
#define MUSTER_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "fanout.h"
#include "feed.h"

struct join;

struct join_options {
  const char *nats_url;
  const char *database_url;
  unsigned compare_interval_s;  // see compare.h
  struct feed *feed;
  struct fanout *fanout;
  struct replicas *replicas;
  struct gateway_metrics *metrics;
};

struct join *join_new(const struct join_options *options);
bool join_start(struct join *join) __attribute__((warn_unused_result));

// Any thread; these two only queue. They are what struct fanout_needs wants.
void join_team(void *join, const char *team, uint64_t ticket);
void join_leave(void *join, const char *team);

// Whether Postgres answered when last asked, at most some seconds ago. Any thread.
bool join_database_answers(struct join *join);

void join_stop(struct join *join);  // joins the thread and ends its NATS connection
void join_free(struct join *join);  // after feed_end_library

#endif

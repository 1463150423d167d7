// The safety net under promise 4 of the design: compares the teams that are held here with Postgres, one after another.
// A worker that Postgres knows more of than we do is looked at again once everything that was live by then must have
// come; if it is still behind, something was lost and nothing told of it. That is counted, logged and healed; a count
// other than 0 is a fault of ours.
//
// The join thread's, as are the snapshot and the groups it is lent.
#ifndef MUSTER_COMPARE_H
#define MUSTER_COMPARE_H

#include <stdint.h>

#include "fanout.h"
#include "feed.h"
#include "group.h"
#include "replicas.h"
#include "snapshot.h"

struct compare;

struct compare_options {
  int64_t interval_us;  // every team is looked at once in this time; 0: none ever is
  struct snapshot *snapshot;
  struct feed *feed;
  struct fanout *fanout;
  struct replicas *replicas;
  struct gateway_metrics *metrics;
};

struct compare *compare_new(const struct compare_options *options);
void compare_free(struct compare *compare);  // NULL is fine

void compare_add(struct compare *compare, const char *team);  // held from now on; again is fine
void compare_remove(struct compare *compare, const char *team);

// When compare_step has something to do; INT64_MAX if nothing is held.
int64_t compare_due_us(const struct compare *compare);
// Does what is due. groups: those that still follow the log; their teams are not judged yet.
void compare_step(struct compare *compare, const struct group *groups, int64_t now_us);

#endif

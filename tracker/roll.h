// The roll: which trackers live, by their heartbeats, and whether we are fit to judge that. Pure; the undertaker's.
//
// A tracker is dead that was not heard for a while, or of which another process has the name. But silence proves
// something only to one who listens: whoever began to listen a moment ago has not heard the living yet, and whoever
// does not hear itself is deaf, or NATS is away. Neither judges anybody.
#ifndef MUSTER_ROLL_H
#define MUSTER_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

#define ROLL_DEAD_US 5000000     // a tracker that was not heard for so long, of which heartbeats come every 2 s
#define ROLL_UNHEARD_US 4000000  // less, so that who was taken for dead surely knows
#define ROLL_FORGET_US 60000000  // the dead

struct roll_tracker {
  char id[IDENT_MAX_BYTES + 1];
  int64_t started_at_us;
};

struct roll;

// Of the tracker `id`, which must outlive it. All times are monotonic but those that trackers started at.
struct roll *roll_new(const char *id, int64_t now_us);
void roll_free(struct roll *roll);

// From now on everything that is said is heard; or no more.
void roll_listen(struct roll *roll, int64_t now_us);
void roll_deafen(struct roll *roll);

// A tracker's heartbeat was heard. Returns how long we had not heard ourselves, if this is our own and that was so long
// that others may have taken us for dead; else 0.
int64_t roll_hear(struct roll *roll, const char *id, int64_t started_at_us, int64_t now_us);

// All heartbeats that were there were heard: calls the roll.
void roll_call(struct roll *roll, int64_t now_us);

// Those who lived when the roll was last called, good until the next call. False if nobody may judge by it now.
bool roll_living(const struct roll *roll, int64_t now_us, const struct roll_tracker **out, size_t *out_count);

#endif

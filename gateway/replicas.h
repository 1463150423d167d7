// The replicas heard on muster.replica.>: one entry for each that was heard lately. Any thread; the table has its lock.
#ifndef MUSTER_REPLICAS_H
#define MUSTER_REPLICAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

#define REPLICA_ALIVE_US 6000000  // three heartbeats; one that is silent for longer is gone

struct replica {
  char kind[16];
  char id[IDENT_MAX_BYTES + 1];
  char version[32];
  int64_t started_at_us;
  int64_t at_us;
  uint32_t connections;
  uint64_t log_number;
  uint64_t log_acked;
  uint64_t live_lost;
  uint64_t handled;
  bool stopping;
  bool recorder;
  bool dead;            // told already by replicas_take_dead
  int64_t heard_us;     // our monotonic clock
  uint64_t heard_mark;  // counts all heartbeats heard, so that "heard after that one" can be asked
};

struct replicas;

struct replicas *replicas_new(void);
void replicas_free(struct replicas *replicas);

// Takes a Replica message (proto/team.proto) and returns its mark, 0 if the bytes are no good one. *out_lost is true if
// a tracker says that it lost live batches since its heartbeat before, or, if that was not heard here, ever.
// out_replica gets what the message said.
uint64_t replicas_hear(struct replicas *replicas, const void *bytes, size_t len, int64_t now_us, bool *out_lost,
                       struct replica *out_replica);

// Whether a tracker went without a word since this was last asked: it fell silent, or another process has its name.
bool replicas_take_dead(struct replicas *replicas, int64_t now_us);

// A copy of those that are alive, sorted by kind and id; the caller frees it. *out_count may be 0.
struct replica *replicas_alive(struct replicas *replicas, int64_t now_us, size_t *out_count);

#endif

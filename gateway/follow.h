// When a joined view may stop following the log. Pure; the join thread's.
//
// A position may be sent live just before a gateway subscribes and be stored in the log just after the gateway has read
// the log's end. So the log is followed until it is surely past the moment of subscribing. Heartbeats tell: each
// tracker's first one after that moment names the newest log batch (log_number) with anything that it had sent live by
// then, and a later one, or the same, says that all batches up to it are stored (log_acked). Once that is so for every
// tracker that is alive, what the log holds now is all that was missing, in whatever order it was stored.
#ifndef MUSTER_FOLLOW_H
#define MUSTER_FOLLOW_H

#include "replicas.h"

#define FOLLOW_HEAR_US 3000000     // by then every tracker alive has sent a heartbeat; they come every 2 s
#define FOLLOW_BOUND_US 300000000  // a tracker that cannot store what it has is waited for no longer

struct follow_target {
  char tracker[IDENT_MAX_BYTES + 1];
  int64_t started_at_us;
  uint64_t log_number;
  bool alive, stored;
};

struct follow {
  uint64_t mark;  // of the last heartbeat before the moment
  int64_t started_us;
  struct follow_target *targets;
  size_t count;
  bool unheard;  // a tracker that should be alive has not been heard since
};

enum follow_status {
  FOLLOW_ON,
  FOLLOW_STORED,   // everything is in the log: read it to its end, and be done
  FOLLOW_BOUNDED,  // given up
};

void follow_init(struct follow *follow, uint64_t mark, int64_t now_us);
void follow_fini(struct follow *follow);

// Looks at who is alive, again and again.
void follow_hear(struct follow *follow, const struct replica *alive, size_t count);
enum follow_status follow_check(const struct follow *follow, int64_t now_us);

#endif

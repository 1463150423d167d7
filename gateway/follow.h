// When a joined view may stop following the log. Pure; the join thread's.
//
// A position may be sent live just before a gateway subscribes and be stored in the log just after the gateway has read
// the log's end. So the log is followed until it is surely past the moment of subscribing: each tracker's first
// heartbeat after that moment names the log batch (log_number) that holds everything it had sent live by then, and the
// follow ends when all those batches have been read, or their trackers are gone.
#ifndef MUSTER_FOLLOW_H
#define MUSTER_FOLLOW_H

#include "numbers.h"
#include "replicas.h"

#define FOLLOW_HEAR_US 3000000    // by then every tracker alive has sent a heartbeat; they come every 2 s
#define FOLLOW_BOUND_US 15000000  // a tracker with nothing new in the log is waited for no longer

struct follow_target {
  char tracker[IDENT_MAX_BYTES + 1];
  int64_t started_at_us;
  uint64_t log_number;
  bool alive;
};

struct follow {
  uint64_t mark;  // of the last heartbeat before the moment
  int64_t started_us;
  struct follow_target *targets;
  size_t count;
  bool unheard;  // a tracker that should be alive has not been heard since
};

enum follow_status { FOLLOW_ON, FOLLOW_DONE, FOLLOW_BOUNDED };

void follow_init(struct follow *follow, uint64_t mark, int64_t now_us);
void follow_fini(struct follow *follow);

// Looks at who is alive, again and again.
void follow_hear(struct follow *follow, const struct replica *alive, size_t count);
// read: the log batches read so far.
enum follow_status follow_check(const struct follow *follow, const struct numbers *read, int64_t now_us);

#endif

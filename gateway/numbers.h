// The newest live batch of one team heard from each tracker process. A number that is not the next one shows a lost
// batch. The last one before a team falls silent has no next: so a tracker repeats its number, in a batch without
// updates, a moment later. Pure; one thread at a time.
#ifndef MUSTER_NUMBERS_H
#define MUSTER_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ident.h"
#include "update.h"

#define NUMBERS_TRACKERS 64  // the one not heard for longest makes room for another

struct numbers_entry {
  char tracker[IDENT_MAX_BYTES];
  uint8_t tracker_len;
  int64_t started_at_us;
  uint64_t number;
  uint64_t used;
};

struct numbers {
  struct numbers_entry *entries;
  uint32_t count;
  uint64_t uses;
};

enum numbers_status {
  NUMBERS_NEXT,   // in order, or the first of a tracker not heard before, or not numbered (0)
  NUMBERS_AGAIN,  // not newer than what was heard
  NUMBERS_GAP,    // at least one is missing
};

void numbers_fini(struct numbers *numbers);  // of a struct that began as {0}

// repeats: the batch has no updates and tells the number of the last one that had any.
enum numbers_status numbers_take(struct numbers *numbers, const struct batch_header *header, bool repeats);

#endif

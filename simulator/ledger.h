// What became of every position of a run, one line of text each, so that a checker can compare it with what the servers
// say. Lines are written when a position's fate is known, in no particular order; docs/simulator.md describes them. The
// loop's thread; processes that are forked before anything was noted share the file.
#ifndef MUSTER_LEDGER_H
#define MUSTER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "position.h"

enum ledger_fate {
  LEDGER_ACKED,
  LEDGER_REFUSED,
  LEDGER_DROPPED,  // pushed out of a full spool after it had been sent: nobody knows what became of it
  LEDGER_UNACKED,  // sent, and neither acked nor refused when the run ended
  LEDGER_UNSENT,   // never sent
};

struct ledger;

// NULL if the file cannot be written.
struct ledger *ledger_open(const char *path);
// False if anything could not be written. Frees; NULL passes.
bool ledger_close(struct ledger *ledger) __attribute__((warn_unused_result));

// Names a worker; its positions are noted under the index. A NULL ledger takes nothing, here and below.
void ledger_worker(struct ledger *ledger, uint32_t worker, const char *team, const char *name);
// at_us: when the fate was known, by the simulator's clock.
void ledger_note(struct ledger *ledger, enum ledger_fate fate, uint32_t worker, const struct position *position,
                 int64_t at_us);

#endif

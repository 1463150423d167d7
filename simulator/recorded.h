// Asks Postgres how many positions of a run are in the history: what trackers acked must be there. Only after the load:
// it waits. The chief's process.
#ifndef MUSTER_RECORDED_H
#define MUSTER_RECORDED_H

#include <stdint.h>

#include "scenario.h"

struct recorded_options {
  const char *database_url;
  const struct scenario *scenario;  // says, with these, who the workers are
  uint32_t workers, teams, first_team;
  int64_t first_us, last_us;  // taken_at of all that was sent
  uint64_t expected;          // that many are waited for
};

// Waits while the history grows, and 10 s longer; a SIGINT or SIGTERM ends that. -1, after saying why, if Postgres did
// not tell.
int64_t recorded_count(const struct recorded_options *options);

#endif

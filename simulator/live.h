// Live load: every worker moves and takes a position each interval. The n-th position of all is planned for
// the time at which the scenario's rate has come to n, steadily start + n * interval / workers, whatever happened to
// those before it (an open loop): a late tick takes all that were due, and none is left out. A worker that has never
// been connected takes none. The loop's thread.
//
// With park_us, workers of the second half of the teams park for good one after another, evenly over that time, and
// team after team: whatever happens, some worker's last position is under way just then, and soon after all of a
// team's.
#ifndef MUSTER_LIVE_H
#define MUSTER_LIVE_H

#include <stdint.h>

#include "fleet.h"
#include "motion.h"
#include "scenario.h"
#include "share.h"

struct live_options {
  struct share share;
  const struct scenario *scenario;
  uint32_t workers, teams, viewers;  // of all processes
  uint32_t first_team;               // its number
  int64_t interval_us;
  int64_t duration_us;  // 0: until live_nudge
  int64_t park_us;      // 0: nobody parks
  uint64_t seed;
  struct motion_area area;
};

struct live;

// Writes what the number-th worker of all is called, and returns where the scenario places it.
#define LIVE_NAME_BYTES 64
struct scenario_place live_worker_name(const struct scenario *scenario, uint32_t number, uint32_t teams,
                                       uint32_t first_team, char out[LIVE_NAME_BYTES]);

// Of so many teams, the first this many never park.
uint32_t live_busy_teams(uint32_t teams);

// Adds the workers of this process to the fleet: each is "team-T-KIND-NNNN" of team-T, where the scenario places it.
struct live *live_new(const struct live_options *options, struct fleet *fleet);
void live_free(struct live *live);

void live_start(struct live *live, int64_t now_us);

// Takes all of its positions that are due. Returns when the next one is due, or INT64_MAX after the last.
int64_t live_tick(struct live *live, int64_t now_us);

// For the end of a run: each worker whose tracker would take its time with the ack takes one position more, which asks
// for it.
void live_nudge(struct live *live, int64_t now_us);

#endif

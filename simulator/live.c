// The open-loop schedule.
#include "live.h"

#include <stdio.h>
#include <stdlib.h>

#include "random.h"

struct live {
  struct live_options options;
  struct fleet *fleet;
  struct motion *motions;
  int64_t *moved_us;  // when each worker last moved
  int64_t start_us;
  uint64_t slot;  // the next to be taken, of all workers in turn
};

struct live *live_new(const struct live_options *options, struct fleet *fleet) {
  struct live *live = calloc(1, sizeof *live);
  if (!live) abort();
  live->options = *options;
  live->fleet = fleet;
  live->motions = calloc(options->workers, sizeof *live->motions);
  live->moved_us = calloc(options->workers, sizeof *live->moved_us);
  if (!live->motions || !live->moved_us) abort();
  for (uint32_t i = 0; i < options->workers; i++) {
    uint32_t team = i % options->teams, member = i / options->teams;
    enum motion_kind kind = (enum motion_kind)(member % MOTION_KINDS);
    char name[64];
    snprintf(name, sizeof name, "team-%u-%s-%04u", team + 1, motion_kind_name(kind), member + 1);
    motion_init(&live->motions[i], &options->area, kind, random_fork(~options->seed, i));
    fleet_add(fleet, name, team);
  }
  return live;
}

void live_free(struct live *live) {
  if (!live) return;
  free(live->motions);
  free(live->moved_us);
  free(live);
}

void live_start(struct live *live, int64_t now_us) {
  live->start_us = now_us;
  for (uint32_t i = 0; i < live->options.workers; i++) live->moved_us[i] = now_us;
}

static int64_t planned_us(const struct live *live, uint64_t slot) {
  uint64_t round = slot / live->options.workers, place = slot % live->options.workers;
  return live->start_us + (int64_t)round * live->options.interval_us +
         (int64_t)place * live->options.interval_us / live->options.workers;
}

static bool is_over(const struct live *live, int64_t planned) {
  return live->options.duration_us && planned >= live->start_us + live->options.duration_us;
}

uint32_t live_busy_teams(uint32_t teams) {
  return (teams + 1) / 2;
}

static bool is_parked(const struct live *live, uint32_t worker, int64_t planned) {
  const struct live_options *options = &live->options;
  uint32_t busy = live_busy_teams(options->teams), team = worker % options->teams;
  if (!options->park_us || team < busy) return false;
  uint32_t members = options->workers / options->teams + 1, member = worker / options->teams;
  int64_t turn = (int64_t)(team - busy) * members + member + 1, turns = (int64_t)(options->teams - busy) * members;
  return planned - live->start_us >= options->park_us * turn / turns;
}

// The worker takes no position at that time any more.
static bool has_ended(const struct live *live, uint32_t worker, int64_t planned) {
  return is_over(live, planned) || is_parked(live, worker, planned);
}

static void take(struct live *live, uint32_t worker, int64_t planned, int64_t now_us) {
  struct motion *motion = &live->motions[worker];
  struct position position;
  motion_advance(motion, &live->options.area, planned - live->moved_us[worker]);
  live->moved_us[worker] = planned;
  motion_position(motion, &live->options.area, &position);
  fleet_take(live->fleet, worker, &position, planned, now_us);
}

int64_t live_tick(struct live *live, int64_t now_us) {
  for (;; live->slot++) {
    int64_t planned = planned_us(live, live->slot);
    if (is_over(live, planned)) return INT64_MAX;
    if (planned > now_us) return planned;
    uint32_t worker = (uint32_t)(live->slot % live->options.workers);
    if (!fleet_welcomed(live->fleet, worker) || is_parked(live, worker, planned)) continue;
    // A worker's last position asks for its ack, so that the end need not wait for the tracker's leisure.
    if (has_ended(live, worker, planned + live->options.interval_us)) fleet_flush(live->fleet, worker);
    take(live, worker, planned, now_us);
  }
}

void live_nudge(struct live *live, int64_t now_us) {
  fleet_flush_all(live->fleet);
  for (uint32_t i = 0; i < live->options.workers; i++) {
    if (fleet_needs_nudge(live->fleet, i)) take(live, i, now_us, now_us);
  }
}

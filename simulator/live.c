// The open-loop schedule.
#include "live.h"

#include <stdio.h>
#include <stdlib.h>

#include "random.h"

struct live {
  struct live_options options;
  struct fleet *fleet;
  uint32_t count;  // of own workers, and an index is one of these
  struct motion *motions;
  int64_t *moved_us;  // when each worker last moved
  int64_t start_us;
  uint64_t round;  // the next position to be taken is each worker's round-th …
  uint32_t next;   // … of this worker
};

static uint32_t *viewers_of_teams(const struct live_options *options) {
  uint32_t *viewers = calloc(options->teams, sizeof *viewers);
  if (!viewers) abort();
  for (uint32_t i = 0; i < options->viewers; i++) viewers[scenario_place(options->scenario, i, options->teams).team]++;
  return viewers;
}

static enum motion_kind kind_of(struct scenario_place place) {
  return (enum motion_kind)(place.member % MOTION_KINDS);
}

struct scenario_place live_worker_name(const struct scenario *scenario, uint32_t number, uint32_t teams,
                                       uint32_t first_team, char out[LIVE_NAME_BYTES]) {
  struct scenario_place place = scenario_place(scenario, number, teams);
  const char *kind = motion_kind_name(kind_of(place));
  snprintf(out, LIVE_NAME_BYTES, "team-%u-%s-%04u", first_team + place.team, kind, place.member + 1);
  return place;
}

struct live *live_new(const struct live_options *options, struct fleet *fleet) {
  struct live *live = calloc(1, sizeof *live);
  if (!live) abort();
  live->options = *options;
  live->fleet = fleet;
  live->count = share_size(options->share, options->workers);
  live->motions = calloc(live->count, sizeof *live->motions);
  live->moved_us = calloc(live->count, sizeof *live->moved_us);
  if (!live->motions || !live->moved_us) abort();
  uint32_t *viewers = viewers_of_teams(options);
  for (uint32_t i = 0; i < live->count; i++) {
    uint32_t number = share_number(options->share, i);
    char name[LIVE_NAME_BYTES];
    struct scenario_place place =
        live_worker_name(options->scenario, number, options->teams, options->first_team, name);
    motion_init(&live->motions[i], &options->area, kind_of(place), random_fork(~options->seed, number));
    fleet_add(fleet, name, place.team, viewers[place.team]);
  }
  free(viewers);
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
  for (uint32_t i = 0; i < live->count; i++) live->moved_us[i] = now_us;
}

static int64_t planned_us(const struct live *live, uint64_t round, uint32_t index) {
  uint32_t place = share_number(live->options.share, index);
  double positions = (double)round + (double)place / live->options.workers;
  return live->start_us + scenario_planned_us(live->options.scenario, live->options.interval_us, positions);
}

static bool is_over(const struct live *live, int64_t planned) {
  return live->options.duration_us && planned >= live->start_us + live->options.duration_us;
}

uint32_t live_busy_teams(uint32_t teams) {
  return (teams + 1) / 2;
}

static bool is_parked(const struct live *live, uint32_t index, int64_t planned) {
  const struct live_options *options = &live->options;
  uint32_t worker = share_number(options->share, index);
  uint32_t busy = live_busy_teams(options->teams), team = worker % options->teams;
  if (!options->park_us || team < busy) return false;
  uint32_t members = options->workers / options->teams + 1, member = worker / options->teams;
  int64_t turn = (int64_t)(team - busy) * members + member + 1, turns = (int64_t)(options->teams - busy) * members;
  return planned - live->start_us >= options->park_us * turn / turns;
}

// The worker takes no position at that time any more.
static bool has_ended(const struct live *live, uint32_t index, int64_t planned) {
  return is_over(live, planned) || is_parked(live, index, planned);
}

static void take(struct live *live, uint32_t index, int64_t planned, int64_t now_us) {
  struct motion *motion = &live->motions[index];
  struct position position;
  motion_advance(motion, &live->options.area, planned - live->moved_us[index]);
  live->moved_us[index] = planned;
  motion_position(motion, &live->options.area, &position);
  fleet_take(live->fleet, index, &position, planned, now_us);
}

static void advance(struct live *live) {
  if (++live->next < live->count) return;
  live->next = 0;
  live->round++;
}

int64_t live_tick(struct live *live, int64_t now_us) {
  for (;; advance(live)) {
    uint32_t index = live->next;
    int64_t planned = planned_us(live, live->round, index);
    if (is_over(live, planned)) return INT64_MAX;
    if (planned > now_us) return planned;
    if (!fleet_welcomed(live->fleet, index) || is_parked(live, index, planned)) continue;
    // A worker's last position asks for its ack, so that the end need not wait for the tracker's leisure.
    if (has_ended(live, index, planned_us(live, live->round + 1, index))) fleet_flush(live->fleet, index);
    take(live, index, planned, now_us);
  }
}

void live_nudge(struct live *live, int64_t now_us) {
  fleet_flush_all(live->fleet);
  for (uint32_t i = 0; i < live->count; i++) {
    if (fleet_needs_nudge(live->fleet, i)) take(live, i, now_us, now_us);
  }
}

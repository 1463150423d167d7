// What all viewers of one team share: an index of its workers' names, and the frames that were read last. Viewers at
// the same cursor get the same bytes, so most frames are read once however many viewers see them. Pure; the loop's
// thread.
#ifndef MUSTER_WATCH_TEAM_H
#define MUSTER_WATCH_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch_event.h"
#include "watch_frame.h"

struct watch_team;

#define WATCH_NO_WORKER UINT32_MAX

// A row with its worker's index in the team; WATCH_NO_WORKER if it says a number only. Which worker a number is, and
// what values count from, is each stream's own, so that frames can be shared by streams of different gateways.
struct watch_change {
  uint32_t worker, number;  // WATCH_NO_NUMBER in JSON
  bool left, has_position, online;
  int64_t taken_at_us, latitude_e7, longitude_e7;
};

struct watch_changes {
  struct watch_base base;  // of a snapshot
  const struct watch_change *rows;
  size_t count;
};

struct watch_team *watch_team_new(const char *name);
void watch_team_free(struct watch_team *team);
const char *watch_team_name(const struct watch_team *team);

// Reads a snapshot or a delta. *columns is what the stream's snapshot said of its columns (JSON only). The changes are
// the team's and good until the next call.
bool watch_team_read(struct watch_team *team, const struct watch_event *event, struct watch_columns *columns,
                     struct watch_changes *out_changes) __attribute__((warn_unused_result));

uint32_t watch_team_workers(const struct watch_team *team);
const char *watch_team_worker(const struct watch_team *team, uint32_t index);

#endif

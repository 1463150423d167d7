// What all viewers of one team share: an index of its workers' names, and the frames that were read last. Viewers at
// the same cursor get the same bytes, so most frames are read once however many viewers see them. Pure; the loop's
// thread.
#ifndef MUSTER_WATCH_TEAM_H
#define MUSTER_WATCH_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch_frame.h"

struct watch_team;

// A row with its worker's index in the team.
struct watch_change {
  uint32_t worker;
  bool has_position;
  bool online;
  int64_t taken_at_us;
  int32_t latitude_e7, longitude_e7;
};

struct watch_team *watch_team_new(const char *name);
void watch_team_free(struct watch_team *team);
const char *watch_team_name(const struct watch_team *team);

// Reads a frame's rows as watch_frame_read does. The changes are the team's and good until the next call.
bool watch_team_read(struct watch_team *team, const char *json, size_t len, struct watch_columns *columns,
                     const struct watch_change **out_changes, size_t *out_count) __attribute__((warn_unused_result));

uint32_t watch_team_workers(const struct watch_team *team);
const char *watch_team_worker(const struct watch_team *team, uint32_t index);

#endif

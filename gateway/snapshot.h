// Reading teams from Postgres: one connection, made when needed and made again after a failure. One thread at a time.
//
// Every call may wait for Postgres, for a few seconds at most, and fails at once for a moment after a failure.
#ifndef MUSTER_SNAPSHOT_H
#define MUSTER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "team.h"

struct snapshot;

// How far into the log Postgres' tables are complete.
struct snapshot_point {
  bool known;             // false: the recorder has not written anything yet
  int64_t created_at_us;  // of the stream
  uint64_t sequence;      // the last one that is in the tables
};

struct snapshot_team {
  char name[IDENT_MAX_BYTES + 1];
  int64_t workers, online, stale;  // online: those not stale
};

// Whether libpq understands it. To be asked first: what it does not understand it repeats in its faults, password and
// all.
bool snapshot_understands(const char *database_url) __attribute__((warn_unused_result));

struct snapshot *snapshot_new(const char *database_url);
void snapshot_free(struct snapshot *snapshot);

// Merges the last position and status of every worker of these teams into them, and tells the stream position that
// belongs to it, all as of one moment (REPEATABLE READ).
bool snapshot_load(struct snapshot *snapshot, struct team *const *teams, size_t count, struct snapshot_point *out_point)
    __attribute__((warn_unused_result));

// All teams with their counts, sorted by name; the caller frees them. stale_after_us: as in directory.h.
bool snapshot_teams(struct snapshot *snapshot, int64_t stale_after_us, struct snapshot_team **out_teams,
                    size_t *out_count) __attribute__((warn_unused_result));

// Whether any worker of this team was ever seen.
bool snapshot_knows(struct snapshot *snapshot, const char *team, bool *out_known) __attribute__((warn_unused_result));

bool snapshot_ping(struct snapshot *snapshot) __attribute__((warn_unused_result));

#endif

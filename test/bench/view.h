// What viewers were shown, kept so that it can be judged: a hash of every worker's row in each view, and for all views
// of a team together the text of its rows and the hash of the whole state at each version. Two views of a team that are
// at the same version must show the same, to the byte. Frames are decoded once for all who get the same bytes.
#ifndef MUSTER_BENCH_VIEW_H
#define MUSTER_BENCH_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hist.h"

struct view_team;

struct view_totals {
  uint64_t frames, rows;  // snapshots and deltas; rows in them
  uint64_t snapshots, heartbeats, stales, byes;
  uint64_t bad;        // events that break the rules
  uint64_t differing;  // views that differed from another one of the same version
  uint64_t backward;   // rows older than what the view had
  struct hist age;     // of each row that brought something newer, on arrival
};

struct view_cell {
  uint64_t hash;  // of the row; 0: the worker is not known
  int64_t taken_at_us;
};

// One viewer's. Embedded in its owner; zeroed but for the team to begin with.
struct view {
  struct view_team *team;
  struct view_cell *cells;  // by the team's index of workers
  uint32_t capacity;
  uint32_t known;
  unsigned epoch;  // which server it is shown by: versions of different ones do not compare
  uint64_t version;
  uint64_t hash;  // of the whole state
};

struct view_team *view_team_new(const char *name);
void view_team_free(struct view_team *team);
const char *view_team_name(const struct view_team *team);

// Takes one event, the text between two empty lines.
void view_take(struct view *view, const char *event, size_t len, int64_t now_us, struct view_totals *totals);
// Forgets all, as one does before a new connection.
void view_clear(struct view *view);
// Whether no view of the team is known to be at a newer version.
bool view_is_newest(const struct view *view);
// Whether it shows what the team's newest rows say, of every worker.
bool view_is_whole(const struct view *view);

// Writes the team's newest rows as a JSON object: {"worker": [a row as it was sent], …}.
void view_team_write(const struct view_team *team, FILE *file);

#endif

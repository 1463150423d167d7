// Reading tracks from Postgres: the positions of a worker, or of all workers of a team, in a time range, one by one and
// in bounded memory. A history is one connection of its own and one range; one thread at a time.
//
// Rows come worker by worker, by name, and by time within each: one query a worker, which walks the primary keys of
// just the days in the range. So nothing is sorted anywhere, and the first row is there at once.
#ifndef MUSTER_HISTORY_H
#define MUSTER_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ident.h"
#include "position.h"
#include "update.h"

struct history;

struct history_range {
  const char *team;        // a valid id
  const char *worker;      // a valid id, or NULL for all
  int64_t from_us, to_us;  // from <= taken_at < to
};

enum history_status {
  HISTORY_OK,           // a row, or opened
  HISTORY_END,          // no more rows
  HISTORY_UNKNOWN,      // no such worker
  HISTORY_UNAVAILABLE,  // Postgres is out of reach, or fails
  HISTORY_LEFT,         // whoever wanted it is gone
};

struct history_row {
  struct slice worker;  // until the history is closed
  struct position position;
};

// Connects and finds the workers; waits for Postgres for some seconds at most. On HISTORY_OK history_close frees it.
enum history_status history_open(const char *database_url, const struct history_range *range,
                                 struct history **out_history) __attribute__((warn_unused_result));
// Waits for the next row; ends early once `peer`, a socket, is closed at its other side, or *stop is set.
enum history_status history_next(struct history *history, int peer, const _Atomic bool *stop,
                                 struct history_row *out_row) __attribute__((warn_unused_result));
// Postgres notices, and gives up what it was doing.
void history_close(struct history *history);  // NULL is fine

#endif

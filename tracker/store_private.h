// What store.c, store_write.c, store_copy.c and store_days.c share.
#ifndef MUSTER_STORE_PRIVATE_H
#define MUSTER_STORE_PRIVATE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "pgarray.h"
#include "store.h"

#define STORE_COLUMNS 10

struct store_row {
  int32_t worker_id;
  int64_t received_at_us;
  struct position position;
};
struct store_presence {
  int32_t worker_id;
  struct slice tracker;
  struct presence presence;
};

struct store {
  PGconn *connection;
  bool prepared;       // store_write's statements are
  int64_t oldest_day;  // of the history that is kept
  bool days_loaded;    // known_days is
  uint8_t known_days[STORE_DAYS / 8];
  struct pgarray columns[STORE_COLUMNS];     // these, too, are reused from call to call
  struct buffer rows, presences;             // struct store_row and struct store_presence, of what is being written
  const struct store_batch *batch;           // that is being written
  struct buffer places, spare;               // for sorting
  struct buffer fresh, older, first, moved;  // see store_split
  size_t positions, presence_count, refused_count;  // in the batch
  int history_at, moved_at;  // which statement in the pipeline inserts into the history, or moves; -1: none
  size_t moved_count;        // how many workers that one has moved
};

struct store_params {
  const char *values[STORE_COLUMNS];
  int lengths[STORE_COLUMNS];
  int formats[STORE_COLUMNS];
};

// Finishes the first `count` columns and makes them parameters.
void store_params(struct store *store, size_t count, struct store_params *out);

// Whether an error is the fault of what was to be written, not of Postgres' state or of our way there.
bool store_refuses(const PGresult *result);
// What to tell of it; for the caller to free.
char *store_reason(const PGresult *result);

// Sorts the batch's positions by key into lists of uint32_t, indexes of updates: fresh, which can't be in the history
// yet, and older, which may be; and the newest one of each worker, if it is newer than what there is: first, of a
// worker that has no last position yet, and moved. Counts what else there is.
void store_split(struct store *store);
// Begins a transaction and sends what is fresh by COPY; false, after logging or with the connection broken, if it could
// not. The result is then to be asked for: that of COPY, for the caller to free.
bool store_copy(struct store *store);
PGresult *store_copied(struct store *store);
// As PQgetResult, with the batch's `meanwhile` called while there is none yet.
PGresult *store_result(struct store *store);

bool store_execute(struct store *store, const char *sql, const char *what);

// Frees the result; false, after logging, if it is an error. result may be NULL.
bool store_good(struct store *store, PGresult *result, const char *what);

#endif

// Postgres, as the recorder uses it: one connection, blocking, used by the recorder's thread only.
//
// All functions return false on failure after logging why; the connection is then to be closed and opened again, which
// also gives up the lock and any half-done transaction.
#ifndef MUSTER_STORE_H
#define MUSTER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "embed.h"
#include "ident.h"
#include "position.h"
#include "roll.h"
#include "update.h"

struct store;

// Whether libpq understands it. To be asked first: what it does not understand it repeats in its faults, password and
// all.
bool store_understands(const char *database_url) __attribute__((warn_unused_result));
struct store *store_open(const char *database_url);  // NULL on failure
void store_close(struct store *store);
// Makes what another thread is waiting for fail now. The store is still to be closed by its own thread, later.
void store_break(struct store *store);

// Applies the embedded schema files that were not applied yet, under a lock of its own, each in its transaction; those
// without a number each time.
bool store_migrate(struct store *store, const struct embedded *schema) __attribute__((warn_unused_result));
// Whether another has done so.
bool store_is_migrated(struct store *store, const struct embedded *schema) __attribute__((warn_unused_result));

// Postgres ends a session that says nothing for 3 s, so that one that hangs does not keep the lock: use the store, or
// ping, at least once a second.
bool store_ping(struct store *store) __attribute__((warn_unused_result));

// Tries to become the one recorder; the lock is held as long as the connection. *out_leads says whether it is. If one
// hangs that has the lock, its session is ended, and the next try may succeed.
bool store_try_lead(struct store *store, bool *out_leads) __attribute__((warn_unused_result));

// Gives the lock up, for another to try.
bool store_resign(struct store *store) __attribute__((warn_unused_result));

// How far the stream has been recorded; 0 if nothing of the stream created at created_us was.
bool store_position(struct store *store, const char *stream, int64_t created_us, uint64_t *out_sequence)
    __attribute__((warn_unused_result));

// Notes how far the stream has been recorded by now, and says what had been by a note that is keep_s old; 0 if nothing.
bool store_mark(struct store *store, const char *stream, int64_t created_us, long keep_s, uint64_t *out_sequence)
    __attribute__((warn_unused_result));

// A worker, and what the store knows of it.
struct store_worker {
  struct slice team, name;
  int32_t id;         // 0: not asked for yet, or Postgres refuses it
  int64_t newest_us;  // taken_at of the last position; STORE_NEVER: there is none. What is newer is not in the history
  char *refused;      // why Postgres refuses it, for the caller to free; NULL otherwise
};
#define STORE_NEVER INT64_MIN
// Finds ids and newest positions of workers, adding those that are new. No worker may be in there twice.
bool store_workers(struct store *store, struct store_worker **workers, size_t count)
    __attribute__((warn_unused_result));

// An update of the log, to be written.
struct store_update {
  uint64_t sequence;     // of the message that it was in
  struct slice tracker;  // that message's
  struct slice bytes;    // as it stood there, for setting it aside
  struct update update;
  struct store_worker *worker;  // with its id; NULL if refused. store_write keeps its newest_us
  char *refused;                // why it cannot be written, for the caller to free; NULL: nothing is known against it
};
struct store_batch {
  struct store_update *updates;  // any order, any duplicates
  size_t count;
  const char *stream;
  int64_t stream_created_us;
  uint64_t sequence;  // the stream's, of the last message in the batch
  // Called while Postgres has enough to do for some milliseconds, to do something useful for less than that. It returns
  // false if there is nothing to do, and is then not called until Postgres has answered.
  bool (*meanwhile)(void *context);
  void *context;
};

// A session of a worker at a tracker.
struct store_session {
  char team[IDENT_MAX_BYTES + 1], worker[IDENT_MAX_BYTES + 1], tracker[IDENT_MAX_BYTES + 1];
  int64_t session_us;
};
// Finds open sessions that are of none of these processes, ordered by tracker and team, `room` at most.
bool store_lost_sessions(struct store *store, const struct roll_tracker *living, size_t living_count,
                         struct store_session *out, size_t room, size_t *out_count) __attribute__((warn_unused_result));

// Days from 1970 that a history partition can be for: until the year 2149. Positions of other days can't be stored.
#define STORE_DAYS 65536
#define STORE_DAY_US (INT64_C(86400) * 1000000)

// Makes the day partitions that these updates need and that are missing. Outside of the transaction of store_write.
bool store_partitions(struct store *store, const struct store_update *updates, size_t count)
    __attribute__((warn_unused_result));

// Whether these days, and all between, have partitions that are known already: store_partitions has nothing to do then.
bool store_has_days(const struct store *store, int64_t first, int64_t last);

// History of days before this one is not kept: store_write leaves such rows out, store_drop_old drops what there is.
void store_retain(struct store *store, int64_t oldest_day);

// Makes the partitions of today, a day since 1970, and of the next two.
bool store_partitions_ahead(struct store *store, int64_t today) __attribute__((warn_unused_result));

// Does one step towards dropping what is too old, in 0.3 s at most: it never stops readers or writers, so it may have
// to wait for them.
enum store_drop { STORE_DROP_NONE, STORE_DROP_SOME, STORE_DROP_BUSY };
bool store_drop_old(struct store *store, enum store_drop *out) __attribute__((warn_unused_result));

struct store_written {
  size_t positions;  // written, or found there already
  size_t inserted;   // of them, those that were new
  size_t set_aside;  // updates
};

// One transaction: history rows, last positions, sessions, workers' states and the stream position. Updates that are
// refused, by us before or now by Postgres, go to the table set_aside instead, in the same transaction.
bool store_write(struct store *store, struct store_batch *batch, struct store_written *out)
    __attribute__((warn_unused_result));

#endif

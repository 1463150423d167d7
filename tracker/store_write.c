// Writing a batch: history rows that are surely new by COPY (store_copy.c), then a few statements and a commit in one
// round trip (pipeline mode), each with whole columns as arrays. Rows go in sorted by key, so that index pages are
// touched in order and no two writers could ever deadlock.
//
// If Postgres refuses something in it, the batch is written again in one transaction by parts: a part that is refused
// is undone to its savepoint and halved, until the single updates are found that are to blame.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store.h"
#include "store_private.h"

static const struct {
  const char *name, *sql;
} statements[] = {
    {"history",
     "INSERT INTO position_history SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::int[], $4::int[], $5::int[],"
     " $6::int[], $7::int[], $8::int[], $9::smallint[], $10::timestamptz[]) ON CONFLICT DO NOTHING"},
    {"latest",
     "INSERT INTO latest_position AS l SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::int[], $4::int[],"
     " $5::int[], $6::int[], $7::int[], $8::int[], $9::smallint[], $10::timestamptz[]) ON CONFLICT (worker_id) DO "
     "UPDATE"
     " SET taken_at = excluded.taken_at, latitude_e7 = excluded.latitude_e7, longitude_e7 = excluded.longitude_e7,"
     " speed_cm_s = excluded.speed_cm_s, heading_cdeg = excluded.heading_cdeg, accuracy_cm = excluded.accuracy_cm,"
     " altitude_cm = excluded.altitude_cm, battery_percent = excluded.battery_percent,"
     " received_at = excluded.received_at WHERE l.taken_at < excluded.taken_at"},
    // The same for workers that have a last position: it takes two thirds of the time, and half of the WAL.
    {"moved",
     "UPDATE latest_position l SET taken_at = u.taken_at, latitude_e7 = u.latitude_e7, longitude_e7 = u.longitude_e7,"
     " speed_cm_s = u.speed_cm_s, heading_cdeg = u.heading_cdeg, accuracy_cm = u.accuracy_cm,"
     " altitude_cm = u.altitude_cm, battery_percent = u.battery_percent, received_at = u.received_at FROM"
     " unnest($1::int[], $2::timestamptz[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[],"
     " $9::smallint[], $10::timestamptz[]) AS u (worker_id, taken_at, latitude_e7, longitude_e7, speed_cm_s,"
     " heading_cdeg, accuracy_cm, altitude_cm, battery_percent, received_at)"
     " WHERE l.worker_id = u.worker_id AND l.taken_at < u.taken_at"},
    {"connected",
     "INSERT INTO session (worker_id, connected_at, tracker) SELECT * FROM unnest($1::int[], $2::timestamptz[],"
     " $3::text[]) ON CONFLICT DO NOTHING"},
    {"disconnected",
     "UPDATE session s SET disconnected_at = u.at, reason = u.reason, reports = u.reports FROM unnest($1::int[],"
     " $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[]) AS u (id, connected_at, at, reason, reports)"
     " WHERE s.worker_id = u.id AND s.connected_at = u.connected_at"},
    {"state",
     "UPDATE worker w SET online = u.online, session_at = u.session_at, status_at = u.at, tracker = u.tracker FROM"
     " unnest($1::int[], $2::bool[], $3::timestamptz[], $4::timestamptz[], $5::text[])"
     " AS u (id, online, session_at, at, tracker) WHERE w.id = u.id AND (w.session_at IS NULL OR"
     " w.session_at < u.session_at OR (w.session_at = u.session_at AND NOT u.online))"},
    {"set_aside",
     "INSERT INTO set_aside (stream, sequence, team, worker, taken_at, bytes, reason) SELECT * FROM unnest($1::text[],"
     " $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[], $7::text[])"},
    {"position",
     "INSERT INTO stream_position VALUES ($1, to_timestamp(0) + $2::bigint * interval '1 microsecond', $3) ON CONFLICT"
     " (stream) DO UPDATE SET created_at = excluded.created_at, sequence = excluded.sequence"},
};

static bool prepare(struct store *store) {
  for (size_t i = 0; i < sizeof statements / sizeof *statements && !store->prepared; i++) {
    PGresult *result = PQprepare(store->connection, statements[i].name, statements[i].sql, 0, NULL);
    if (!store_good(store, result, statements[i].name)) return false;
  }
  store->prepared = true;
  return true;
}

static int compare_rows(const void *a, const void *b) {
  const struct store_row *x = a, *y = b;
  if (x->worker_id != y->worker_id) return x->worker_id < y->worker_id ? -1 : 1;
  if (x->position.taken_at_us != y->position.taken_at_us) {
    return x->position.taken_at_us < y->position.taken_at_us ? -1 : 1;
  }
  return 0;
}

// The rule of proto/team.proto: the greater session wins, and within one session offline beats online.
static int compare_presences(const void *a, const void *b) {
  const struct store_presence *x = a, *y = b;
  if (x->worker_id != y->worker_id) return x->worker_id < y->worker_id ? -1 : 1;
  if (x->presence.session_us != y->presence.session_us) {
    return x->presence.session_us < y->presence.session_us ? -1 : 1;
  }
  return (int)y->presence.online - (int)x->presence.online;
}

// Whether the next element, if any, is of another worker: the last of a run is the worker's newest.
static bool ends_run(int32_t worker_id, const int32_t *next_worker_id) {
  return !next_worker_id || *next_worker_id != worker_id;
}

static void add_optional(struct pgarray *column, const struct position *p, uint32_t has, int32_t value) {
  if (p->has & has) {
    pgarray_add_int4(column, value);
  } else {
    pgarray_add_null(column);
  }
}

static void start_columns(struct store *store, const enum pg_type *types, size_t count) {
  for (size_t i = 0; i < count; i++) pgarray_start(&store->columns[i], types[i]);
}

static void start_rows(struct store *store) {
  static const enum pg_type types[] = {PG_INT4, PG_TIMESTAMPTZ, PG_INT4, PG_INT4, PG_INT4,
                                       PG_INT4, PG_INT4,        PG_INT4, PG_INT2, PG_TIMESTAMPTZ};
  start_columns(store, types, 10);
}

static void add_row(struct store *store, int32_t worker_id, const struct position *p, int64_t received_at_us) {
  struct pgarray *c = store->columns;
  pgarray_add_int4(&c[0], worker_id);
  pgarray_add_time(&c[1], p->taken_at_us);
  pgarray_add_int4(&c[2], p->latitude_e7);
  pgarray_add_int4(&c[3], p->longitude_e7);
  add_optional(&c[4], p, POSITION_HAS_SPEED, (int32_t)p->speed_cm_s);
  add_optional(&c[5], p, POSITION_HAS_HEADING, (int32_t)p->heading_cdeg);
  add_optional(&c[6], p, POSITION_HAS_ACCURACY, (int32_t)p->accuracy_cm);
  add_optional(&c[7], p, POSITION_HAS_ALTITUDE, p->altitude_cm);
  if (p->has & POSITION_HAS_BATTERY) {
    pgarray_add_int2(&c[8], (int16_t)p->battery_percent);
  } else {
    pgarray_add_null(&c[8]);
  }
  pgarray_add_time(&c[9], received_at_us);
}

// Queues a prepared statement with the first `count` columns.
static bool send(struct store *store, const char *name, size_t count) {
  struct store_params params;
  store_params(store, count, &params);
  return PQsendQueryPrepared(store->connection, name, (int)count, params.values, params.lengths, params.formats, 0);
}

// Rows in any order, any of which may be there already.
static bool send_rows(struct store *store) {
  size_t count = store->rows.len / sizeof(struct store_row);
  struct store_row *rows = (struct store_row *)store->rows.data;
  if (count == 0) return true;
  qsort(rows, count, sizeof *rows, compare_rows);
  start_rows(store);
  for (size_t i = 0; i < count; i++) {
    const struct store_row *row = &rows[i];
    if (row->position.taken_at_us / STORE_DAY_US < store->oldest_day) continue;
    add_row(store, row->worker_id, &row->position, row->received_at_us);
  }
  if (!send(store, "history", 10)) return false;
  start_rows(store);
  for (size_t i = 0; i < count; i++) {
    const struct store_row *row = &rows[i];
    if (!ends_run(row->worker_id, i + 1 < count ? &row[1].worker_id : NULL)) continue;
    add_row(store, row->worker_id, &row->position, row->received_at_us);
  }
  return send(store, "latest", 10);
}

static size_t list_count(const struct buffer *list) {
  return list->len / sizeof(uint32_t);
}

// Fills the columns from a list that store_split made.
static void add_list(struct store *store, const struct buffer *list) {
  const uint32_t *places = (const uint32_t *)(const void *)list->data;
  start_rows(store);
  for (size_t i = 0; i < list_count(list); i++) {
    const struct store_update *update = &store->batch->updates[places[i]];
    add_row(store, update->worker->id, &update->update.position, update->update.received_at_us);
  }
}

static bool send_list(struct store *store, const char *name, const struct buffer *list) {
  if (list->len == 0) return true;
  add_list(store, list);
  return send(store, name, 10);
}

static void add_connected(struct store *store, const struct store_presence *p) {
  struct pgarray *c = store->columns;
  pgarray_add_int4(&c[0], p->worker_id);
  pgarray_add_time(&c[1], p->presence.session_us);
  pgarray_add_text(&c[2], p->tracker.data, p->tracker.len);
}

static void add_disconnected(struct store *store, const struct store_presence *p) {
  struct pgarray *c = store->columns;
  pgarray_add_int4(&c[0], p->worker_id);
  pgarray_add_time(&c[1], p->presence.session_us);
  pgarray_add_time(&c[2], p->presence.at_us);
  pgarray_add_text(&c[3], p->presence.reason.data, p->presence.reason.len);
  pgarray_add_int8(&c[4], (int64_t)p->presence.reports);
}

static void add_state(struct store *store, const struct store_presence *p) {
  struct pgarray *c = store->columns;
  pgarray_add_int4(&c[0], p->worker_id);
  pgarray_add_bool(&c[1], p->presence.online);
  pgarray_add_time(&c[2], p->presence.session_us);
  pgarray_add_time(&c[3], p->presence.at_us);
  pgarray_add_text(&c[4], p->tracker.data, p->tracker.len);
}

static bool send_presences(struct store *store) {
  static const enum pg_type connected[] = {PG_INT4, PG_TIMESTAMPTZ, PG_TEXT};
  static const enum pg_type disconnected[] = {PG_INT4, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT, PG_INT8};
  static const enum pg_type state[] = {PG_INT4, PG_BOOL, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT};
  size_t count = store->presences.len / sizeof(struct store_presence);
  struct store_presence *presences = (struct store_presence *)store->presences.data;
  if (count == 0) return true;
  qsort(presences, count, sizeof *presences, compare_presences);
  start_columns(store, connected, 3);
  for (size_t i = 0; i < count; i++) add_connected(store, &presences[i]);
  if (!send(store, "connected", 3)) return false;
  start_columns(store, disconnected, 5);
  for (size_t i = 0; i < count; i++) {
    if (!presences[i].presence.online) add_disconnected(store, &presences[i]);
  }
  if (!send(store, "disconnected", 5)) return false;
  start_columns(store, state, 5);
  for (size_t i = 0; i < count; i++) {
    const struct store_presence *p = &presences[i];
    if (ends_run(p->worker_id, i + 1 < count ? &p[1].worker_id : NULL)) add_state(store, p);
  }
  return send(store, "state", 5);
}

static void add_presence(struct store *store, const struct store_update *update) {
  struct store_presence presence = {update->worker->id, update->tracker, update->update.presence};
  if (update->update.has_presence) buffer_append(&store->presences, &presence, sizeof presence);
}

// Sends all that these updates ask for but what is refused; the history's statement, if any, is the first.
static bool send_updates(struct store *store, const struct store_update *updates, size_t count) {
  store->rows.len = store->presences.len = 0;
  for (size_t i = 0; i < count; i++) {
    const struct update *update = &updates[i].update;
    if (updates[i].refused) continue;
    struct store_row row = {updates[i].worker->id, update->received_at_us, update->position};
    if (update->has_position) buffer_append(&store->rows, &row, sizeof row);
    add_presence(store, &updates[i]);
  }
  return send_rows(store) && send_presences(store);
}

static void add_id(struct pgarray *column, struct slice id) {
  if (id.len) {
    pgarray_add_text(column, id.data, id.len);
  } else {
    pgarray_add_null(column);
  }
}

static void add_refused(struct store *store, const char *stream, const struct store_update *update) {
  struct pgarray *c = store->columns;
  int64_t taken_at_us = update->update.position.taken_at_us;
  pgarray_add_text(&c[0], stream, strlen(stream));
  pgarray_add_int8(&c[1], (int64_t)update->sequence);
  add_id(&c[2], update->update.team);
  add_id(&c[3], update->update.worker);
  if (update->update.has_position && taken_at_us >= 0 && taken_at_us / STORE_DAY_US < STORE_DAYS) {
    pgarray_add_time(&c[4], taken_at_us);
  } else {
    pgarray_add_null(&c[4]);
  }
  pgarray_add_text(&c[5], update->bytes.data, update->bytes.len);
  pgarray_add_text(&c[6], update->refused, strlen(update->refused));
}

static bool send_refused(struct store *store, const struct store_batch *batch, size_t *out_count) {
  static const enum pg_type types[] = {PG_TEXT, PG_INT8, PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ, PG_BYTEA, PG_TEXT};
  const char *first = NULL;
  *out_count = 0;
  start_columns(store, types, 7);
  for (size_t i = 0; i < batch->count; i++) {
    if (!batch->updates[i].refused) continue;
    if (!first) first = batch->updates[i].refused;
    add_refused(store, batch->stream, &batch->updates[i]);
    ++*out_count;
  }
  if (*out_count == 0) return true;
  log_warn("set_aside", "updates=%zu reason=%s", *out_count, LOG_TEXT(first, strlen(first)));
  return send(store, "set_aside", 7);
}

static bool send_stream_position(struct store *store, const struct store_batch *batch) {
  char created[32], sequence[32];
  snprintf(created, sizeof created, "%lld", (long long)batch->stream_created_us);
  snprintf(sequence, sizeof sequence, "%llu", (unsigned long long)batch->sequence);
  const char *const values[] = {batch->stream, created, sequence};
  return PQsendQueryPrepared(store->connection, "position", 3, values, NULL, NULL, 0);
}

static bool send_simple(struct store *store, const char *sql) {
  return PQsendQueryParams(store->connection, sql, 0, NULL, NULL, NULL, NULL, 0);
}

// ---- running what was sent ----

enum outcome { OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_FAILED };

// Looks at one result; a refusal's reason goes to *out_reason.
static enum outcome judge(struct store *store, PGresult *result, char **out_reason) {
  if (!store_refuses(result)) return store_good(store, result, "write") ? OUTCOME_DONE : OUTCOME_FAILED;
  *out_reason = store_reason(result);
  PQclear(result);
  return OUTCOME_REFUSED;
}

// Ends the pipeline and reads the results. In a pipeline PQgetResult says NULL after each statement. *out_inserted
// grows by what the history's statement inserted.
static enum outcome run(struct store *store, bool sent, size_t *out_inserted, char **out_reason) {
  enum outcome outcome = OUTCOME_DONE;
  int statement = 0;
  if (!sent || !PQpipelineSync(store->connection)) {
    const char *text = PQerrorMessage(store->connection);
    log_error("store_failed", "what=send fault=%s", LOG_TEXT(text, strcspn(text, "\n")));
    return OUTCOME_FAILED;
  }
  for (bool idle = false;;) {
    PGresult *result = store_result(store);
    // A broken connection gives errors, or nothing, without end: the first failure is the last that is read.
    if (PQstatus(store->connection) != CONNECTION_OK || (!result && idle)) {
      (void)store_good(store, result, "write");
      return OUTCOME_FAILED;
    }
    idle = !result;
    if (!result) {
      statement++;
      continue;
    }
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC || status == PGRES_PIPELINE_ABORTED) {  // what failed before was judged
      PQclear(result);
      if (status == PGRES_PIPELINE_SYNC) return outcome;
      continue;
    }
    if (statement == store->moved_at) store->moved_count = strtoull(PQcmdTuples(result), NULL, 10);
    if (statement == store->history_at) *out_inserted += strtoull(PQcmdTuples(result), NULL, 10);
    if (outcome == OUTCOME_DONE) {
      outcome = judge(store, result, out_reason);
      if (outcome == OUTCOME_FAILED) return outcome;
    } else {
      PQclear(result);
    }
  }
}

// Writes what of these updates can be written, within the open transaction; marks the rest as refused.
static bool write_parts(struct store *store, struct store_update *updates, size_t count, size_t *out_inserted) {
  char *reason = NULL;
  size_t inserted = 0;
  bool sent =
      send_simple(store, "SAVEPOINT part") && send_updates(store, updates, count) && send_simple(store, "RELEASE part");
  store->moved_at = -1;
  store->history_at = store->rows.len ? 1 : -1;
  enum outcome outcome = run(store, sent, &inserted, &reason);
  if (outcome == OUTCOME_DONE) *out_inserted += inserted;
  if (outcome != OUTCOME_REFUSED) return outcome == OUTCOME_DONE;
  store->history_at = store->moved_at = -1;
  if (run(store, send_simple(store, "ROLLBACK TO part"), &inserted, &reason) != OUTCOME_DONE) {
    free(reason);
    return false;
  }
  if (count == 1) {
    updates->refused = reason;
    return true;
  }
  free(reason);
  return write_parts(store, updates, count / 2, out_inserted) &&
         write_parts(store, updates + count / 2, count - count / 2, out_inserted);
}

static bool write_around_refused(struct store *store, struct store_batch *batch, struct store_written *out) {
  char *reason = NULL;
  size_t none = 0;
  store->history_at = store->moved_at = -1;
  if (run(store, send_simple(store, "ROLLBACK") && send_simple(store, "BEGIN"), &none, &reason) != OUTCOME_DONE) {
    return false;
  }
  out->inserted = 0;
  if (!write_parts(store, batch->updates, batch->count, &out->inserted)) return false;
  store->history_at = store->moved_at = -1;
  bool sent =
      send_refused(store, batch, &out->set_aside) && send_stream_position(store, batch) && send_simple(store, "COMMIT");
  enum outcome outcome = run(store, sent, &none, &reason);
  if (outcome == OUTCOME_REFUSED)
    log_error("store_failed", "what=set_aside fault=%s", LOG_TEXT(reason, strlen(reason)));
  free(reason);
  return outcome == OUTCOME_DONE;
}

static bool send_batch_presences(struct store *store) {
  const struct store_batch *batch = store->batch;
  store->presences.len = 0;
  for (size_t i = 0; i < batch->count && store->presence_count; i++) {
    if (!batch->updates[i].refused) add_presence(store, &batch->updates[i]);
  }
  return send_presences(store);
}

// Sends what COPY left. The columns are those of moved workers already.
static bool send_rest(struct store *store, size_t *out_set_aside) {
  const struct store_batch *batch = store->batch;
  bool begun = store->fresh.len > 0, moves = store->moved.len > 0;
  store->moved_at = begun ? 0 : 1;
  store->history_at = store->older.len == 0 ? -1 : store->moved_at + moves;
  if (!moves) store->moved_at = -1;
  return (begun || send_simple(store, "BEGIN")) && (!moves || send(store, "moved", 10)) &&
         send_list(store, "history", &store->older) && send_list(store, "latest", &store->first) &&
         send_batch_presences(store) && (!store->refused_count || send_refused(store, batch, out_set_aside)) &&
         send_stream_position(store, batch) && send_simple(store, "COMMIT");
}

// The usual way, which is quick and takes all or nothing. Leaves the connection in pipeline mode, unless it failed.
static enum outcome write_whole(struct store *store, struct store_written *out) {
  enum outcome outcome = OUTCOME_DONE;
  PGresult *copied = NULL;
  char *reason = NULL;
  store_split(store);
  if (store->fresh.len && !store_copy(store)) return OUTCOME_FAILED;
  add_list(store, &store->moved);  // while Postgres works
  if (store->fresh.len) {
    copied = store_copied(store);
    out->inserted = strtoull(PQcmdTuples(copied), NULL, 10);
    outcome = judge(store, copied, &reason);
  }
  if (outcome == OUTCOME_FAILED || !PQenterPipelineMode(store->connection)) return OUTCOME_FAILED;
  if (outcome == OUTCOME_DONE) outcome = run(store, send_rest(store, &out->set_aside), &out->inserted, &reason);
  free(reason);
  if (outcome != OUTCOME_DONE || store->moved_count == list_count(&store->moved)) return outcome;
  // Somebody else has changed last positions: what is known of workers is to be asked for again.
  log_error("store_failed", "what=moved workers=%zu moved=%zu", list_count(&store->moved), store->moved_count);
  return OUTCOME_FAILED;
}

// What is committed counts for what is fresh in the next batch.
static void note_newest(const struct store_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct store_update *update = &batch->updates[i];
    if (update->refused || !update->update.has_position) continue;
    int64_t taken_at_us = update->update.position.taken_at_us;
    if (taken_at_us > update->worker->newest_us) update->worker->newest_us = taken_at_us;
  }
}

static void note_list(const struct store_batch *batch, const struct buffer *list) {
  const uint32_t *places = (const uint32_t *)(const void *)list->data;
  for (size_t i = 0; i < list_count(list); i++) {
    const struct store_update *update = &batch->updates[places[i]];
    update->worker->newest_us = update->update.position.taken_at_us;
  }
}

bool store_write(struct store *store, struct store_batch *batch, struct store_written *out) {
  *out = (struct store_written){0};
  store->batch = batch;
  store->moved_count = 0;
  if (!prepare(store)) return false;
  enum outcome outcome = write_whole(store, out);
  if (outcome == OUTCOME_DONE) {
    out->positions = store->positions;
    note_list(batch, &store->first);
    note_list(batch, &store->moved);
  } else if (outcome == OUTCOME_REFUSED && write_around_refused(store, batch, out)) {
    for (size_t i = 0; i < batch->count; i++) {
      out->positions += !batch->updates[i].refused && batch->updates[i].update.has_position;
    }
    note_newest(batch);
  } else {
    return false;
  }
  store->batch = NULL;
  return PQexitPipelineMode(store->connection);
}

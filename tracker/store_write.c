// Writing a batch: five statements and a commit in one round trip (pipeline mode), each with whole columns as arrays.
// Rows go in sorted by key, so that index pages are touched in order and no two writers could ever deadlock.
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

static void add_row(struct store *store, const struct store_row *row) {
  struct pgarray *c = store->columns;
  const struct position *p = &row->position;
  pgarray_add_int4(&c[0], row->worker_id);
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
  pgarray_add_time(&c[9], row->received_at_us);
}

// Queues a prepared statement with the first `count` columns.
static bool send(struct store *store, const char *name, size_t count) {
  struct store_params params;
  store_params(store, count, &params);
  return PQsendQueryPrepared(store->connection, name, (int)count, params.values, params.lengths, params.formats, 0);
}

static bool send_rows(struct store *store, const struct store_batch *batch) {
  if (batch->row_count == 0) return true;
  start_rows(store);
  for (size_t i = 0; i < batch->row_count; i++) add_row(store, &batch->rows[i]);
  if (!send(store, "history", 10)) return false;
  start_rows(store);
  for (size_t i = 0; i < batch->row_count; i++) {
    const struct store_row *row = &batch->rows[i];
    if (ends_run(row->worker_id, i + 1 < batch->row_count ? &row[1].worker_id : NULL)) add_row(store, row);
  }
  return send(store, "latest", 10);
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

static bool send_presences(struct store *store, const struct store_batch *batch) {
  if (batch->presence_count == 0) return true;
  static const enum pg_type connected[] = {PG_INT4, PG_TIMESTAMPTZ, PG_TEXT};
  static const enum pg_type disconnected[] = {PG_INT4, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT, PG_INT8};
  static const enum pg_type state[] = {PG_INT4, PG_BOOL, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT};
  start_columns(store, connected, 3);
  for (size_t i = 0; i < batch->presence_count; i++) add_connected(store, &batch->presences[i]);
  if (!send(store, "connected", 3)) return false;
  start_columns(store, disconnected, 5);
  for (size_t i = 0; i < batch->presence_count; i++) {
    if (!batch->presences[i].presence.online) add_disconnected(store, &batch->presences[i]);
  }
  if (!send(store, "disconnected", 5)) return false;
  start_columns(store, state, 5);
  for (size_t i = 0; i < batch->presence_count; i++) {
    const struct store_presence *p = &batch->presences[i];
    if (ends_run(p->worker_id, i + 1 < batch->presence_count ? &p[1].worker_id : NULL)) add_state(store, p);
  }
  return send(store, "state", 5);
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

// Reads the results up to the pipeline's end. In a pipeline PQgetResult says NULL after each statement.
static bool receive_all(struct store *store, bool has_rows, size_t *out_inserted) {
  bool good = true;
  int statement = 0;  // 0: BEGIN, then 1: history, if there are rows
  *out_inserted = 0;
  for (;;) {
    PGresult *result = PQgetResult(store->connection);
    if (!result) {
      if (PQstatus(store->connection) != CONNECTION_OK) return false;
      statement++;
      continue;
    }
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      return good;
    }
    if (status == PGRES_PIPELINE_ABORTED) {  // an earlier statement failed and was logged
      PQclear(result);
      continue;
    }
    if (has_rows && statement == 1) *out_inserted = strtoull(PQcmdTuples(result), NULL, 10);
    good = store_good(store, result, "write") && good;
  }
}

bool store_write(struct store *store, struct store_batch *batch, size_t *out_inserted) {
  if (!prepare(store) || !PQenterPipelineMode(store->connection)) return false;
  if (batch->row_count) qsort(batch->rows, batch->row_count, sizeof *batch->rows, compare_rows);
  if (batch->presence_count) {
    qsort(batch->presences, batch->presence_count, sizeof *batch->presences, compare_presences);
  }
  bool sent = send_simple(store, "BEGIN") && send_rows(store, batch) && send_presences(store, batch) &&
              send_stream_position(store, batch) && send_simple(store, "COMMIT") && PQpipelineSync(store->connection);
  if (!sent) {
    log_error("store_failed", "what=send fault=%s",
              LOG_TEXT(PQerrorMessage(store->connection), strcspn(PQerrorMessage(store->connection), "\n")));
    return false;
  }
  return receive_all(store, batch->row_count > 0, out_inserted) && PQexitPipelineMode(store->connection);
}

// The recorder's Postgres: connection, schema, lock, workers' ids, stream position. store_write.c and
// store_copy.c write batches, store_days.c looks after the partitions.
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "store_private.h"

// Advisory lock keys: any numbers that nobody else takes.
#define LOCK_RECORDER "5571010101"
#define LOCK_SCHEMA "5571010102"

// A dead client must not keep the recorder's lock: the server, too, drops a connection that does not answer for 3 s.
// A client that hangs answers still, because its kernel does; so the server also ends a session that says nothing.
#define SESSION_SETTINGS                                                                                 \
  "-c synchronous_commit=off -c TimeZone=UTC -c client_min_messages=warning -c client_encoding=UTF8 -c " \
  "tcp_keepalives_idle=2 "                                                                               \
  "-c tcp_keepalives_interval=1 -c tcp_keepalives_count=2 -c tcp_user_timeout=3000 -c lock_timeout=10s " \
  "-c idle_session_timeout=3s -c idle_in_transaction_session_timeout=3s"

bool store_good(struct store *store, PGresult *result, const char *what) {
  ExecStatusType status = PQresultStatus(result);
  bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  if (!good) {
    const char *text = result ? PQresultErrorMessage(result) : PQerrorMessage(store->connection);
    log_error("store_failed", "what=%s fault=%s", what, LOG_TEXT(text, strcspn(text, "\n")));
  }
  PQclear(result);
  return good;
}

bool store_refuses(const PGresult *result) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  // Data exception, constraint violation, check option, raised by a trigger, limit of an index row's size.
  static const char *const classes[] = {"22", "23", "44", "P0", "54"};
  for (size_t i = 0; state && i < sizeof classes / sizeof *classes; i++) {
    if (strncmp(state, classes[i], 2) == 0) return true;
  }
  return false;
}

char *store_reason(const PGresult *result) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  char *reason = NULL;
  if (asprintf(&reason, "%s: %s", state ? state : "?????", text ? text : "no reason given") < 0) abort();
  return reason;
}

bool store_execute(struct store *store, const char *sql, const char *what) {
  return store_good(store, PQexec(store->connection, sql), what);
}

// Postgres' warnings, which libpq would print to standard error as they are.
static void on_notice(void *context, const char *text) {
  (void)context;
  log_warn("store_notice", "text=%s", LOG_TEXT(text, strcspn(text, "\n")));
}

bool store_understands(const char *database_url) {
  PQconninfoOption *options = PQconninfoParse(database_url, NULL);
  PQconninfoFree(options);
  return options != NULL;
}

struct store *store_open(const char *database_url) {
  const char *const names[] = {"dbname",
                               "connect_timeout",
                               "keepalives_idle",
                               "keepalives_interval",
                               "keepalives_count",
                               "tcp_user_timeout",
                               "application_name",
                               "options",
                               NULL};
  const char *const values[] = {database_url, "3", "2", "1", "2", "3000", "muster-recorder", SESSION_SETTINGS, NULL};
  struct store *store = calloc(1, sizeof *store);
  if (!store) abort();
  store->connection = PQconnectdbParams(names, values, 1);
  PQsetNoticeProcessor(store->connection, on_notice, NULL);
  if (PQstatus(store->connection) == CONNECTION_OK) return store;
  const char *text = PQerrorMessage(store->connection);
  log_warn("store_unreachable", "fault=%s", LOG_TEXT(text, strcspn(text, "\n")));
  store_close(store);
  return NULL;
}

void store_close(struct store *store) {
  if (!store) return;
  PQfinish(store->connection);
  for (size_t i = 0; i < STORE_COLUMNS; i++) pgarray_fini(&store->columns[i]);
  struct buffer *const buffers[] = {&store->rows,  &store->presences, &store->places, &store->spare,
                                    &store->fresh, &store->older,     &store->first,  &store->moved};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) buffer_fini(buffers[i]);
  free(store);
}

void store_break(struct store *store) {
  shutdown(PQsocket(store->connection), SHUT_RDWR);
}

static bool query_bool(struct store *store, const char *sql, bool *out, const char *what) {
  PGresult *result = PQexec(store->connection, sql);
  bool value = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';
  if (!store_good(store, result, what)) return false;
  *out = value;
  return true;
}

static bool apply(struct store *store, const struct embedded *file) {
  int version = atoi(file->name);
  char sql[128];
  bool done;
  if (version == 0) return store_execute(store, (const char *)file->data, file->name);  // each time
  snprintf(sql, sizeof sql, "SELECT EXISTS (SELECT FROM schema_version WHERE version = %d)", version);
  if (!query_bool(store, sql, &done, "schema_version")) return false;
  if (done) return true;
  if (!store_execute(store, "BEGIN", "begin") || !store_execute(store, (const char *)file->data, file->name))
    return false;
  snprintf(sql, sizeof sql, "INSERT INTO schema_version (version) VALUES (%d)", version);
  if (!store_execute(store, sql, "schema_version") || !store_execute(store, "COMMIT", "commit")) return false;
  log_info("schema_applied", "file=%s", file->name);
  return true;
}

bool store_migrate(struct store *store, const struct embedded *schema) {
  if (!store_execute(store, "SELECT pg_advisory_lock(" LOCK_SCHEMA ")", "schema_lock") ||
      !store_execute(store,
                     "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY,"
                     " applied_at timestamptz NOT NULL DEFAULT now())",
                     "schema_version")) {
    return false;
  }
  for (; schema->name; schema++) {
    if (!apply(store, schema)) return false;
  }
  return store_execute(store, "SELECT pg_advisory_unlock(" LOCK_SCHEMA ")", "schema_unlock");
}

bool store_is_migrated(struct store *store, const struct embedded *schema) {
  int newest = 0;
  for (; schema->name; schema++) {
    if (atoi(schema->name) > newest) newest = atoi(schema->name);
  }
  char sql[128];
  bool there = false;
  snprintf(sql, sizeof sql, "SELECT EXISTS (SELECT FROM schema_version WHERE version = %d)", newest);
  if (!query_bool(store, sql, &there, "schema_version")) return false;
  if (!there) log_error("schema_too_old", "wanted=%d hint=\"muster-tracker --provision only\"", newest);
  return there;
}

// The server has no time limit for a session that hung in the middle of a pipeline: it holds the lock, is not idle, and
// waits for the rest from its client. So whoever wants the lock ends it.
#define END_HUNG_LEADER                                                                                                \
  "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE state = 'active' AND"                       \
  " wait_event = 'ClientRead' AND greatest(query_start, state_change) < clock_timestamp() - interval '3 s' AND pid IN" \
  " (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND"                            \
  "  database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND"                                  \
  "  (classid::bigint << 32) + objid::bigint = " LOCK_RECORDER ")"

bool store_try_lead(struct store *store, bool *out_leads) {
  bool ended = false;
  if (!query_bool(store, "SELECT pg_try_advisory_lock(" LOCK_RECORDER ")", out_leads, "lead")) return false;
  if (*out_leads) return true;
  if (!query_bool(store, END_HUNG_LEADER, &ended, "hung_leader")) return false;
  if (ended) log_warn("hung_leader_ended", "lock=recorder");
  return true;
}

bool store_resign(struct store *store) {
  return store_execute(store, "SELECT pg_advisory_unlock(" LOCK_RECORDER ")", "resign");
}

bool store_ping(struct store *store) {
  return store_execute(store, "SELECT", "ping");
}

bool store_position(struct store *store, const char *stream, int64_t created_us, uint64_t *out_sequence) {
  char created[32];
  snprintf(created, sizeof created, "%" PRId64, created_us);
  const char *const values[] = {stream, created};
  PGresult *result = PQexecParams(store->connection,
                                  "SELECT sequence FROM stream_position WHERE stream = $1 AND created_at ="
                                  " to_timestamp(0) + $2::bigint * interval '1 microsecond'",
                                  2, NULL, values, NULL, NULL, 0);
  uint64_t sequence = PQntuples(result) == 1 ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
  if (!store_good(store, result, "stream_position")) return false;
  *out_sequence = sequence;
  return true;
}

#define CREATED "(to_timestamp(0) + $2::bigint * interval '1 microsecond')"
// Marks beyond the position are of a stream that has lost its end since.
#define MARK                                                                                                        \
  "WITH here AS (SELECT * FROM stream_position WHERE stream = $1 AND created_at = " CREATED                         \
  "),"                                                                                                              \
  " old AS (SELECT max(m.sequence) AS sequence FROM stream_mark m JOIN here USING (stream, created_at)"             \
  "  WHERE m.sequence <= here.sequence AND marked_at <= now() - $3::int * interval '1 second'),"                    \
  " gone AS (DELETE FROM stream_mark m WHERE stream = $1 AND (created_at <> " CREATED                               \
  "  OR m.sequence < (SELECT sequence FROM old) OR m.sequence > (SELECT sequence FROM here))),"                     \
  " added AS (INSERT INTO stream_mark (stream, created_at, sequence) SELECT stream, created_at, sequence FROM here" \
  "  WHERE NOT EXISTS (SELECT FROM stream_mark m WHERE (m.stream, m.created_at, m.sequence) ="                      \
  "   (here.stream, here.created_at, here.sequence))) SELECT coalesce((SELECT sequence FROM old), 0)"

bool store_mark(struct store *store, const char *stream, int64_t created_us, long keep_s, uint64_t *out_sequence) {
  char created[32], keep[32];
  snprintf(created, sizeof created, "%" PRId64, created_us);
  snprintf(keep, sizeof keep, "%ld", keep_s);
  const char *const values[] = {stream, created, keep};
  PGresult *result = PQexecParams(store->connection, MARK, 3, NULL, values, NULL, NULL, 0);
  uint64_t sequence = PQntuples(result) == 1 ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
  if (!store_good(store, result, "mark")) return false;
  *out_sequence = sequence;
  return true;
}

#define FIND_WORKERS                                                                                                \
  "WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (team, name, place)),"         \
  " added AS (INSERT INTO worker (team, name) SELECT team, name FROM wanted WHERE NOT EXISTS"                       \
  "  (SELECT FROM worker WHERE (worker.team, worker.name) = (wanted.team, wanted.name)) RETURNING id, team, name)," \
  " known AS (SELECT id, team, name FROM worker JOIN wanted USING (team, name) UNION ALL TABLE added)"              \
  " SELECT place::int, id, (extract(epoch FROM taken_at) * 1000000)::bigint FROM known JOIN wanted USING"           \
  " (team, name) LEFT JOIN latest_position ON worker_id = id"

static PGresult *find_workers(struct store *store, struct store_worker **workers, size_t count) {
  struct pgarray *teams = &store->columns[0], *names = &store->columns[1];
  pgarray_start(teams, PG_TEXT);
  pgarray_start(names, PG_TEXT);
  for (size_t i = 0; i < count; i++) {
    pgarray_add_text(teams, workers[i]->team.data, workers[i]->team.len);
    pgarray_add_text(names, workers[i]->name.data, workers[i]->name.len);
  }
  struct store_params params;
  store_params(store, 2, &params);
  return PQexecParams(store->connection, FIND_WORKERS, 2, NULL, params.values, params.lengths, params.formats, 0);
}

bool store_workers(struct store *store, struct store_worker **workers, size_t count) {
  PGresult *result = find_workers(store, workers, count);
  if (store_refuses(result) && count > 1) {
    PQclear(result);
    return store_workers(store, workers, count / 2) && store_workers(store, workers + count / 2, count - count / 2);
  }
  if (store_refuses(result)) {
    workers[0]->refused = store_reason(result);
    PQclear(result);
    return true;
  }
  int found = PQntuples(result);
  for (int row = 0; row < found; row++) {
    struct store_worker *worker = workers[atoi(PQgetvalue(result, row, 0)) - 1];
    worker->id = atoi(PQgetvalue(result, row, 1));
    worker->newest_us = PQgetisnull(result, row, 2) ? STORE_NEVER : strtoll(PQgetvalue(result, row, 2), NULL, 10);
  }
  return store_good(store, result, "workers") && (size_t)found == count;
}

#define LOST_SESSIONS                                                                                                  \
  "SELECT team, name, s.tracker, (extract(epoch FROM connected_at) * 1000000)::bigint FROM session s JOIN worker"      \
  " ON id = worker_id WHERE disconnected_at IS NULL AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[])" \
  " AS living (id, started_at) WHERE living.id = s.tracker AND s.connected_at >= started_at)"                          \
  " ORDER BY s.tracker, team LIMIT $3::int8"

bool store_lost_sessions(struct store *store, const struct roll_tracker *living, size_t living_count,
                         struct store_session *out, size_t room, size_t *out_count) {
  struct pgarray *c = store->columns;
  pgarray_start(&c[0], PG_TEXT);
  pgarray_start(&c[1], PG_TIMESTAMPTZ);
  for (size_t i = 0; i < living_count; i++) {
    pgarray_add_text(&c[0], living[i].id, strlen(living[i].id));
    pgarray_add_time(&c[1], living[i].started_at_us);
  }
  struct store_params params;
  store_params(store, 2, &params);
  char limit[32];
  snprintf(limit, sizeof limit, "%zu", room);
  params.values[2] = limit;
  params.formats[2] = 0;
  PGresult *result =
      PQexecParams(store->connection, LOST_SESSIONS, 3, NULL, params.values, params.lengths, params.formats, 0);
  int found = PQntuples(result);
  for (int row = 0; row < found; row++) {
    struct store_session *session = &out[row];
    snprintf(session->team, sizeof session->team, "%s", PQgetvalue(result, row, 0));
    snprintf(session->worker, sizeof session->worker, "%s", PQgetvalue(result, row, 1));
    snprintf(session->tracker, sizeof session->tracker, "%s", PQgetvalue(result, row, 2));
    session->session_us = strtoll(PQgetvalue(result, row, 3), NULL, 10);
  }
  *out_count = (size_t)found;
  return store_good(store, result, "lost_sessions");
}

void store_params(struct store *store, size_t count, struct store_params *out) {
  for (size_t i = 0; i < count; i++) {
    pgarray_finish(&store->columns[i]);
    out->values[i] = (const char *)store->columns[i].bytes.data;
    out->lengths[i] = (int)store->columns[i].bytes.len;
    out->formats[i] = 1;
  }
}

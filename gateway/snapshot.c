// Queries with text results: a row is a handful of whole numbers, and all teams that wait come in one query.
#include "snapshot.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "subject.h"

#define RETRY_AFTER_US 500000  // after a failure, calls fail at once for so long

struct snapshot {
  char *url;
  PGconn *connection;
  int64_t failed_us;
  bool complained;  // a failure is logged once, until it works again
};

bool snapshot_understands(const char *database_url) {
  PQconninfoOption *options = PQconninfoParse(database_url, NULL);
  PQconninfoFree(options);
  return options != NULL;
}

struct snapshot *snapshot_new(const char *database_url) {
  struct snapshot *snapshot = calloc(1, sizeof *snapshot);
  if (!snapshot || !(snapshot->url = strdup(database_url))) abort();
  snapshot->failed_us = -RETRY_AFTER_US;
  return snapshot;
}

void snapshot_free(struct snapshot *snapshot) {
  if (!snapshot) return;
  PQfinish(snapshot->connection);
  free(snapshot->url);
  free(snapshot);
}

static void give_up(struct snapshot *snapshot, const char *doing) {
  const char *text = snapshot->connection ? PQerrorMessage(snapshot->connection) : "out of memory";
  if (!snapshot->complained) {
    log_warn("postgres_failed", "doing=%s error=%s", doing, LOG_TEXT(text, strcspn(text, "\n")));
  }
  snapshot->complained = true;
  snapshot->failed_us = clock_mono_us();
  PQfinish(snapshot->connection);
  snapshot->connection = NULL;
}

static bool succeed(struct snapshot *snapshot) {
  if (snapshot->complained)
    log_info("postgres_back", "after_ms=%lld", (clock_mono_us() - snapshot->failed_us) / 1000LL);
  snapshot->complained = false;
  return true;
}

// A connection that was closed while nobody used it, as a restart of Postgres does, is no failure: it is made anew. The
// first read may bring Postgres' parting words, the second the end.
static void drop_if_closed(struct snapshot *snapshot) {
  if (!snapshot->connection || PQtransactionStatus(snapshot->connection) != PQTRANS_IDLE) return;
  if (PQconsumeInput(snapshot->connection) && PQconsumeInput(snapshot->connection)) return;
  PQfinish(snapshot->connection);
  snapshot->connection = NULL;
}

static bool connect_if_needed(struct snapshot *snapshot) {
  drop_if_closed(snapshot);
  if (snapshot->connection) return true;
  if (clock_mono_us() - snapshot->failed_us < RETRY_AFTER_US) return false;
  // What follows dbname overrides it; keepalives and timeouts bound the wait for a server that vanished.
  const char *names[] = {"dbname",
                         "application_name",
                         "connect_timeout",
                         "keepalives_idle",
                         "keepalives_interval",
                         "keepalives_count",
                         "tcp_user_timeout",
                         NULL};
  const char *values[] = {snapshot->url, "muster-gateway", "3", "5", "2", "2", "5000", NULL};
  snapshot->connection = PQconnectdbParams(names, values, 1);
  if (PQstatus(snapshot->connection) != CONNECTION_OK) {
    give_up(snapshot, "connect");
    return false;
  }
  PGresult *result =
      PQexec(snapshot->connection, "SET statement_timeout = 5000; SET default_transaction_read_only = on");
  bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  if (!good) give_up(snapshot, "set up");
  return good;
}

// Returns the rows, or NULL after having given the connection up.
static PGresult *query(struct snapshot *snapshot, const char *sql, const char *parameter) {
  if (!connect_if_needed(snapshot)) return NULL;
  PGresult *result =
      PQexecParams(snapshot->connection, sql, parameter ? 1 : 0, NULL, parameter ? &parameter : NULL, NULL, NULL, 0);
  ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
  PQclear(result);
  give_up(snapshot, "query");
  return NULL;
}

static bool command(struct snapshot *snapshot, const char *sql) {
  PGresult *result = query(snapshot, sql, NULL);
  PQclear(result);
  return result != NULL;
}

static int64_t number(const PGresult *result, int row, int column) {
  return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static struct slice text(const PGresult *result, int row, int column) {
  return (struct slice){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

// Of those that may be null: notes that the value is there.
static int64_t optional(const PGresult *result, int row, int column, enum position_has has, struct position *position) {
  if (PQgetisnull(result, row, column)) return 0;
  position->has |= (uint32_t)has;
  return number(result, row, column);
}

enum {
  TEAM,
  NAME,
  ONLINE,
  SESSION_AT,
  TRACKER,
  TAKEN_AT,
  LATITUDE,
  LONGITUDE,
  SPEED,
  HEADING,
  ACCURACY,
  ALTITUDE,
  BATTERY,
  RECEIVED_AT
};
static const char load_sql[] =
    "SELECT w.team, w.name, w.online, (extract(epoch FROM w.session_at) * 1000000)::bigint, w.tracker, "
    "(extract(epoch FROM p.taken_at) * 1000000)::bigint, p.latitude_e7, p.longitude_e7, p.speed_cm_s, p.heading_cdeg, "
    "p.accuracy_cm, p.altitude_cm, p.battery_percent, (extract(epoch FROM p.received_at) * 1000000)::bigint "
    "FROM worker w LEFT JOIN latest_position p ON p.worker_id = w.id WHERE w.team = ANY ($1::text[])";

static struct position position_of(const PGresult *result, int row) {
  struct position p = {.has = POSITION_HAS_ALL_REQUIRED};
  p.taken_at_us = number(result, row, TAKEN_AT);
  p.latitude_e7 = (int32_t)number(result, row, LATITUDE);
  p.longitude_e7 = (int32_t)number(result, row, LONGITUDE);
  p.speed_cm_s = (uint32_t)optional(result, row, SPEED, POSITION_HAS_SPEED, &p);
  p.heading_cdeg = (uint32_t)optional(result, row, HEADING, POSITION_HAS_HEADING, &p);
  p.accuracy_cm = (uint32_t)optional(result, row, ACCURACY, POSITION_HAS_ACCURACY, &p);
  p.altitude_cm = (int32_t)optional(result, row, ALTITUDE, POSITION_HAS_ALTITUDE, &p);
  p.battery_percent = (uint32_t)optional(result, row, BATTERY, POSITION_HAS_BATTERY, &p);
  return p;
}

static int64_t heard_us(const PGresult *result, int row, int column) {
  return team_heard_us(number(result, row, column), clock_wall_us(), clock_mono_us());
}

static void merge_row(struct team *team, const PGresult *result, int row) {
  struct slice worker = text(result, row, NAME), tracker = text(result, row, TRACKER);
  if (!ident_valid(worker.data, worker.len)) return;  // nothing of ours writes such a name
  if (!ident_valid(tracker.data, tracker.len)) tracker.len = 0;
  team_merge_worker(team, worker);
  if (!PQgetisnull(result, row, SESSION_AT)) {
    bool online = *PQgetvalue(result, row, ONLINE) == 't';
    team_merge_presence(team, worker, online, number(result, row, SESSION_AT), tracker,
                        heard_us(result, row, SESSION_AT));
  }
  if (!PQgetisnull(result, row, TAKEN_AT)) {
    struct position position = position_of(result, row);
    team_merge_position(team, worker, &position, heard_us(result, row, RECEIVED_AT));
  }
}

static bool load_rows(struct snapshot *snapshot, struct team *const *teams, size_t count) {
  struct buffer names = {0};
  for (size_t i = 0; i < count; i++) buffer_printf(&names, "%c%s", i ? ',' : '{', team_name(teams[i]));
  buffer_append(&names, "}", 2);
  PGresult *result = query(snapshot, load_sql, (const char *)names.data);
  buffer_fini(&names);
  if (!result) return false;
  for (int row = 0; row < PQntuples(result); row++) {
    const char *name = PQgetvalue(result, row, TEAM);
    for (size_t i = 0; i < count; i++) {
      if (strcmp(name, team_name(teams[i])) == 0) merge_row(teams[i], result, row);
    }
  }
  PQclear(result);
  return true;
}

static bool load_point(struct snapshot *snapshot, struct snapshot_point *out_point) {
  PGresult *result = query(snapshot,
                           "SELECT (extract(epoch FROM created_at) * 1000000)::bigint, sequence FROM stream_position "
                           "WHERE stream = $1",
                           SUBJECT_STREAM);
  if (!result) return false;
  *out_point = (struct snapshot_point){.known = PQntuples(result) == 1};
  if (out_point->known) {
    out_point->created_at_us = number(result, 0, 0);
    out_point->sequence = (uint64_t)number(result, 0, 1);
  }
  PQclear(result);
  return true;
}

bool snapshot_load(struct snapshot *snapshot, struct team *const *teams, size_t count,
                   struct snapshot_point *out_point) {
  return command(snapshot, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") && load_point(snapshot, out_point) &&
         load_rows(snapshot, teams, count) && command(snapshot, "COMMIT") && succeed(snapshot);
}

static const char teams_sql[] =
    "SELECT w.team, count(*), count(*) FILTER (WHERE w.online AND s.fresh), "
    "count(*) FILTER (WHERE w.online AND NOT s.fresh) "
    "FROM worker w LEFT JOIN latest_position p ON p.worker_id = w.id, "
    "LATERAL (SELECT $1::bigint = 0 OR coalesce(greatest(p.received_at, w.session_at) > "
    "now() - $1::bigint * interval '1 microsecond', false) AS fresh) s "
    "GROUP BY w.team ORDER BY w.team COLLATE \"C\"";

bool snapshot_teams(struct snapshot *snapshot, int64_t stale_after_us, struct snapshot_team **out_teams,
                    size_t *out_count) {
  char parameter[24];
  snprintf(parameter, sizeof parameter, "%lld", (long long)stale_after_us);
  PGresult *result = query(snapshot, teams_sql, parameter);
  if (!result) return false;
  int rows = PQntuples(result);
  struct snapshot_team *teams = calloc((size_t)rows + 1, sizeof *teams);
  if (!teams) abort();
  for (int row = 0; row < rows; row++) {
    snprintf(teams[row].name, sizeof teams[row].name, "%s", PQgetvalue(result, row, 0));
    teams[row].workers = number(result, row, 1);
    teams[row].online = number(result, row, 2);
    teams[row].stale = number(result, row, 3);
  }
  PQclear(result);
  *out_teams = teams;
  *out_count = (size_t)rows;
  return succeed(snapshot);
}

bool snapshot_knows(struct snapshot *snapshot, const char *team, bool *out_known) {
  PGresult *result = query(snapshot, "SELECT 1 FROM worker WHERE team = $1 LIMIT 1", team);
  if (!result) return false;
  *out_known = PQntuples(result) == 1;
  PQclear(result);
  return succeed(snapshot);
}

bool snapshot_ping(struct snapshot *snapshot) {
  return command(snapshot, "SELECT 1") && succeed(snapshot);
}

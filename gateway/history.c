// Binary results, a row at a time (single-row mode): libpq then never holds more than a row and its read buffer, and
// Postgres waits while we do.
#include "history.h"

#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "time_text.h"

#define LOOK_MS 200           // how often a wait looks whether it should end
#define PATIENCE_US 10000000  // Postgres may take so long for a next row
#define OID_INT4 23
#define OID_TIMESTAMPTZ 1184
#define POSTGRES_EPOCH_US 946684800000000LL  // its timestamps count from 2000-01-01

struct history {
  PGconn *connection;
  PGresult *workers;  // id, name
  int worker;         // that is read, or will be next
  bool reading;       // its query is under way
  char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
};

static void complain(const struct history *history, const char *doing) {
  const char *text = PQerrorMessage(history->connection);
  log_warn("postgres_failed", "doing=%s error=%s", doing, LOG_TEXT(text, strcspn(text, "\n")));
}

// Indexes give the order, so nothing needs to be sorted, however good that looks to the planner. A server whose client
// has gone stops by itself (client_connection_check_interval), so nothing needs to be cancelled.
static bool connect(struct history *history, const char *database_url) {
  static const char options[] =
      "-c default_transaction_read_only=on -c client_connection_check_interval=1000 -c enable_sort=off "
      "-c enable_seqscan=off -c enable_bitmapscan=off";
  const char *names[] = {"dbname",
                         "application_name",
                         "connect_timeout",
                         "keepalives_idle",
                         "keepalives_interval",
                         "keepalives_count",
                         "tcp_user_timeout",
                         "options",
                         NULL};
  const char *values[] = {database_url, "muster-gateway track", "3", "5", "2", "2", "5000", options, NULL};
  history->connection = PQconnectdbParams(names, values, 1);
  if (PQstatus(history->connection) == CONNECTION_OK) return true;
  complain(history, "connect");
  return false;
}

// Waits until a result can be had without waiting.
static enum history_status await_result(struct history *history, int peer, const _Atomic bool *stop) {
  int64_t until_us = clock_mono_us() + PATIENCE_US;
  while (PQisBusy(history->connection)) {
    struct pollfd fds[] = {{.fd = PQsocket(history->connection), .events = POLLIN},
                           {.fd = peer, .events = POLLRDHUP}};  // poll passes over a peer of -1
    int ready = poll(fds, 2, LOOK_MS);
    if (fds[1].revents || (stop && *stop)) return HISTORY_LEFT;
    if (ready == 0 && clock_mono_us() >= until_us) return HISTORY_UNAVAILABLE;
    if (fds[0].revents && !PQconsumeInput(history->connection)) return HISTORY_UNAVAILABLE;
  }
  return HISTORY_OK;
}

static enum history_status find_workers(struct history *history, const struct history_range *range) {
  static const char all[] = "SELECT id, name FROM worker WHERE team = $1 ORDER BY name COLLATE \"C\"";
  static const char one[] = "SELECT id, name FROM worker WHERE team = $1 AND name = $2";
  const char *values[] = {range->team, range->worker};
  int count = range->worker ? 2 : 1;
  if (!PQsendQueryParams(history->connection, range->worker ? one : all, count, NULL, values, NULL, NULL, 0)) {
    return HISTORY_UNAVAILABLE;
  }
  enum history_status status = await_result(history, -1, NULL);
  if (status != HISTORY_OK) return status;
  history->workers = PQgetResult(history->connection);
  if (PQresultStatus(history->workers) != PGRES_TUPLES_OK) return HISTORY_UNAVAILABLE;
  PQclear(PQgetResult(history->connection));
  return range->worker && PQntuples(history->workers) == 0 ? HISTORY_UNKNOWN : HISTORY_OK;
}

enum history_status history_open(const char *database_url, const struct history_range *range,
                                 struct history **out_history) {
  struct history *history = calloc(1, sizeof *history);
  if (!history) abort();
  time_text_format(history->from, range->from_us);
  time_text_format(history->to, range->to_us);
  enum history_status status = connect(history, database_url) ? find_workers(history, range) : HISTORY_UNAVAILABLE;
  if (status == HISTORY_OK) {
    *out_history = history;
  } else {
    history_close(history);
  }
  return status;
}

void history_close(struct history *history) {
  if (!history) return;
  PQclear(history->workers);
  PQfinish(history->connection);
  free(history);
}

// The range's ends are parameters of a query that is planned anew each time: to the planner they are constants, and it
// looks at the days between them only.
static bool ask(struct history *history) {
  static const char sql[] =
      "SELECT taken_at, latitude_e7, longitude_e7, speed_cm_s, heading_cdeg, accuracy_cm, altitude_cm, battery_percent "
      "FROM position_history WHERE worker_id = $1 AND taken_at >= $2 AND taken_at < $3 ORDER BY taken_at";
  static const Oid types[] = {OID_INT4, OID_TIMESTAMPTZ, OID_TIMESTAMPTZ};
  const char *values[] = {PQgetvalue(history->workers, history->worker, 0), history->from, history->to};
  history->reading = PQsendQueryParams(history->connection, sql, 3, types, values, NULL, NULL, 1) &&
                     PQsetSingleRowMode(history->connection);
  return history->reading;
}

// ---- binary columns: big-endian numbers of the column's size ----

static int64_t number(const PGresult *result, int column) {
  const char *bytes = PQgetvalue(result, 0, column);
  uint64_t eight;
  uint32_t four;
  uint16_t two;
  switch (PQgetlength(result, 0, column)) {
    case 8:
      memcpy(&eight, bytes, 8);
      return (int64_t)be64toh(eight);
    case 4:
      memcpy(&four, bytes, 4);
      return (int32_t)be32toh(four);
    default:
      memcpy(&two, bytes, 2);
      return (int16_t)be16toh(two);
  }
}

static int64_t optional(const PGresult *result, int column, enum position_has has, struct position *position) {
  if (PQgetisnull(result, 0, column)) return 0;
  position->has |= (uint32_t)has;
  return number(result, column);
}

static struct position position_of(const PGresult *result) {
  struct position p = {.has = POSITION_HAS_ALL_REQUIRED};
  p.taken_at_us = number(result, 0) + POSTGRES_EPOCH_US;
  p.latitude_e7 = (int32_t)number(result, 1);
  p.longitude_e7 = (int32_t)number(result, 2);
  p.speed_cm_s = (uint32_t)optional(result, 3, POSITION_HAS_SPEED, &p);
  p.heading_cdeg = (uint32_t)optional(result, 4, POSITION_HAS_HEADING, &p);
  p.accuracy_cm = (uint32_t)optional(result, 5, POSITION_HAS_ACCURACY, &p);
  p.altitude_cm = (int32_t)optional(result, 6, POSITION_HAS_ALTITUDE, &p);
  p.battery_percent = (uint32_t)optional(result, 7, POSITION_HAS_BATTERY, &p);
  return p;
}

// ---- rows ----

// Takes a result of the query under way; *out_is_row if it is a row.
static enum history_status take_result(struct history *history, PGresult *result, bool *out_is_row,
                                       struct history_row *out_row) {
  ExecStatusType status = PQresultStatus(result);
  *out_is_row = status == PGRES_SINGLE_TUPLE;
  if (*out_is_row) {
    const char *name = PQgetvalue(history->workers, history->worker, 1);
    *out_row = (struct history_row){{name, strlen(name)}, position_of(result)};
    return HISTORY_OK;
  }
  if (status == PGRES_TUPLES_OK) return HISTORY_OK;  // its rows have been taken one by one
  complain(history, "query");
  return HISTORY_UNAVAILABLE;
}

enum history_status history_next(struct history *history, int peer, const _Atomic bool *stop,
                                 struct history_row *out_row) {
  for (;;) {
    if (!history->reading) {
      if (history->worker == PQntuples(history->workers)) return HISTORY_END;
      if (!ask(history)) return HISTORY_UNAVAILABLE;
    }
    enum history_status status = await_result(history, peer, stop);
    if (status != HISTORY_OK) return status;
    PGresult *result = PQgetResult(history->connection);
    if (!result) {
      history->reading = false;
      history->worker++;
      continue;
    }
    bool is_row;
    status = take_result(history, result, &is_row, out_row);
    PQclear(result);
    if (status != HISTORY_OK || is_row) return status;
  }
}

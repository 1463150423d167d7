// libpq: one query, again and again until it says enough.
#include "recorded.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "live.h"
#include "settings.h"
#include "steady.h"

#define LOOK_US 200000
#define PATIENCE_US 10000000  // after the history last grew: a recorder is replaced within 5 s

// (worker, taken_at) is the history's key, so a position is counted once. The clock's microseconds are exact in a
// double.
static const char count_sql[] =
    "SELECT count(*) FROM unnest($1::text[], $2::text[]) AS own(team, name) JOIN worker w USING (team, name)"
    " JOIN position_history h ON h.worker_id = w.id"
    " WHERE h.taken_at BETWEEN timestamptz 'epoch' + $3::bigint * interval '1 microsecond'"
    " AND timestamptz 'epoch' + $4::bigint * interval '1 microsecond'";

static volatile sig_atomic_t stopped;

static void on_stop(int number) {
  (void)number;
  stopped = 1;
}

// The workers as two arrays. Names of ours need no quotes.
static void append_workers(const struct recorded_options *options, struct buffer *teams, struct buffer *names) {
  const char *separator = "{";
  for (uint32_t i = 0; i < options->workers; i++) {
    char name[LIVE_NAME_BYTES];
    struct scenario_place place = live_worker_name(options->scenario, i, options->teams, options->first_team, name);
    buffer_printf(teams, "%steam-%" PRIu32, separator, options->first_team + place.team);
    buffer_printf(names, "%s%s", separator, name);
    separator = ",";
  }
  buffer_append(teams, "}", 2);  // with the NUL
  buffer_append(names, "}", 2);
}

// -1 if Postgres does not tell; the reason is then the connection's.
static int64_t look(PGconn *connection, const char *const values[4]) {
  PGresult *result = PQexecParams(connection, count_sql, 4, NULL, values, NULL, NULL, 0);
  int64_t count = PQresultStatus(result) == PGRES_TUPLES_OK ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
  PQclear(result);
  return count;
}

static int64_t wait_for(PGconn *connection, const struct recorded_options *options, const char *const values[4]) {
  int64_t count = -1, until_us = steady_us() + PATIENCE_US;
  for (;;) {
    int64_t before = count;
    if (PQstatus(connection) != CONNECTION_OK) PQreset(connection);
    count = look(connection, values);
    if (count >= 0 && (uint64_t)count >= options->expected) return count;
    if (count > before) until_us = steady_us() + PATIENCE_US;
    if (stopped || steady_us() >= until_us) return count;
    usleep(LOOK_US);
  }
}

int64_t recorded_count(const struct recorded_options *options) {
  const char *const names[] = {"dbname", "connect_timeout", "application_name", NULL};
  const char *const texts[] = {options->database_url, "3", SETTINGS_PROGRAM, NULL};
  struct buffer teams = {0}, workers = {0};
  char first[24], last[24];
  signal(SIGINT, on_stop);
  signal(SIGTERM, on_stop);
  append_workers(options, &teams, &workers);
  snprintf(first, sizeof first, "%" PRId64, options->first_us);
  snprintf(last, sizeof last, "%" PRId64, options->last_us);
  const char *const values[4] = {(const char *)teams.data, (const char *)workers.data, first, last};
  PGconn *connection = PQconnectdbParams(names, texts, 1);
  int64_t count = wait_for(connection, options, values);
  if (count < 0) {
    const char *fault = PQerrorMessage(connection);
    fprintf(stderr, "%s: Postgres: %.*s\n", SETTINGS_PROGRAM, (int)strcspn(fault, "\n"), fault);
  }
  PQfinish(connection);
  buffer_fini(&teams);
  buffer_fini(&workers);
  return count;
}

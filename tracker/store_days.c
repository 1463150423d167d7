// The history's partitions, one for each day: made when a row needs one, or ahead; dropped when they are too old.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "store.h"
#include "store_private.h"

#define DAYS_AHEAD 2
// Dropping takes three statements, each its own transaction, none of which stops readers or writers; but each may have
// to wait for those that are there already, and then gives up, for another time: the recorder waits for us.
#define DROP_PATIENCE "SET statement_timeout = '300ms'"

static void day_name(int64_t day, char *out, size_t out_bytes, const char *format) {
  time_t at = (time_t)(day * 86400);
  struct tm utc;
  gmtime_r(&at, &utc);
  strftime(out, out_bytes, format, &utc);
}

static bool is_known(const struct store *store, int64_t day) {
  return store->known_days[day / 8] & (1 << day % 8);
}

static void set_known(struct store *store, int64_t day) {
  store->known_days[day / 8] |= (uint8_t)(1 << day % 8);
}

static bool load_partitions(struct store *store) {
  PGresult *result = PQexec(store->connection,
                            "SELECT to_date(right(relname, 8), 'YYYYMMDD') - date '1970-01-01' FROM pg_inherits"
                            " JOIN pg_class ON oid = inhrelid WHERE inhparent = 'position_history'::regclass");
  for (int row = 0; row < PQntuples(result); row++) {
    long day = atol(PQgetvalue(result, row, 0));
    if (day >= 0 && day < STORE_DAYS) set_known(store, day);
  }
  store->days_loaded = true;
  return store_good(store, result, "partitions");
}

// Attaching takes a lock that stops neither readers nor writers, as CREATE … PARTITION OF would. The table may be there
// already, detached: retention was shorter once.
static bool add_partition(struct store *store, int64_t day) {
  char name[16], from[32], to[32], sql[512];
  day_name(day, name, sizeof name, "%Y%m%d");
  day_name(day, from, sizeof from, "%Y-%m-%d 00:00:00+00");
  day_name(day + 1, to, sizeof to, "%Y-%m-%d 00:00:00+00");
  snprintf(
      sql, sizeof sql,
      "BEGIN; CREATE TABLE IF NOT EXISTS position_history_%s (LIKE position_history INCLUDING CONSTRAINTS INCLUDING "
      "DEFAULTS);"
      " ALTER TABLE position_history ATTACH PARTITION position_history_%s FOR VALUES FROM ('%s') TO ('%s'); COMMIT",
      name, name, from, to);
  if (!store_execute(store, sql, "partition")) return false;
  set_known(store, day);
  return true;
}

bool store_partitions(struct store *store, const struct store_update *updates, size_t count) {
  if (!store->days_loaded && !load_partitions(store)) return false;
  for (size_t i = 0; i < count; i++) {
    if (updates[i].refused || !updates[i].update.has_position) continue;
    int64_t day = updates[i].update.position.taken_at_us / STORE_DAY_US;
    if (day < store->oldest_day) continue;
    if (!is_known(store, day) && !add_partition(store, day)) return false;
  }
  return true;
}

bool store_has_days(const struct store *store, int64_t first, int64_t last) {
  if (!store->days_loaded) return false;
  for (int64_t day = first; day <= last; day++) {
    if (!is_known(store, day)) return false;
  }
  return true;
}

void store_retain(struct store *store, int64_t oldest_day) {
  store->oldest_day = oldest_day;
}

bool store_partitions_ahead(struct store *store, int64_t today) {
  if (!store->days_loaded && !load_partitions(store)) return false;
  for (int64_t day = today; day <= today + DAYS_AHEAD; day++) {
    if (!is_known(store, day) && !add_partition(store, day)) return false;
  }
  return true;
}

// The partition that is to be dropped next, and how far that has come: -1 detached, 0 attached, 1 half detached (then
// no other can be). False if Postgres failed; an empty name: there is none.
static bool find_old(struct store *store, char *out_name, size_t name_bytes, int *out_state) {
  char oldest[16];
  day_name(store->oldest_day, oldest, sizeof oldest, "%Y%m%d");
  const char *const values[] = {oldest};
  PGresult *result = PQexecParams(
      store->connection,
      "SELECT relname, coalesce(inhdetachpending::int, -1) FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid WHERE"
      " relkind = 'r' AND relname ~ '^position_history_[0-9]{8}$' AND right(relname, 8) < $1 AND relnamespace ="
      " (SELECT relnamespace FROM pg_class WHERE oid = 'position_history'::regclass)"
      " ORDER BY inhdetachpending DESC NULLS FIRST, relname LIMIT 1",
      1, NULL, values, NULL, NULL, 0);
  bool found = PQntuples(result) == 1;
  snprintf(out_name, name_bytes, "%s", found ? PQgetvalue(result, 0, 0) : "");
  *out_state = found ? atoi(PQgetvalue(result, 0, 1)) : 0;
  return store_good(store, result, "old_partition");
}

// Whether the statement only gave up waiting.
static bool was_busy(const PGresult *result) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state && (strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0);
}

bool store_drop_old(struct store *store, enum store_drop *out) {
  static const char *const how[] = {"DROP TABLE %s", "ALTER TABLE position_history DETACH PARTITION %s CONCURRENTLY",
                                    "ALTER TABLE position_history DETACH PARTITION %s FINALIZE"};
  char name[64], sql[160];
  int state;
  if (!find_old(store, name, sizeof name, &state)) return false;
  if (!*name) {
    *out = STORE_DROP_NONE;
    return true;
  }
  snprintf(sql, sizeof sql, how[state + 1], name);
  if (!store_execute(store, DROP_PATIENCE, "patience")) return false;
  PGresult *result = PQexec(store->connection, sql);
  bool busy = was_busy(result);
  if (busy) PQclear(result);
  if (!busy && !store_good(store, result, "drop_partition")) return false;
  *out = busy ? STORE_DROP_BUSY : STORE_DROP_SOME;
  if (!busy && state < 0) log_info("partition_dropped", "table=%s", name);
  store->days_loaded = false;
  memset(store->known_days, 0, sizeof store->known_days);
  return store_execute(store, "RESET statement_timeout", "patience");
}

// The floor of recording: COPY BINARY of the rows that position_history holds into that same table, with its key and
// its partitions, in transactions of the size of the recorder's batches, and nothing else. Rows are in the order in
// which the log had them, batch by batch, and within a batch in the key's order, which is the fastest.
//
// copy DATABASE_URL BATCH_ROWS takes all rows into memory; each line "go" on standard input writes them once. The
// answers are lines on standard output: how many rows there are; how long writing took.
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADER_BYTES 19  // signature, flags, length of an extension
#define CHUNK_BYTES 65536

static const char header[HEADER_BYTES] = "PGCOPY\n\377\r\n";
static const char trailer[2] = "\377\377";

static PGconn *connection;
static char *bytes;  // all rows, one after the other
static size_t len, capacity;
static size_t *ends;  // of each batch, in bytes
static size_t batch_count, rows, batch_rows;

static void fail(const char *what) {
  fprintf(stderr, "copy: %s: %s", what, PQerrorMessage(connection));
  exit(1);
}

static void execute(const char *sql, ExecStatusType wanted) {
  PGresult *result = PQexec(connection, sql);
  if (PQresultStatus(result) != wanted) fail(sql);
  PQclear(result);
}

static void end_batch(void) {
  ends = realloc(ends, (batch_count + 1) * sizeof *ends);
  if (!ends) abort();
  ends[batch_count++] = len;
}

static void keep_row(const char *row, size_t row_len) {
  if (len + row_len > capacity) {
    capacity = capacity ? capacity * 2 : CHUNK_BYTES;
    bytes = realloc(bytes, capacity);
    if (!bytes) abort();
  }
  memcpy(bytes + len, row, row_len);
  len += row_len;
  if (++rows % batch_rows == 0) end_batch();
}

// The server sends a row a message; the header comes with the first one, the trailer alone.
static void take_rows(void) {
  char sql[512], *message;
  int message_len;
  snprintf(sql, sizeof sql,
           "COPY (SELECT worker_id, taken_at, latitude_e7, longitude_e7, speed_cm_s, heading_cdeg, accuracy_cm,"
           " altitude_cm, battery_percent, received_at FROM (SELECT *, (row_number() OVER (ORDER BY received_at,"
           " worker_id, taken_at) - 1) / %zu AS batch FROM position_history) AS h ORDER BY batch, worker_id, taken_at)"
           " TO STDOUT (FORMAT binary)",
           batch_rows);
  execute(sql, PGRES_COPY_OUT);
  size_t skip = HEADER_BYTES;
  while ((message_len = PQgetCopyData(connection, &message, 0)) > 0) {
    size_t row_len = (size_t)message_len;
    if (row_len > skip + sizeof trailer) keep_row(message + skip, row_len - skip);
    skip = 0;
    PQfreemem(message);
  }
  if (message_len != -1) fail("reading");
  PQclear(PQgetResult(connection));
  PQclear(PQgetResult(connection));
  if (rows % batch_rows) end_batch();
}

static void put(const char *from, size_t count) {
  if (PQputCopyData(connection, from, (int)count) != 1) fail("writing");
}

static void write_batch(size_t from, size_t to) {
  execute("BEGIN", PGRES_COMMAND_OK);
  execute("COPY position_history FROM STDIN (FORMAT binary)", PGRES_COPY_IN);
  put(header, sizeof header);
  for (size_t at = from; at < to; at += CHUNK_BYTES) put(bytes + at, to - at < CHUNK_BYTES ? to - at : CHUNK_BYTES);
  put(trailer, sizeof trailer);
  if (PQputCopyEnd(connection, NULL) != 1) fail("writing");
  PGresult *result = PQgetResult(connection);
  if (PQresultStatus(result) != PGRES_COMMAND_OK) fail("writing");
  PQclear(result);
  PQclear(PQgetResult(connection));
  execute("COMMIT", PGRES_COMMAND_OK);
}

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int main(int argc, char **argv) {
  if (argc != 3 || (batch_rows = strtoul(argv[2], NULL, 10)) == 0) {
    fprintf(stderr, "usage: copy DATABASE_URL BATCH_ROWS\n");
    return 2;
  }
  connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) fail("connecting");
  // As the recorder does: a commit that is lost takes the stream position with it.
  execute("SET synchronous_commit = off", PGRES_COMMAND_OK);
  take_rows();
  printf("{\"rows\": %zu, \"batches\": %zu}\n", rows, batch_count);
  fflush(stdout);
  for (char line[16]; fgets(line, sizeof line, stdin);) {
    int64_t begun_us = now_us();
    for (size_t i = 0; i < batch_count; i++) write_batch(i ? ends[i - 1] : 0, ends[i]);
    printf("{\"us\": %" PRId64 "}\n", now_us() - begun_us);
    fflush(stdout);
  }
  PQfinish(connection);
  free(bytes);
  free(ends);
  return 0;
}

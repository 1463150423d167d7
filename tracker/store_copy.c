// The quick way into the history: COPY BINARY, for positions that are newer than all that Postgres has of their worker
// and so cannot be there already. It costs a third of INSERT … ON CONFLICT, which is left to the others.
//
// All waiting for Postgres within store_write is here, too: the caller's `meanwhile` is called while it works.
// Source of the format: PostgreSQL 15 manual, COPY, "Binary Format".
#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "store_private.h"

#define ROW_BYTES 88  // with all columns
#define CHUNK_ROWS 512
#define RADIX_BITS 11
#define RADIX (1 << RADIX_BITS)

// A position's place in the order of the key, and where it is among the updates.
struct place {
  int64_t taken_at_us;
  uint32_t worker_id, update;
};

// ---- in order ----

static void sort_by_digit(const struct place *from, struct place *to, size_t count, int shift) {
  size_t at[RADIX] = {0}, sum = 0;
  for (size_t i = 0; i < count; i++) at[(from[i].worker_id >> shift) % RADIX]++;
  for (size_t digit = 0; digit < RADIX; digit++) {
    size_t those = at[digit];
    at[digit] = sum;
    sum += those;
  }
  for (size_t i = 0; i < count; i++) to[at[(from[i].worker_id >> shift) % RADIX]++] = from[i];
}

static int compare_times(const void *a, const void *b) {
  const struct place *x = a, *y = b;
  return x->taken_at_us < y->taken_at_us ? -1 : x->taken_at_us > y->taken_at_us;
}

// Sorts a worker's positions, which mostly are in order.
static void sort_run(struct place *run, size_t count) {
  for (size_t i = 1; i < count; i++) {
    if (run[i - 1].taken_at_us > run[i].taken_at_us) {
      qsort(run, count, sizeof *run, compare_times);
      return;
    }
  }
}

// Fills store->places with the positions in the order of the key.
static struct place *sort_positions(struct store *store, size_t *out_count) {
  const struct store_batch *batch = store->batch;
  struct buffer *places = &store->places, *spare = &store->spare;
  uint32_t most = 0;
  size_t count = 0;
  places->len = spare->len = 0;
  struct place *place = (struct place *)(void *)buffer_reserve(places, batch->count * sizeof *place);
  for (size_t i = 0; i < batch->count; i++) {
    const struct store_update *update = &batch->updates[i];
    store->refused_count += update->refused != NULL;
    if (update->refused) continue;
    store->presence_count += update->update.has_presence;
    if (!update->update.has_position) continue;
    uint32_t id = (uint32_t)update->worker->id;
    if (id > most) most = id;
    place[count++] = (struct place){update->update.position.taken_at_us, id, (uint32_t)i};
  }
  struct place *other = (struct place *)(void *)buffer_reserve(spare, count * sizeof *place);
  for (int shift = 0; shift < 32 && most >> shift > 0; shift += RADIX_BITS) {
    sort_by_digit(place, other, count, shift);
    struct place *swap = place;
    place = other;
    other = swap;
  }
  for (size_t from = 0, to; from < count; from = to) {
    for (to = from + 1; to < count && place[to].worker_id == place[from].worker_id; to++) continue;
    sort_run(place + from, to - from);
  }
  *out_count = count;
  return place;
}

static void note(struct buffer *list, uint32_t update) {
  buffer_append(list, &update, sizeof update);
}

void store_split(struct store *store) {
  const struct store_batch *batch = store->batch;
  size_t count;
  store->refused_count = store->presence_count = 0;
  const struct place *places = sort_positions(store, &count);
  store->fresh.len = store->older.len = store->first.len = store->moved.len = 0;
  store->positions = count;
  int64_t newest_us = 0;
  for (size_t i = 0; i < count; i++) {
    const struct place *place = &places[i];
    const struct store_worker *worker = batch->updates[place->update].worker;
    if (i == 0 || place->worker_id != places[i - 1].worker_id) newest_us = worker->newest_us;
    if (place->taken_at_us / STORE_DAY_US >= store->oldest_day) {
      note(place->taken_at_us > newest_us ? &store->fresh : &store->older, place->update);
    }
    if (place->taken_at_us > newest_us) newest_us = place->taken_at_us;
    bool ends = i + 1 == count || places[i + 1].worker_id != place->worker_id;
    if (ends && place->taken_at_us > worker->newest_us) {
      note(worker->newest_us == STORE_NEVER ? &store->first : &store->moved, place->update);
    }
  }
}

// ---- waiting ----

static bool is_ready(struct store *store, short events, int timeout_ms) {
  struct pollfd fd = {.fd = PQsocket(store->connection), .events = events};
  return poll(&fd, 1, timeout_ms) != 0;
}

// Waits for the connection, and lets the caller do something meanwhile.
static void wait_for(struct store *store, short events) {
  const struct store_batch *batch = store->batch;
  while (!is_ready(store, events, 0)) {
    if (batch->meanwhile && batch->meanwhile(batch->context)) continue;
    (void)is_ready(store, events, -1);
    return;
  }
}

PGresult *store_result(struct store *store) {
  while (PQisBusy(store->connection)) {
    wait_for(store, POLLIN);
    if (!PQconsumeInput(store->connection)) break;
  }
  return PQgetResult(store->connection);
}

// ---- COPY ----

static uint8_t *put_int16(uint8_t *to, uint16_t value) {
  uint16_t wire = htons(value);
  memcpy(to, &wire, sizeof wire);
  return to + sizeof wire;
}

static uint8_t *put_int32(uint8_t *to, uint32_t value) {
  uint32_t wire = htonl(value);
  memcpy(to, &wire, sizeof wire);
  return to + sizeof wire;
}

static uint8_t *put_number(uint8_t *to, int32_t value) {
  return put_int32(put_int32(to, sizeof value), (uint32_t)value);
}

static uint8_t *put_optional(uint8_t *to, const struct position *p, uint32_t has, int32_t value) {
  return p->has & has ? put_number(to, value) : put_int32(to, UINT32_MAX);
}

static uint8_t *put_time(uint8_t *to, int64_t unix_us) {
  uint64_t wire = htobe64((uint64_t)(unix_us - PG_EPOCH_US));
  to = put_int32(to, sizeof wire);
  memcpy(to, &wire, sizeof wire);
  return to + sizeof wire;
}

static uint8_t *put_row(uint8_t *to, const struct store_update *update) {
  const struct position *p = &update->update.position;
  to = put_int16(to, STORE_COLUMNS);
  to = put_number(to, update->worker->id);
  to = put_time(to, p->taken_at_us);
  to = put_number(to, p->latitude_e7);
  to = put_number(to, p->longitude_e7);
  to = put_optional(to, p, POSITION_HAS_SPEED, (int32_t)p->speed_cm_s);
  to = put_optional(to, p, POSITION_HAS_HEADING, (int32_t)p->heading_cdeg);
  to = put_optional(to, p, POSITION_HAS_ACCURACY, (int32_t)p->accuracy_cm);
  to = put_optional(to, p, POSITION_HAS_ALTITUDE, p->altitude_cm);
  if (p->has & POSITION_HAS_BATTERY) {
    to = put_int16(put_int32(to, 2), (uint16_t)p->battery_percent);
  } else {
    to = put_int32(to, UINT32_MAX);
  }
  return put_time(to, update->update.received_at_us);
}

// Waits until the kernel has what libpq has. False if the connection is broken.
static bool flush(struct store *store) {
  int left;
  while ((left = PQflush(store->connection)) == 1) {
    wait_for(store, POLLIN | POLLOUT);
    if (!PQconsumeInput(store->connection)) return false;
  }
  return left == 0;
}

static bool put(struct store *store, const void *bytes, size_t len) {
  return PQputCopyData(store->connection, bytes, (int)len) == 1 && flush(store);
}

static bool put_rows(struct store *store) {
  static const char header[19] = "PGCOPY\n\377\r\n";
  const uint32_t *fresh = (const uint32_t *)(const void *)store->fresh.data;
  size_t count = store->fresh.len / sizeof *fresh;
  uint8_t chunk[CHUNK_ROWS * ROW_BYTES];
  if (!put(store, header, sizeof header)) return false;
  for (size_t i = 0; i < count;) {
    uint8_t *to = chunk;
    for (size_t end = i + CHUNK_ROWS; i < end && i < count; i++) to = put_row(to, &store->batch->updates[fresh[i]]);
    if (!put(store, chunk, (size_t)(to - chunk))) return false;
  }
  return put(store, "\377\377", 2);
}

// Both answers to the statement that begins; false if it failed.
static bool await_copy(struct store *store) {
  PGresult *begun = store_result(store);
  if (PQresultStatus(begun) != PGRES_COMMAND_OK) return store_good(store, begun, "begin");
  PQclear(begun);
  PGresult *ready = store_result(store);
  if (PQresultStatus(ready) != PGRES_COPY_IN) return store_good(store, ready, "copy");
  PQclear(ready);
  return true;
}

bool store_copy(struct store *store) {
  if (!PQsendQuery(store->connection, "BEGIN; COPY position_history FROM STDIN (FORMAT binary)")) return false;
  if (!await_copy(store) || PQsetnonblocking(store->connection, 1)) return false;
  return put_rows(store) && PQputCopyEnd(store->connection, NULL) == 1 && flush(store) &&
         PQsetnonblocking(store->connection, 0) == 0;
}

PGresult *store_copied(struct store *store) {
  PGresult *result = store_result(store);
  // Nothing follows, unless the connection is broken.
  if (PQstatus(store->connection) == CONNECTION_OK) PQclear(store_result(store));
  return result;
}

// watch_proto.c against the code that protobuf-c generates from proto/view.proto.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/watch_proto.h"
#include "view.pb-c.h"

#define ROWS 20

static uint64_t random64(void) {
  return ((uint64_t)rand() << 62 ^ (uint64_t)rand() << 31 ^ (uint64_t)rand()) >> (rand() % 64);
}

static uint32_t random_number(void) {
  return (uint32_t)random64() % WATCH_PROTO_NUMBERS;
}

// ---- what protobuf-c writes ----

static Muster__ViewRow rows[ROWS], *row_pointers[ROWS];
static char names[ROWS][80];
static uint32_t left[ROWS];

static char *random_name(char *text) {
  static const char alphabet[] = "abcXYZ019_-";
  size_t len = rand() % 4 ? (size_t)rand() % 20 + 1 : 64;
  for (size_t i = 0; i < len; i++) text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
  text[len] = '\0';
  return text;
}

static size_t random_rows(void) {
  size_t count = (size_t)rand() % (ROWS + 1);
  for (size_t i = 0; i < count; i++) {
    Muster__ViewRow *row = row_pointers[i] = &rows[i];
    muster__view_row__init(row);
    row->has_number = 1, row->number = random_number();
    if (rand() % 2) row->worker = random_name(names[i]);
    row->has_taken_at_us = row->has_longitude_e7 = row->has_latitude_e7 = rand() % 4 != 0;
    row->taken_at_us = (int64_t)random64();
    row->longitude_e7 = (int64_t)random64() * (rand() % 2 ? 1 : -1);
    row->latitude_e7 = (int64_t)random64() * (rand() % 2 ? 1 : -1);
    row->has_speed_cm_s = rand() % 2, row->speed_cm_s = (uint32_t)random64();
    row->has_heading_cdeg = rand() % 2, row->heading_cdeg = (uint32_t)random64();
    row->has_accuracy_cm = rand() % 2, row->accuracy_cm = (uint32_t)random64();
    row->has_altitude_cm = rand() % 2, row->altitude_cm = (int32_t)random64();
    row->has_battery_percent = rand() % 2, row->battery_percent = (uint32_t)random64();
    row->has_status = rand() % 2, row->status = (Muster__ViewStatus)(rand() % 3);
    row->has_tracker = rand() % 2, row->tracker = (uint32_t)random64();
  }
  return count;
}

static uint8_t *pack(const Muster__ViewEvent *event, size_t *out_len) {
  uint8_t *bytes = malloc(muster__view_event__get_packed_size(event) + 1);
  *out_len = muster__view_event__pack(event, bytes);
  return bytes;
}

// Either a snapshot or a delta, to be freed.
static uint8_t *random_event(size_t *out_len) {
  Muster__ViewTracker tracker = MUSTER__VIEW_TRACKER__INIT, *trackers[] = {&tracker};
  Muster__ViewSnapshot snapshot = MUSTER__VIEW_SNAPSHOT__INIT;
  Muster__ViewDelta delta = MUSTER__VIEW_DELTA__INIT;
  Muster__ViewEvent event = MUSTER__VIEW_EVENT__INIT;
  tracker.has_number = 1;
  tracker.id = (char *)"tracker-1";
  snapshot.team = (char *)"team-1";
  snapshot.has_base_time_us = snapshot.has_base_longitude_e7 = snapshot.has_base_latitude_e7 = 1;
  snapshot.base_time_us = (int64_t)random64();
  snapshot.base_longitude_e7 = (int32_t)random64();
  snapshot.base_latitude_e7 = (int32_t)random64();
  snapshot.has_version = delta.has_version = snapshot.has_time_us = delta.has_time_us = 1;
  snapshot.version = delta.version = random64();
  snapshot.n_trackers = delta.n_trackers = (size_t)rand() % 2;
  snapshot.trackers = delta.trackers = trackers;
  snapshot.n_rows = delta.n_rows = random_rows();
  snapshot.rows = delta.rows = row_pointers;
  delta.n_left = (size_t)rand() % (ROWS + 1);
  delta.left = left;
  for (size_t i = 0; i < delta.n_left; i++) left[i] = random_number();
  if (rand() % 2) event.snapshot = &snapshot;
  if (!event.snapshot) event.delta = &delta;
  return pack(&event, out_len);
}

// ---- what we read ----

static struct watch_row heard[10 * ROWS];
static size_t heard_count;

static void on_row(void *context, const struct watch_row *row) {
  (void)context;
  assert_true(heard_count < 10 * ROWS);
  heard[heard_count++] = *row;
}

static bool read_event(const void *bytes, size_t len, struct watch_event *out_event, struct watch_base *out_base) {
  heard_count = 0;
  *out_base = (struct watch_base){0};
  *out_event = watch_proto_open(bytes, len);
  if (out_event->kind != WATCH_SNAPSHOT && out_event->kind != WATCH_DELTA) return false;
  return watch_proto_read(out_event, out_base, on_row, NULL);
}

static void assert_same_row(const Muster__ViewRow *theirs, const struct watch_row *ours) {
  assert_false(ours->left);
  assert_int_equal(theirs->number, ours->number);
  assert_int_equal(theirs->worker ? strlen(theirs->worker) : 0, ours->worker_len);
  if (theirs->worker) assert_memory_equal(theirs->worker, ours->worker, ours->worker_len);
  assert_int_equal(theirs->has_taken_at_us && theirs->has_longitude_e7 && theirs->has_latitude_e7, ours->has_position);
  if (theirs->has_taken_at_us) assert_true(theirs->taken_at_us == ours->taken_at_us);
  if (theirs->has_longitude_e7) assert_true(theirs->longitude_e7 == ours->longitude_e7);
  if (theirs->has_latitude_e7) assert_true(theirs->latitude_e7 == ours->latitude_e7);
  assert_int_equal(theirs->status == MUSTER__VIEW_STATUS__VIEW_STATUS_ONLINE, ours->online);
}

static void assert_same_event(const Muster__ViewEvent *theirs, enum watch_kind kind, const struct watch_base *base) {
  assert_int_equal(theirs->snapshot != NULL, kind == WATCH_SNAPSHOT);
  assert_int_equal(theirs->delta != NULL, kind == WATCH_DELTA);
  size_t row_count = theirs->snapshot ? theirs->snapshot->n_rows : theirs->delta->n_rows, row = 0, out = 0;
  size_t left_count = theirs->snapshot ? 0 : theirs->delta->n_left;
  Muster__ViewRow **their_rows = theirs->snapshot ? theirs->snapshot->rows : theirs->delta->rows;
  assert_int_equal(heard_count, row_count + left_count);
  for (size_t i = 0; i < heard_count; i++) {
    if (heard[i].left) {
      assert_int_equal(theirs->delta->left[out++], heard[i].number);
    } else {
      assert_same_row(their_rows[row++], &heard[i]);
    }
  }
  if (!theirs->snapshot) return;
  assert_true(theirs->snapshot->base_time_us == base->taken_at_us);
  assert_int_equal(theirs->snapshot->base_longitude_e7, base->longitude_e7);
  assert_int_equal(theirs->snapshot->base_latitude_e7, base->latitude_e7);
}

static void we_read_what_protobuf_writes(void **state) {
  (void)state;
  srand(1);
  for (int round = 0; round < 5000; round++) {
    struct watch_event event;
    struct watch_base base;
    size_t len;
    uint8_t *bytes = random_event(&len);
    Muster__ViewEvent *theirs = muster__view_event__unpack(NULL, len, bytes);
    assert_non_null(theirs);
    assert_true(read_event(bytes, len, &event, &base));
    assert_same_event(theirs, event.kind, &base);
    muster__view_event__free_unpacked(theirs, NULL);
    free(bytes);
  }
}

// Of changed bytes we may refuse more, but what we take is what protobuf-c takes.
static void we_never_read_changed_bytes_differently(void **state) {
  (void)state;
  size_t taken = 0;
  srand(2);
  for (int round = 0; round < 50000; round++) {
    struct watch_event event;
    struct watch_base base;
    size_t len;
    uint8_t *bytes = random_event(&len);
    for (int changes = rand() % 3; changes >= 0; changes--) bytes[(size_t)rand() % len] = (uint8_t)rand();
    if (rand() % 4 == 0) len = (size_t)rand() % len;
    uint8_t *copy = malloc(len + 1);  // of its own size, so that a sanitizer sees an overrun
    memcpy(copy, bytes, len);
    Muster__ViewEvent *theirs = muster__view_event__unpack(NULL, len, copy);
    if (read_event(copy, len, &event, &base) && theirs) {
      assert_same_event(theirs, event.kind, &base);
      taken++;
    }
    if (theirs) muster__view_event__free_unpacked(theirs, NULL);
    free(copy);
    free(bytes);
  }
  assert_in_range(taken, 5000, 49000);
}

static void tells_the_kinds_of_events(void **state) {
  (void)state;
  Muster__ViewHeartbeat heartbeat = MUSTER__VIEW_HEARTBEAT__INIT;
  Muster__ViewStale stale = MUSTER__VIEW_STALE__INIT;
  Muster__ViewBye bye = MUSTER__VIEW_BYE__INIT;
  Muster__ViewError error = MUSTER__VIEW_ERROR__INIT;
  bye.reason = (char *)"drain";
  bye.has_retry_ms = 1, bye.retry_ms = 1250;
  const struct {
    Muster__ViewEvent event;
    enum watch_kind kind;
  } cases[] = {
      {{.base = PROTOBUF_C_MESSAGE_INIT(&muster__view_event__descriptor), .heartbeat = &heartbeat}, WATCH_HEARTBEAT},
      {{.base = PROTOBUF_C_MESSAGE_INIT(&muster__view_event__descriptor), .stale = &stale}, WATCH_STALE},
      {{.base = PROTOBUF_C_MESSAGE_INIT(&muster__view_event__descriptor), .bye = &bye}, WATCH_BYE},
      {{.base = PROTOBUF_C_MESSAGE_INIT(&muster__view_event__descriptor), .error = &error}, WATCH_ERROR},
      {{.base = PROTOBUF_C_MESSAGE_INIT(&muster__view_event__descriptor)}, WATCH_OTHER},
      {{.base = PROTOBUF_C_MESSAGE_INIT(&muster__view_event__descriptor), .stale = &stale, .bye = &bye}, WATCH_BAD},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t len;
    int64_t retry_ms = -1;
    uint8_t *bytes = pack(&cases[i].event, &len);
    struct watch_event event = watch_proto_open(bytes, len);
    assert_int_equal(event.protocol, WATCH_PROTOBUF);
    assert_int_equal(event.kind, cases[i].kind);
    if (event.kind == WATCH_BYE) assert_true(watch_proto_retry(&event, &retry_ms) && retry_ms == 1250);
    if (event.kind == WATCH_STALE) assert_false(watch_proto_retry(&event, &retry_ms));
    free(bytes);
  }
}

#define TEXT_OF(literal) (literal), sizeof(literal) - 1

static void refuses_rows_that_are_none(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
  } bad[] = {
      {TEXT_OF("\x12\x02\x22\x00")},                      // no number
      {TEXT_OF("\x12\x07\x22\x05\x08\x80\x80\x80\x08")},  // one of 2^24
      {TEXT_OF("\x12\x06\x22\x04\x08\x00\x18\x02")},      // a time without a place
      {TEXT_OF("\x12\x08\x22\x06\x08\x00\x20\x02\x28\x02")},
      {TEXT_OF("\x12\x07\x22\x05\x08\x00\x12\x01.")},  // a name that is no id
      {TEXT_OF("\x12\x06\x22\x04\x08\x00\x12\x00")},
      {TEXT_OF("\x12\x03\x2a\x01\x80")},              // half a number that left
      {TEXT_OF("\x12\x06\x2a\x04\x80\x80\x80\x08")},  // one of 2^24
      {TEXT_OF("\x12\x03\x22\x02\x08")},
      {TEXT_OF("\x12")},
  };
  struct watch_event event;
  struct watch_base base;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (read_event(bad[i].bytes, bad[i].len, &event, &base)) fail_msg("taken: number %zu", i);
  }
  assert_true(read_event(TEXT_OF("\x12\x08\x22\x02\x08\x07\x2a\x02\x01\x02"), &event, &base));  // the form is right
  assert_int_equal(heard_count, 3);
  assert_true(read_event(TEXT_OF("\x12\x04\x28\x05\x28\x06"), &event, &base));  // not packed
  assert_true(heard_count == 2 && heard[1].left && heard[1].number == 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(we_read_what_protobuf_writes),
      cmocka_unit_test(we_never_read_changed_bytes_differently),
      cmocka_unit_test(tells_the_kinds_of_events),
      cmocka_unit_test(refuses_rows_that_are_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

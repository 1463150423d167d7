// update.c against the code that protobuf-c generates from proto/team.proto.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "team.pb-c.h"
#include "update.h"

#define UPDATES 20
#define REQUIRED_BYTES 19  // of a position with nothing else

// A batch in memory: what was, or is to be, on the wire.
static struct batch_header header;
static struct update updates[UPDATES];
static int update_count;
static char texts[UPDATES][3][80];  // worker, team, reason

static uint64_t random64(void) {
  return ((uint64_t)rand() << 62 ^ (uint64_t)rand() << 31 ^ (uint64_t)rand()) >> (rand() % 64);
}

static struct slice random_id(char *text) {
  static const char alphabet[] = "abcXYZ019_-";
  size_t len = rand() % 4 ? (size_t)rand() % 20 + 1 : 64;
  for (size_t i = 0; i < len; i++) text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
  text[len] = '\0';
  return (struct slice){text, len};
}

static struct position random_position(void) {
  return (struct position){
      .taken_at_us = (int64_t)random64(),
      .latitude_e7 = (int32_t)random64(),
      .longitude_e7 = (int32_t)random64(),
      .speed_cm_s = (uint32_t)random64(),
      .heading_cdeg = (uint32_t)random64(),
      .accuracy_cm = (uint32_t)random64(),
      .altitude_cm = (int32_t)random64(),
      .battery_percent = (uint32_t)random64(),
      .has = POSITION_HAS_ALL_REQUIRED | ((uint32_t)rand() & 31),
  };
}

static void random_batch(void) {
  static char tracker[80];
  header = (struct batch_header){random_id(tracker), (int64_t)random64(), random64()};
  update_count = rand() % (UPDATES + 1);
  for (int i = 0; i < update_count; i++) {
    struct update *u = &updates[i];
    *u = (struct update){.worker = random_id(texts[i][0]), .team = random_id(texts[i][1])};
    u->received_at_us = (int64_t)random64();
    u->has_position = rand() % 2;
    if (u->has_position) u->position = random_position();
    u->has_presence = rand() % 2;
    if (!u->has_presence) continue;
    u->presence = (struct presence){.online = rand() % 2, (int64_t)random64(), (int64_t)random64(), {0}, 0};
    if (u->presence.online) continue;
    u->presence.reason = random_id(texts[i][2]);
    u->presence.reports = random64();
  }
}

// A position as a later device may send it: with a field of the future behind it, at times more than are passed on.
static void append_as_it_came(struct buffer *live, struct buffer *log, const struct update *update) {
  uint8_t bytes[POSITION_WIRE_BYTES + 100], future[80] = {0};
  uint8_t *to = position_encode(bytes, &update->position);
  if (rand() % 2) to = wire_put_bytes(to, 100, future, (size_t)rand() % sizeof future);
  batch_append_position(live, log, update->team, update->worker, &update->position,
                        wire_reader(bytes, (size_t)(to - bytes)), update->received_at_us);
}

static void append_all(struct buffer *live, struct buffer *log) {
  batch_append_header(live, &header);
  batch_append_header(log, &header);
  for (int i = 0; i < update_count; i++) {
    if (updates[i].has_position && !updates[i].has_presence && rand() % 2) {
      append_as_it_came(live, log, &updates[i]);
    } else {
      batch_append_update(live, log, &updates[i]);
    }
  }
}

static void a_position_is_passed_on_as_it_came_unless_it_is_too_long(void **state) {
  (void)state;
  for (size_t future_len = 1; future_len < 80; future_len++) {
    struct position position = {.taken_at_us = 1, .has = POSITION_HAS_ALL_REQUIRED};
    uint8_t bytes[POSITION_WIRE_BYTES + 100], future[80] = {0};
    uint8_t *to = wire_put_bytes(position_encode(bytes, &position), 100, future, future_len);
    size_t len = (size_t)(to - bytes);
    struct buffer live = {0}, log = {0};
    batch_append_position(&live, &log, (struct slice){"t", 1}, (struct slice){"w", 1}, &position,
                          wire_reader(bytes, len), 1);
    batch_append_position(&live, &log, (struct slice){"t", 1}, (struct slice){"w", 1}, &position,
                          (struct wire_reader){0}, 1);
    struct buffer alone = {0}, alone_too = {0};
    batch_append_position(&alone, &alone_too, (struct slice){"t", 1}, (struct slice){"w", 1}, &position,
                          wire_reader(bytes, REQUIRED_BYTES), 1);
    assert_memory_equal(live.data + live.len - alone.len, alone.data, alone.len);
    buffer_fini(&alone);
    buffer_fini(&alone_too);
    bool passed_on = memmem(live.data, live.len, bytes, len) && memmem(log.data, log.len, bytes, len);
    assert_int_equal(passed_on, len <= POSITION_WIRE_BYTES);
    buffer_fini(&live);
    buffer_fini(&log);
  }
}

static void assert_text(struct slice ours, const char *theirs) {
  assert_int_equal(ours.len, theirs ? strlen(theirs) : 0);
  if (theirs) assert_memory_equal(ours.data, theirs, ours.len);
}

static void assert_same_position(const Muster__Position *theirs, const struct position *ours) {
  assert_true(theirs->taken_at_us == ours->taken_at_us);
  assert_int_equal(theirs->latitude_e7, ours->latitude_e7);
  assert_int_equal(theirs->longitude_e7, ours->longitude_e7);
  assert_int_equal(theirs->has_speed_cm_s, !!(ours->has & POSITION_HAS_SPEED));
  if (theirs->has_speed_cm_s) assert_int_equal(theirs->speed_cm_s, ours->speed_cm_s);
  assert_int_equal(theirs->has_heading_cdeg, !!(ours->has & POSITION_HAS_HEADING));
  if (theirs->has_heading_cdeg) assert_int_equal(theirs->heading_cdeg, ours->heading_cdeg);
  assert_int_equal(theirs->has_accuracy_cm, !!(ours->has & POSITION_HAS_ACCURACY));
  if (theirs->has_accuracy_cm) assert_int_equal(theirs->accuracy_cm, ours->accuracy_cm);
  assert_int_equal(theirs->has_altitude_cm, !!(ours->has & POSITION_HAS_ALTITUDE));
  if (theirs->has_altitude_cm) assert_int_equal(theirs->altitude_cm, ours->altitude_cm);
  assert_int_equal(theirs->has_battery_percent, !!(ours->has & POSITION_HAS_BATTERY));
  if (theirs->has_battery_percent) assert_int_equal(theirs->battery_percent, ours->battery_percent);
}

static void assert_same_update(const Muster__Update *theirs, const struct update *ours, bool with_team) {
  assert_text(ours->worker, theirs->worker);
  assert_text(with_team ? ours->team : (struct slice){0}, theirs->team);
  assert_true(theirs->received_at_us == ours->received_at_us);
  assert_int_equal(theirs->position != NULL, ours->has_position);
  if (theirs->position) assert_same_position(theirs->position, &ours->position);
  assert_int_equal(theirs->presence != NULL, ours->has_presence);
  if (!theirs->presence) return;
  assert_int_equal(theirs->presence->online, ours->presence.online);
  assert_true(theirs->presence->session_us == ours->presence.session_us);
  assert_true(theirs->presence->at_us == ours->presence.at_us);
  assert_text(ours->presence.reason, theirs->presence->reason);
  assert_true(theirs->presence->reports == ours->presence.reports);
}

static void protobuf_reads_the_batches_that_we_write(void **state) {
  (void)state;
  srand(1);
  for (int round = 0; round < 5000; round++) {
    struct buffer live = {0}, log = {0};
    random_batch();
    append_all(&live, &log);
    Muster__TeamBatch *team_batch = muster__team_batch__unpack(NULL, live.len, live.data);
    Muster__LogBatch *log_batch = muster__log_batch__unpack(NULL, log.len, log.data);
    assert_non_null(team_batch);
    assert_non_null(log_batch);
    assert_text(header.tracker, team_batch->tracker);
    assert_text(header.tracker, log_batch->tracker);
    assert_true(log_batch->number == header.number && team_batch->number == header.number);
    assert_true(log_batch->started_at_us == header.started_at_us);
    assert_int_equal(team_batch->n_updates, update_count);
    assert_int_equal(log_batch->n_updates, update_count);
    for (int i = 0; i < update_count; i++) {
      assert_same_update(team_batch->updates[i], &updates[i], false);
      assert_same_update(log_batch->updates[i], &updates[i], true);
    }
    muster__team_batch__free_unpacked(team_batch, NULL);
    muster__log_batch__free_unpacked(log_batch, NULL);
    buffer_fini(&live);
    buffer_fini(&log);
  }
}

// ---- the other direction ----

static void fill_position(Muster__Position *theirs, const struct position *ours) {
  muster__position__init(theirs);
  theirs->has_taken_at_us = theirs->has_latitude_e7 = theirs->has_longitude_e7 = 1;
  theirs->taken_at_us = ours->taken_at_us;
  theirs->latitude_e7 = ours->latitude_e7;
  theirs->longitude_e7 = ours->longitude_e7;
  theirs->has_speed_cm_s = !!(ours->has & POSITION_HAS_SPEED), theirs->speed_cm_s = ours->speed_cm_s;
  theirs->has_heading_cdeg = !!(ours->has & POSITION_HAS_HEADING), theirs->heading_cdeg = ours->heading_cdeg;
  theirs->has_accuracy_cm = !!(ours->has & POSITION_HAS_ACCURACY), theirs->accuracy_cm = ours->accuracy_cm;
  theirs->has_altitude_cm = !!(ours->has & POSITION_HAS_ALTITUDE), theirs->altitude_cm = ours->altitude_cm;
  theirs->has_battery_percent = !!(ours->has & POSITION_HAS_BATTERY);
  theirs->battery_percent = ours->battery_percent;
}

static void fill_presence(Muster__Presence *theirs, const struct presence *ours) {
  muster__presence__init(theirs);
  theirs->has_online = theirs->has_session_us = theirs->has_at_us = 1;
  theirs->online = ours->online;
  theirs->session_us = ours->session_us;
  theirs->at_us = ours->at_us;
  theirs->reason = (char *)(uintptr_t)ours->reason.data;
  theirs->has_reports = !ours->online;
  theirs->reports = ours->reports;
}

// The batch as protobuf-c packs it, to be freed.
static uint8_t *pack(size_t *out_len) {
  static Muster__Update theirs[UPDATES], *pointers[UPDATES];
  static Muster__Position positions[UPDATES];
  static Muster__Presence presences[UPDATES];
  Muster__LogBatch batch = MUSTER__LOG_BATCH__INIT;
  for (int i = 0; i < update_count; i++) {
    const struct update *ours = &updates[i];
    muster__update__init(pointers[i] = &theirs[i]);
    theirs[i].worker = (char *)(uintptr_t)ours->worker.data;
    theirs[i].team = (char *)(uintptr_t)ours->team.data;
    theirs[i].has_received_at_us = 1;
    theirs[i].received_at_us = ours->received_at_us;
    fill_position(&positions[i], &ours->position);
    fill_presence(&presences[i], &ours->presence);
    if (ours->has_position) theirs[i].position = &positions[i];
    if (ours->has_presence) theirs[i].presence = &presences[i];
  }
  batch.tracker = (char *)(uintptr_t)header.tracker.data;
  batch.has_started_at_us = batch.has_number = 1;
  batch.started_at_us = header.started_at_us;
  batch.number = header.number;
  batch.n_updates = (size_t)update_count;
  batch.updates = pointers;
  uint8_t *bytes = malloc(muster__log_batch__get_packed_size(&batch) + 1);
  *out_len = muster__log_batch__pack(&batch, bytes);
  return bytes;
}

static void assert_same_slice(struct slice a, struct slice b) {
  assert_int_equal(a.len, b.len);
  if (a.len) assert_memory_equal(a.data, b.data, a.len);
}

static void assert_equal_updates(const struct update *a, const struct update *b) {
  assert_same_slice(a->worker, b->worker);
  assert_same_slice(a->team, b->team);
  assert_true(a->received_at_us == b->received_at_us);
  assert_int_equal(a->has_position, b->has_position);
  assert_int_equal(a->has_presence, b->has_presence);
  if (a->has_position) {
    Muster__Position theirs;
    fill_position(&theirs, &b->position);
    assert_int_equal(a->position.has, b->position.has);
    assert_same_position(&theirs, &a->position);
  }
  assert_int_equal(a->presence.online, b->presence.online);
  assert_true(a->presence.session_us == b->presence.session_us && a->presence.at_us == b->presence.at_us);
  assert_same_slice(a->presence.reason, b->presence.reason);
  assert_true(a->presence.reports == b->presence.reports);
}

static void assert_reads_back(const uint8_t *bytes, size_t len) {
  struct batch_reader reader;
  struct batch_header read;
  struct update update;
  assert_true(batch_open(bytes, len, &reader, &read));
  assert_same_slice(read.tracker, header.tracker);
  assert_true(read.number == header.number && read.started_at_us == header.started_at_us);
  for (int i = 0; i < update_count; i++) {
    assert_int_equal(batch_next(&reader, &update), BATCH_UPDATE);
    assert_equal_updates(&update, &updates[i]);
  }
  assert_int_equal(batch_next(&reader, &update), BATCH_END);
}

static void we_read_the_batches_that_protobuf_writes(void **state) {
  (void)state;
  srand(2);
  for (int round = 0; round < 5000; round++) {
    size_t len;
    random_batch();
    uint8_t *bytes = pack(&len);
    assert_reads_back(bytes, len);
    free(bytes);
  }
}

static void we_read_what_we_write(void **state) {
  (void)state;
  srand(3);
  for (int round = 0; round < 5000; round++) {
    struct buffer live = {0}, log = {0};
    random_batch();
    append_all(&live, &log);
    assert_reads_back(log.data, log.len);
    for (int i = 0; i < update_count; i++) updates[i].team = (struct slice){0};
    assert_reads_back(live.data, live.len);
    buffer_fini(&live);
    buffer_fini(&log);
  }
}

// ---- bad bytes ----

// Reads all it can of a copy of its own size; returns the last status, or BATCH_BAD if it does not open.
static enum batch_status read_all(const uint8_t *bytes, size_t len, int *out_updates) {
  uint8_t *copy = malloc(len + 1);
  memcpy(copy, bytes, len);
  struct batch_reader reader;
  struct batch_header read;
  struct update update;
  enum batch_status status = BATCH_BAD;
  *out_updates = 0;
  if (batch_open(copy, len, &reader, &read)) {
    while ((status = batch_next(&reader, &update)) == BATCH_UPDATE) ++*out_updates;
  }
  free(copy);
  return status;
}

static void a_batch_cut_short_is_bad_or_ends_between_updates(void **state) {
  (void)state;
  struct buffer live = {0}, log = {0};
  int ends = 0, count;
  srand(4);
  do random_batch();
  while (update_count < 5);
  append_all(&live, &log);
  for (size_t cut = 0; cut <= log.len; cut++) ends += read_all(log.data, cut, &count) == BATCH_END;
  assert_int_equal(count, update_count);
  assert_in_range(ends, update_count + 1, update_count + 3);  // and between the fields of the header
  buffer_fini(&live);
  buffer_fini(&log);
}

static void broken_bytes_never_lead_it_astray(void **state) {
  (void)state;
  srand(5);
  for (int round = 0; round < 20000; round++) {
    struct buffer live = {0}, log = {0};
    int count;
    random_batch();
    append_all(&live, &log);
    for (int i = rand() % 4; i >= 0; i--) log.data[(size_t)rand() % log.len] = (uint8_t)rand();
    read_all(log.data, log.len, &count);
    buffer_fini(&live);
    buffer_fini(&log);
  }
}

static void an_update_whose_ids_are_none_is_bad(void **state) {
  (void)state;
  static const char *const bad[] = {"", "a.b", "*", "a b"};
  for (size_t i = 0; i < 4; i++) {
    struct buffer log = {0};
    int count;
    struct update update = {.worker = {bad[i], strlen(bad[i])}, .team = {"t", 1}};
    batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
    batch_append_update(NULL, &log, &update);
    assert_int_equal(read_all(log.data, log.len, &count), BATCH_BAD);
    log.len = 0;
    update = (struct update){.worker = {"w", 1}, .team = {bad[i], strlen(bad[i])}};
    batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
    batch_append_update(NULL, &log, &update);
    assert_int_equal(read_all(log.data, log.len, &count), *bad[i] ? BATCH_BAD : BATCH_END);
    buffer_fini(&log);
  }
}

static void a_position_without_its_required_fields_is_none(void **state) {
  (void)state;
  Muster__Position position = MUSTER__POSITION__INIT;
  Muster__Update update = MUSTER__UPDATE__INIT, *pointer = &update;
  Muster__TeamBatch batch = MUSTER__TEAM_BATCH__INIT;
  uint8_t bytes[128];
  position.has_taken_at_us = position.has_latitude_e7 = 1;
  update.worker = (char *)"w";
  update.position = &position;
  batch.tracker = (char *)"t";
  batch.n_updates = 1;
  batch.updates = &pointer;
  struct batch_reader reader;
  struct batch_header read;
  struct update out;
  assert_true(batch_open(bytes, muster__team_batch__pack(&batch, bytes), &reader, &read));
  assert_int_equal(batch_next(&reader, &out), BATCH_UPDATE);
  assert_false(out.has_position);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(protobuf_reads_the_batches_that_we_write),
      cmocka_unit_test(we_read_the_batches_that_protobuf_writes),
      cmocka_unit_test(we_read_what_we_write),
      cmocka_unit_test(a_batch_cut_short_is_bad_or_ends_between_updates),
      cmocka_unit_test(broken_bytes_never_lead_it_astray),
      cmocka_unit_test(an_update_whose_ids_are_none_is_bad),
      cmocka_unit_test(a_position_is_passed_on_as_it_came_unless_it_is_too_long),
      cmocka_unit_test(a_position_without_its_required_fields_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

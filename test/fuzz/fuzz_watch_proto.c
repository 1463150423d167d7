// watch_proto.c: the events of a view in protobuf are to the simulator what they are to protobuf-c, row by row.
#include "../../simulator/watch_proto.h"

#include "fuzz.h"
#include "ident.h"
#include "plain_wire.h"
#include "view.pb-c.h"

#define ROWS_MAX 512

static struct plain_arena arena;
static struct watch_row rows[ROWS_MAX];
static size_t row_count;

static void on_row(void *context, const struct watch_row *row) {
  (void)context;
  fuzz_check(row_count < ROWS_MAX && row->number < WATCH_PROTO_NUMBERS);
  fuzz_check(!row->worker || ident_valid(row->worker, row->worker_len));
  rows[row_count++] = *row;
}

// Says only where protobuf-c reads otherwise: known fields of a wrong type, several bodies, corners of the encoding.
static bool is_odd(struct plain_reader r, int depth, enum watch_kind kind) {
  static const unsigned event_types[] = {9, 2, 2, 2, 2, 2, 2};
  static const unsigned snapshot_types[] = {9, 2, 0, 1, 1, 0, 0, 2, 2};
  static const unsigned delta_types[] = {9, 0, 1, 2, 2, 2};
  static const unsigned row_types[] = {9, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const unsigned *types = depth == 0 ? event_types : depth == 2 ? row_types : delta_types;
  uint64_t known = depth == 0 ? 6 : depth == 2 ? 12 : 5;
  if (depth == 1 && kind == WATCH_SNAPSHOT) types = snapshot_types, known = 8;
  struct plain_field field;
  enum plain_status status;
  int names = 0;
  while ((status = plain_next(&r, &field)) == PLAIN_FIELD) {
    if (field.id > known) continue;
    bool is_left = depth == 1 && kind == WATCH_DELTA && field.id == 5;
    if (field.type != types[field.id] && !(is_left && field.type == 0)) return true;
    if (depth == 2 && field.id == 2 && names++ > 0) return true;                        // we look at each
    if (depth == 2 && field.id == 2 && memchr(field.bytes, 0, field.len)) return true;  // a text ends there
    if (depth == 2 && field.id == 1 && field.number > UINT32_MAX) return true;          // the rest is cut off
    bool is_row = depth == 1 && field.id == (kind == WATCH_SNAPSHOT ? 8 : 4);
    if (depth == 1 && field.type == 2 && !is_row && !is_left) return true;  // trackers and texts, which we do not read
    if (depth == 0 && is_odd(plain_inside(&field), 1, field.id == 1 ? WATCH_SNAPSHOT : WATCH_DELTA)) return true;
    if (is_row && is_odd(plain_inside(&field), 2, kind)) return true;
    struct plain_reader packed = plain_inside(&field);
    uint64_t number;
    while (is_left && field.type == 2 && packed.at != packed.end && plain_varint(&packed, &number)) {
      packed.odd |= number > UINT32_MAX;
    }
    if (packed.odd || (is_left && field.type == 0 && field.number > UINT32_MAX)) return true;
  }
  return r.odd || status == PLAIN_BAD;
}

static void check_row(const Muster__ViewRow *theirs, const struct watch_row *ours) {
  fuzz_check(theirs->number == ours->number && theirs->has_taken_at_us == ours->has_position);
  fuzz_check(theirs->has_longitude_e7 == ours->has_position && theirs->has_latitude_e7 == ours->has_position);
  fuzz_check((theirs->status == MUSTER__VIEW_STATUS__VIEW_STATUS_ONLINE) == ours->online);
  fuzz_check((theirs->worker != NULL) == (ours->worker != NULL));
  if (ours->worker) fuzz_check(memcmp(theirs->worker, ours->worker, ours->worker_len) == 0);
  if (ours->worker) fuzz_check(theirs->worker[ours->worker_len] == '\0');
  if (!ours->has_position) return;
  fuzz_check(theirs->taken_at_us == ours->taken_at_us && theirs->longitude_e7 == ours->longitude_e7);
  fuzz_check(theirs->latitude_e7 == ours->latitude_e7);
}

static void check_rows(Muster__ViewRow **theirs, size_t count, const uint32_t *left, size_t left_count) {
  size_t row = 0, gone = 0;
  for (size_t i = 0; i < row_count; i++) {
    if (rows[i].left) {
      fuzz_check(gone < left_count && left[gone] == rows[i].number);
      gone++;
    } else {
      fuzz_check(row < count);
      check_row(theirs[row++], &rows[i]);
    }
  }
  fuzz_check(row == count && gone == left_count);
}

static bool are_rows_good(Muster__ViewRow **theirs, size_t count, const uint32_t *left, size_t left_count) {
  for (size_t i = 0; i < count; i++) {
    const Muster__ViewRow *row = theirs[i];
    if (!row->has_number || row->number >= WATCH_PROTO_NUMBERS) return false;
    if (row->worker && !ident_valid(row->worker, strlen(row->worker))) return false;
    int parts = row->has_taken_at_us + row->has_longitude_e7 + row->has_latitude_e7;
    if (parts != 0 && parts != 3) return false;
  }
  for (size_t i = 0; i < left_count; i++) {
    if (left[i] >= WATCH_PROTO_NUMBERS) return false;
  }
  return true;
}

// What we refuse is no message, or has a row that says too little.
static void check_refused(const uint8_t *bytes, size_t len) {
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__ViewEvent *theirs = muster__view_event__unpack(&allocator, len, bytes);
  if (!theirs) return;
  const Muster__ViewSnapshot *snapshot = theirs->snapshot;
  const Muster__ViewDelta *delta = theirs->delta;
  if (snapshot) fuzz_check(!are_rows_good(snapshot->rows, snapshot->n_rows, NULL, 0));
  if (delta) fuzz_check(!are_rows_good(delta->rows, delta->n_rows, delta->left, delta->n_left));
}

static void check_protobuf(const uint8_t *bytes, size_t len, const struct watch_event *event, struct watch_base base) {
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__ViewEvent *theirs = muster__view_event__unpack(&allocator, len, bytes);
  fuzz_check(theirs);
  if (event->kind == WATCH_SNAPSHOT) {
    const Muster__ViewSnapshot *snapshot = theirs->snapshot;
    check_rows(snapshot->rows, snapshot->n_rows, NULL, 0);
    fuzz_check(snapshot->base_time_us == base.taken_at_us && snapshot->base_longitude_e7 == base.longitude_e7);
    fuzz_check(snapshot->base_latitude_e7 == base.latitude_e7);
  } else {
    const Muster__ViewDelta *delta = theirs->delta;
    check_rows(delta->rows, delta->n_rows, delta->left, delta->n_left);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len > ROWS_MAX) return 0;
  struct watch_event event = watch_proto_open(bytes, len);
  struct watch_base base = {0};
  int64_t retry_ms;
  row_count = 0;
  if (event.kind == WATCH_BAD || event.kind == WATCH_OTHER) return 0;
  fuzz_check(event.len <= len && (event.len == 0 || (event.data >= bytes && event.data + event.len <= bytes + len)));
  if (event.kind == WATCH_BYE && watch_proto_retry(&event, &retry_ms)) fuzz_check(retry_ms >= 0);
  if (event.kind != WATCH_SNAPSHOT && event.kind != WATCH_DELTA) return 0;
  bool good = watch_proto_read(&event, &base, on_row, NULL);
  struct plain_reader reader = {bytes, bytes + len, false};
  if (is_odd(reader, 0, WATCH_OTHER)) return 0;
  if (good) {
    check_protobuf(bytes, len, &event, base);
  } else {
    check_refused(bytes, len);
  }
  return 0;
}

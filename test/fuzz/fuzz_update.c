// update.c: a batch is to us what it is to a plain reader and to protobuf-c; what we write is what protobuf-c writes,
// and reads back as it was.
#include "update.h"

#include "ident.h"
#include "plain_position.h"
#include "team.pb-c.h"

#define UPDATES_MAX 512

static struct plain_arena arena;
static struct update updates[UPDATES_MAX];  // as we read them
static struct buffer live, written;

// ---- the plainer reading ----

static struct slice slice_of(const struct plain_field *field) {
  return (struct slice){(const char *)field->bytes, field->len};
}

static bool is_id(struct slice slice) {
  if (slice.len < 1 || slice.len > 64) return false;
  for (size_t i = 0; i < slice.len; i++) {
    char c = slice.data[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-') return false;
  }
  return true;
}

static bool plain_presence(struct plain_reader *r, struct presence *out) {
  static const unsigned types[] = {9, 0, 1, 1, 2, 0};
  struct plain_field field;
  enum plain_status status;
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id > 5) continue;
    if (field.type != types[field.id]) {
      r->odd = true;
      continue;
    }
    if (field.id == 1) out->online = field.number != 0;
    if (field.id == 2) out->session_us = (int64_t)field.number;
    if (field.id == 3) out->at_us = (int64_t)field.number;
    if (field.id == 4) out->reason = slice_of(&field);
    if (field.id == 5) out->reports = field.number;
  }
  return status == PLAIN_END;
}

static bool plain_update(struct plain_reader *r, struct update *out) {
  static const unsigned types[] = {9, 2, 2, 2, 1, 2};
  struct plain_field field;
  enum plain_status status;
  bool seen[4] = {false};
  *out = (struct update){0};
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id > 5) continue;
    if (field.type != types[field.id]) {
      r->odd = true;
      continue;
    }
    struct plain_reader inner = plain_inside(&field);
    if (field.id == 2 || field.id == 3) {
      if (seen[field.id]) r->odd = true;  // protobuf-c merges the two
      seen[field.id] = true;
    }
    bool good = true;
    if (field.id == 1) out->worker = slice_of(&field);
    if (field.id == 2) good = plain_position(&inner, &out->position);
    if (field.id == 2) out->has_position = !(~out->position.has & POSITION_HAS_ALL_REQUIRED);
    if (field.id == 3) good = out->has_presence = plain_presence(&inner, &out->presence);
    if (field.id == 4) out->received_at_us = (int64_t)field.number;
    if (field.id == 5) out->team = slice_of(&field);
    r->odd |= inner.odd;
    if (!good) return false;
  }
  return status == PLAIN_END;
}

// Up to the first update, which stays. False if there is no message up to there and with it.
static bool plain_header(struct plain_reader *r, struct batch_header *out) {
  struct plain_field field;
  enum plain_status status;
  struct plain_reader before = *r;
  *out = (struct batch_header){0};
  while ((status = plain_next(r, &field)) == PLAIN_FIELD && field.id != 4) {
    if (field.id == 1 && field.type == 2) out->tracker = slice_of(&field);
    if (field.id == 2 && field.type == 1) out->started_at_us = (int64_t)field.number;
    if (field.id == 3 && field.type == 0) out->number = field.number;
    if (field.id <= 3 && field.type != (field.id == 1 ? 2 : field.id == 2 ? 1 : 0)) r->odd = true;
    before = *r;
  }
  before.odd |= r->odd;
  *r = before;
  return status != PLAIN_BAD;
}

// BATCH_BAD also for bytes that are a message, but whose ids are none; *out_message tells the two apart.
static enum batch_status plain_next_update(struct plain_reader *r, struct update *out, bool *out_message) {
  struct plain_field field;
  enum plain_status status;
  *out_message = true;
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id <= 3) r->odd = true;  // of the header, which was over
    if (field.id != 4) continue;
    if (field.type != 2) {
      r->odd = true;
      continue;
    }
    struct plain_reader inner = plain_inside(&field);
    *out_message = plain_update(&inner, out);
    r->odd |= inner.odd;
    bool good = *out_message && is_id(out->worker) && (out->team.len == 0 || is_id(out->team));
    return good ? BATCH_UPDATE : BATCH_BAD;
  }
  *out_message = status == PLAIN_END;
  return status == PLAIN_END ? BATCH_END : BATCH_BAD;
}

// ---- comparing ----

static bool same_slice(struct slice a, struct slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_same_update(const struct update *a, const struct update *b) {
  fuzz_check(same_slice(a->worker, b->worker) && same_slice(a->team, b->team));
  fuzz_check(a->received_at_us == b->received_at_us);
  fuzz_check(a->has_position == b->has_position && a->has_presence == b->has_presence);
  if (a->has_position) check_same_position(&a->position, &b->position);
  if (!a->has_presence) return;
  fuzz_check(a->presence.online == b->presence.online && a->presence.session_us == b->presence.session_us);
  fuzz_check(a->presence.at_us == b->presence.at_us && a->presence.reports == b->presence.reports);
  fuzz_check(same_slice(a->presence.reason, b->presence.reason));
}

static bool same_text(const char *theirs, struct slice ours) {
  return theirs ? memcmp(theirs, ours.data, ours.len) == 0 && theirs[ours.len] == '\0' : ours.len == 0;
}

static void check_protobuf(const Muster__Update *theirs, const struct update *ours) {
  fuzz_check(same_text(theirs->worker, ours->worker) && same_text(theirs->team, ours->team));
  fuzz_check(theirs->received_at_us == ours->received_at_us);
  if (ours->has_position) {
    const struct position position = position_of_protobuf(theirs->position);
    check_same_position(&ours->position, &position);
  }
  fuzz_check((theirs->presence != NULL) == ours->has_presence);
  if (!ours->has_presence) return;
  const Muster__Presence *presence = theirs->presence;
  fuzz_check(presence->online == ours->presence.online && presence->session_us == ours->presence.session_us);
  fuzz_check(presence->at_us == ours->presence.at_us && presence->reports == ours->presence.reports);
  fuzz_check(same_text(presence->reason, ours->presence.reason));
}

// ---- writing ----

static void check_read_back(const struct batch_header *header, const struct update *update) {
  struct batch_reader reader;
  struct batch_header header_again;
  struct update again, expected = *update;
  if (update->presence.online) {  // is written without these
    expected.presence.reason = (struct slice){0};
    expected.presence.reports = 0;
  }
  fuzz_check(batch_open(written.data, written.len, &reader, &header_again));
  fuzz_check(same_slice(header_again.tracker, header->tracker));
  fuzz_check(header_again.started_at_us == header->started_at_us && header_again.number == header->number);
  fuzz_check(batch_next(&reader, &again) == BATCH_UPDATE);
  check_same_update(&again, &expected);
  fuzz_check(batch_next(&reader, &again) == BATCH_END);
  fuzz_check(batch_open(live.data, live.len, &reader, &header_again) && batch_next(&reader, &again) == BATCH_UPDATE);
  expected.team = (struct slice){0};
  check_same_update(&again, &expected);
}

// What protobuf-c reads in it, it writes again with the same bytes; but texts end for it at a NUL.
static void check_writing(const struct batch_header *header, const struct update *update) {
  live.len = written.len = 0;
  batch_append_header(&live, header);
  batch_append_header(&written, header);
  batch_append_update(&live, &written, update);
  check_read_back(header, update);
  ProtobufCAllocator allocator = plain_allocator(&arena);
  Muster__LogBatch *theirs = muster__log_batch__unpack(&allocator, written.len, written.data);
  fuzz_check(theirs && theirs->n_updates == 1);
  if (memchr(update->presence.reason.data ? update->presence.reason.data : "", 0, update->presence.reason.len)) return;
  fuzz_check(muster__log_batch__get_packed_size(theirs) == written.len);
  uint8_t *packed = plain_alloc(&arena, written.len);
  muster__log_batch__pack(theirs, packed);
  fuzz_check(memcmp(packed, written.data, written.len) == 0);
}

// ---- the target ----

static void check_batch(const uint8_t *bytes, size_t len, bool good, const struct batch_header *header, size_t count) {
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__LogBatch *theirs = muster__log_batch__unpack(&allocator, len, bytes);
  fuzz_check((theirs != NULL) == good);
  if (!good) return;
  fuzz_check(same_text(theirs->tracker, header->tracker) && theirs->started_at_us == header->started_at_us);
  fuzz_check(theirs->number == header->number && theirs->n_updates == count);
  for (size_t i = 0; i < count; i++) check_protobuf(theirs->updates[i], &updates[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len > 2 * UPDATES_MAX) return 0;
  struct plain_reader plain = {bytes, bytes + len, false};
  struct batch_header header, plain_head;
  struct batch_reader reader;
  bool message = plain_header(&plain, &plain_head);
  bool open = batch_open(bytes, len, &reader, &header);
  fuzz_check(open == (message && is_id(plain_head.tracker)));
  if (!open) return 0;
  fuzz_check(same_slice(header.tracker, plain_head.tracker));
  fuzz_check(header.started_at_us == plain_head.started_at_us && header.number == plain_head.number);
  size_t count = 0;
  struct update expected;
  enum batch_status status;
  while ((status = batch_next(&reader, &updates[count])) == BATCH_UPDATE) {
    fuzz_check(plain_next_update(&plain, &expected, &message) == BATCH_UPDATE);
    check_same_update(&updates[count], &expected);
    if (expected.presence.reason.len <= UPDATE_REASON_BYTES) check_writing(&header, &expected);
    count++;
  }
  fuzz_check(plain_next_update(&plain, &expected, &message) == status);
  if (!plain.odd && (status == BATCH_END || !message)) check_batch(bytes, len, status == BATCH_END, &header, count);
  return 0;
}

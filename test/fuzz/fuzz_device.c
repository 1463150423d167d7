// message.c: a DeviceMessage is to us what it is to a plain reader and to protobuf-c, with each position of a report;
// and these are the same in the batches that they are passed on in.
#include "../../tracker/message.h"

#include "frame.h"
#include "plain_position.h"
#include "team.pb-c.h"
#include "update.h"

#define POSITIONS_MAX 1024

struct plain_report {
  uint64_t number;
  bool ack_now;
  size_t count;
  struct position positions[POSITIONS_MAX];
};

static struct plain_arena arena;
static struct plain_report plain;
static struct buffer live, log_batch;
static struct report ours;  // used again and again, as a tracker does

// Which body it has, 0 for none or several. Fields of later protocols are passed over.
static uint64_t plain_open(struct plain_reader *r, struct plain_reader *out_body) {
  struct plain_field field;
  enum plain_status status;
  uint64_t kind = 0;
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id > 3) continue;
    if (kind) r->odd = true;  // protobuf-c takes the last
    if (kind || field.type != 2) return 0;
    kind = field.id;
    *out_body = plain_inside(&field);
  }
  return status == PLAIN_END ? kind : 0;
}

static bool plain_report_read(struct plain_reader *r) {
  struct plain_field field;
  enum plain_status status;
  plain.number = plain.count = 0;
  plain.ack_now = false;
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id == 2 && field.type == 2) {
      struct plain_reader position = plain_inside(&field);
      if (plain.count == POSITIONS_MAX) return false;
      bool good = plain_position(&position, &plain.positions[plain.count++]);
      r->odd |= position.odd;
      if (!good) return false;
    } else if (field.id <= 3 && field.type != (field.id == 2 ? 2 : 0)) {
      r->odd = true;
    } else if (field.id == 1) {
      plain.number = field.number;
    } else if (field.id == 3) {
      plain.ack_now = field.number != 0;
    }
  }
  return status == PLAIN_END;
}

static void check_report(void) {
  fuzz_check(ours.number == plain.number && ours.ack_now == plain.ack_now && ours.count == plain.count);
  for (size_t i = 0; i < plain.count; i++) check_same_position(&ours.positions[i].position, &plain.positions[i]);
}

static void check_protobuf(const Muster__Report *theirs) {
  fuzz_check(theirs->number == ours.number && theirs->ack_now == ours.ack_now && theirs->n_positions == ours.count);
  for (size_t i = 0; i < ours.count; i++) {
    const struct position position = position_of_protobuf(theirs->positions[i]);
    check_same_position(&ours.positions[i].position, &position);
  }
}

static bool is_whole(const struct position *position) {
  return (position->has & POSITION_HAS_ALL_REQUIRED) == POSITION_HAS_ALL_REQUIRED;
}

// Positions that have what every position has are passed on as they came: read from the batches, they must be the same
// again.
static void check_passed_on(void) {
  static const struct slice team = {"T", 1}, worker = {"worker", 6};
  static const struct batch_header header = {{"t", 1}, 1, 2};
  live.len = log_batch.len = 0;
  batch_append_header(&live, &header);
  batch_append_header(&log_batch, &header);
  for (size_t i = 0; i < ours.count; i++) {
    const struct reported *next = &ours.positions[i];
    if (!is_whole(&next->position)) continue;
    batch_append_position(&live, &log_batch, team, worker, &next->position, next->bytes, (int64_t)i);
  }
  const struct buffer *const batches[] = {&live, &log_batch};
  for (size_t b = 0; b < 2; b++) {
    struct batch_reader reader;
    struct batch_header again;
    struct update update;
    fuzz_check(batch_open(batches[b]->data, batches[b]->len, &reader, &again));
    for (size_t i = 0; i < ours.count; i++) {
      if (!is_whole(&ours.positions[i].position)) continue;
      fuzz_check(batch_next(&reader, &update) == BATCH_UPDATE && update.received_at_us == (int64_t)i);
      fuzz_check(update.worker.len == 6 && update.team.len == (b ? 1 : 0) && !update.has_presence);
      fuzz_check(update.has_position);
      check_same_position(&update.position, &ours.positions[i].position);
    }
    fuzz_check(batch_next(&reader, &update) == BATCH_END);
    ProtobufCAllocator allocator = plain_allocator(&arena);  // and nothing of a device makes it odd for others
    fuzz_check(muster__team_batch__unpack(&allocator, batches[b]->len, batches[b]->data) != NULL);
  }
}

// Of what a tracker says, only acks are written by hand.
static void check_ack(void) {
  uint8_t out[MESSAGE_SEND_BYTES];
  struct frame frame;
  size_t len = message_ack(out, plain.number);
  fuzz_check(frame_next(out, len, &frame) == FRAME_OK && frame.total_len == len);
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__TrackerMessage *theirs = muster__tracker_message__unpack(&allocator, frame.body_len, frame.body);
  fuzz_check(theirs && theirs->body_case == MUSTER__TRACKER_MESSAGE__BODY_ACK && theirs->ack->has_report);
  fuzz_check(theirs->ack->report == plain.number);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len > 2 * POSITIONS_MAX) return 0;
  struct plain_reader reader = {bytes, bytes + len, false}, body = {0};
  struct wire_reader message;
  uint64_t kind = plain_open(&reader, &body);
  const uint8_t *start = body.at;
  fuzz_check(message_open(bytes, len, &message) == (enum message_kind)kind);
  if (kind) fuzz_check(message.at == body.at && message.end == body.end);
  bool good = kind != 0;
  if (kind == MESSAGE_REPORT) {
    good = plain_report_read(&body);
    fuzz_check(message_report(message, &ours) == good);
    if (good) check_report();
    if (good) check_passed_on();
    if (good) check_ack();
  }
  if (reader.odd || body.odd) return 0;
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__DeviceMessage *theirs = muster__device_message__unpack(&allocator, len, bytes);
  if (kind == MESSAGE_HELLO) {  // is read by protobuf-c, without what is around it
    good = muster__hello__unpack(&allocator, (size_t)(body.end - start), start) != NULL;
  }
  if (kind == MESSAGE_PING) {  // what is in it is not looked at
    good = muster__ping__unpack(&allocator, (size_t)(body.end - start), start) != NULL;
  }
  fuzz_check((theirs && theirs->body_case) == good);
  if (good) fuzz_check(theirs->body_case == kind);
  if (good && kind == MESSAGE_REPORT) check_protobuf(theirs->report);
  return 0;
}

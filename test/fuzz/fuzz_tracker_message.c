// The simulator's device_message.c: what a tracker says is to it what it is to protobuf-c.
#include "../../simulator/device_message.h"

#include "device.pb-c.h"
#include "fuzz.h"
#include "plain_wire.h"

static struct plain_arena arena;

// Whether the bytes are a message as far as we look, which is down to the fields of the body and of its limits.
static bool is_message(struct plain_reader *r, int depth) {
  static const uint64_t known[] = {6, 3, 4};  // ids up to here are known to some message of this depth
  struct plain_field field;
  enum plain_status status;
  int bodies = 0;
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id > known[depth]) continue;
    if (depth == 0 && field.type == 2 && ++bodies > 1) r->odd = true;  // protobuf-c may merge them
    if (field.type != 2) r->odd |= depth == 0;
    if (field.type != 2 || depth == 2) continue;
    struct plain_reader inner = plain_inside(&field);
    bool good = is_message(&inner, depth + 1);
    r->odd |= inner.odd;
    if (depth == 0 && !good) return false;
    if (depth == 1) r->odd |= !good;  // a text, or limits
  }
  return status == PLAIN_END;
}

static bool same_text(const char *theirs, const struct tracker_message *ours) {
  return theirs ? memcmp(theirs, ours->text, ours->text_len) == 0 && !theirs[ours->text_len] : !ours->text;
}

static void check_welcome(const Muster__Welcome *theirs, const struct tracker_message *ours) {
  fuzz_check(theirs->session == ours->session_us && theirs->server_time_us == ours->server_time_us);
  fuzz_check((theirs->limits ? theirs->limits->message_bytes : 0) == ours->message_bytes);
  fuzz_check((theirs->limits ? theirs->limits->idle_timeout_ms : 0) == ours->idle_timeout_ms);
}

static void check_same(const Muster__TrackerMessage *theirs, const struct tracker_message *ours) {
  fuzz_check((unsigned)theirs->body_case == (unsigned)ours->kind);
  switch (ours->kind) {
    case TRACKER_UNKNOWN:
      break;
    case TRACKER_WELCOME:
      check_welcome(theirs->welcome, ours);
      break;
    case TRACKER_ACK:
      fuzz_check(theirs->ack->report == ours->report);
      break;
    case TRACKER_REFUSED:
      fuzz_check(theirs->refused->report == ours->report && theirs->refused->index == ours->index);
      fuzz_check((uint32_t)theirs->refused->reason == ours->reason);
      break;
    case TRACKER_GO_AWAY:
      fuzz_check(same_text(theirs->go_away->reason, ours));
      fuzz_check(theirs->go_away->retry_after_ms == ours->retry_after_ms);
      break;
    case TRACKER_ERROR:
      fuzz_check(same_text(theirs->error->text, ours) && (uint32_t)theirs->error->code == ours->code);
      break;
    case TRACKER_PONG:
      fuzz_check(theirs->pong->server_time_us == ours->server_time_us);
      break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  struct plain_reader reader = {bytes, bytes + len, false};
  struct tracker_message ours = {.kind = TRACKER_PONG, .report = 77};
  bool plain = is_message(&reader, 0), good = tracker_message_read(bytes, len, &ours);
  if (!good) fuzz_check(ours.kind == TRACKER_PONG && ours.report == 77);
  if (good && ours.text_len) fuzz_check((const uint8_t *)ours.text + ours.text_len <= bytes + len);
  fuzz_check(tracker_error_name(ours.code) != NULL);
  if (reader.odd) return 0;
  fuzz_check(good == plain);
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__TrackerMessage *theirs = muster__tracker_message__unpack(&allocator, len, bytes);
  // A field of a wrong type is passed over by us, and an error to protobuf-c.
  if (theirs && good) check_same(theirs, &ours);
  if (theirs) fuzz_check(good);
  return 0;
}

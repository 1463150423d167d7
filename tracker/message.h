// Messages of the device protocol as a tracker reads and writes them (proto/device.proto, docs/protocol.md). Reports,
// the hot message, are read in place with common/wire.h; the rest goes through protobuf-c. Pure.
#ifndef MUSTER_MESSAGE_H
#define MUSTER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.pb-c.h"
#include "position.h"
#include "wire.h"

enum message_kind { MESSAGE_BAD, MESSAGE_HELLO, MESSAGE_REPORT, MESSAGE_PING };

// Tells what a frame's body is and finds the message inside. MESSAGE_BAD: no DeviceMessage, or not one known body.
enum message_kind message_open(const uint8_t *body, size_t len, struct wire_reader *out_message);

struct reported {
  struct position position;
  struct wire_reader bytes;  // what it was read from, if they are plain; else empty
};

struct report {
  uint64_t number;
  bool ack_now;
  uint32_t count, capacity;
  struct reported *positions;  // memory of its own, which the next report uses again
};
// Reads a report into one that was used before, or zeros. False if it is no message: nothing of it counts then.
bool message_report(struct wire_reader message, struct report *report) __attribute__((warn_unused_result));
void report_fini(struct report *report);

// Room for every message that a tracker sends, with its frame header.
#define MESSAGE_SEND_BYTES 512
#define MESSAGE_TEXT_BYTES 200  // longer texts of an Error are cut

// Write one framed TrackerMessage into out (MESSAGE_SEND_BYTES) and return its length.
size_t message_welcome(uint8_t *out, int64_t session_us, int64_t now_us, const Muster__Limits *limits);
size_t message_ack(uint8_t *out, uint64_t report);
size_t message_refused(uint8_t *out, uint64_t report, uint32_t index, enum position_fault fault);
size_t message_go_away(uint8_t *out, const char *reason, uint32_t retry_after_ms);
size_t message_error(uint8_t *out, Muster__ErrorCode code, const char *text);
size_t message_pong(uint8_t *out, int64_t now_us);

#endif

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

// Reads what a report says of itself and checks that all of it is well-formed, so that message_next_position on a copy
// of `message` cannot fail. False if it is not.
struct report_head {
  uint64_t number;
  bool ack_now;
  uint32_t positions;
};
bool message_report_head(struct wire_reader message, struct report_head *out_head) __attribute__((warn_unused_result));
// The next position of a report; false at its end.
bool message_next_position(struct wire_reader *message, struct position *out_position)
    __attribute__((warn_unused_result));

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

// Messages of the device protocol as a device writes and reads them (proto/device.proto), each framed by its length.
// Pure; needs only wire, frame and position of common/.
#ifndef MUSTER_DEVICE_MESSAGE_H
#define MUSTER_DEVICE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "position.h"
#include "wire.h"

#define DEVICE_PROTOCOL 1

// Room for a Hello beside its token and agent, for a Ping, and for a report beside its positions.
#define DEVICE_MESSAGE_BYTES 48
// Room for each position of a report: its body, tag and length.
#define DEVICE_MESSAGE_POSITION_BYTES (POSITION_WIRE_BYTES + 2)

// Write one framed message and return the next free place.
// last_session: of the Welcome before, 0 if there was none.
uint8_t *device_message_hello(uint8_t *to, const char *token, size_t token_len, const char *agent,
                              int64_t last_session);
uint8_t *device_message_ping(uint8_t *to);

// Writes a report piece by piece: begin, then add each position, then end, which returns the next free place.
struct device_report {
  uint8_t *start;  // where the frame begins in the end
  uint8_t *body;   // of the Report
  uint8_t *at;
};
struct device_report device_report_begin(uint8_t *to, uint64_t number);
void device_report_add(struct device_report *report, const struct position *position);
uint8_t *device_report_end(struct device_report *report, bool ack_now);

// What a tracker says. Values that it left out are 0.
enum tracker_message_kind {
  TRACKER_UNKNOWN,  // of a later protocol version: to be passed over
  TRACKER_WELCOME,
  TRACKER_ACK,
  TRACKER_REFUSED,
  TRACKER_GO_AWAY,
  TRACKER_ERROR,
  TRACKER_PONG,
};

struct tracker_message {
  enum tracker_message_kind kind;
  uint64_t report;                          // ACK, REFUSED
  uint32_t index;                           // REFUSED
  uint32_t reason;                          // REFUSED: enum position_fault
  uint32_t code;                            // ERROR: ErrorCode of device.proto
  uint32_t retry_after_ms;                  // GO_AWAY
  int64_t session_us;                       // WELCOME
  int64_t server_time_us;                   // WELCOME, PONG
  uint32_t message_bytes, idle_timeout_ms;  // WELCOME: its limits
  const char *text;                         // ERROR, GO_AWAY; points into the bytes
  size_t text_len;
};

// Reads the body of a frame. False if it is no TrackerMessage.
bool tracker_message_read(const uint8_t *body, size_t len, struct tracker_message *out_message)
    __attribute__((warn_unused_result));

// The name of an ErrorCode, as reports spell it: "token_invalid", …
#define TRACKER_ERROR_CODES 15
// Those of device.proto's ErrorCode that a device acts upon.
enum tracker_error {
  TRACKER_ERROR_PROTOCOL_VERSION = 5,
  TRACKER_ERROR_TOKEN_INVALID = 6,
  TRACKER_ERROR_TOKEN_EXPIRED = 7,
  TRACKER_ERROR_TOKEN_REVOKED = 12,
  TRACKER_ERROR_WRONG_TEAM = 13,
  TRACKER_ERROR_CLOCK = 14,
};
const char *tracker_error_name(uint32_t code);

#endif

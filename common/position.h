// A position as the programs hold it, its wire form (Position in proto/device.proto) and the rules it must keep. Pure.
#ifndef MUSTER_POSITION_H
#define MUSTER_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

// Which optional fields a position has.
enum position_has {
  POSITION_HAS_SPEED = 1,
  POSITION_HAS_HEADING = 2,
  POSITION_HAS_ACCURACY = 4,
  POSITION_HAS_ALTITUDE = 8,
  POSITION_HAS_BATTERY = 16,
  // The three that every good position has; position_check refuses one without.
  POSITION_HAS_TAKEN_AT = 32,
  POSITION_HAS_LATITUDE = 64,
  POSITION_HAS_LONGITUDE = 128,
  POSITION_HAS_ALL_REQUIRED = POSITION_HAS_TAKEN_AT | POSITION_HAS_LATITUDE | POSITION_HAS_LONGITUDE,
};

// What a position does not have is 0.
struct position {
  int64_t taken_at_us;   // Unix, UTC
  int32_t latitude_e7;   // 1e-7 degrees
  int32_t longitude_e7;  // 1e-7 degrees
  uint32_t speed_cm_s;
  uint32_t heading_cdeg;  // 1/100 degree
  uint32_t accuracy_cm;
  int32_t altitude_cm;
  uint32_t battery_percent;
  uint32_t has;  // enum position_has
};

// The same values as RefusedReason in proto/device.proto, so that one can be sent as the other; 0 is "good".
enum position_fault {
  POSITION_GOOD = 0,
  POSITION_FUTURE = 1,
  POSITION_TOO_OLD = 2,
  POSITION_COORDINATE = 3,
  POSITION_VALUE = 4,
  POSITION_FAULTS,  // how many there are
};

// The most bytes a position can take on the wire, without tag and length.
#define POSITION_WIRE_BYTES 64

// Reads the body of a Position message; unknown fields are passed over. False if the bytes are no message: out_position
// is then of no use.
bool position_decode(struct wire_reader body, struct position *out_position) __attribute__((warn_unused_result));

// The same, and whether the bytes are plain: known fields only, under tags of one byte, which every reader of Protocol
// Buffers takes for the same. Of others this one takes more than some do.
bool position_read(struct wire_reader body, struct position *out_position, bool *out_plain)
    __attribute__((warn_unused_result));

// Writes the body of a Position message, at most POSITION_WIRE_BYTES, and returns the next free place.
uint8_t *position_encode(uint8_t *to, const struct position *position);

// Holds a position against docs/protocol.md. latest_us and oldest_us: the greatest and the smallest taken_at that is
// taken now.
enum position_fault position_check(const struct position *position, int64_t oldest_us, int64_t latest_us);

// The name of a fault as metrics and logs spell it: "future", "too_old", …
const char *position_fault_name(enum position_fault fault);

#endif

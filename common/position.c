// Position: decode, encode, check.
#include "position.h"

#define MAX_LATITUDE_E7 900000000
#define MAX_LONGITUDE_E7 1800000000
#define MAX_SPEED_CM_S 100000u
#define MAX_HEADING_CDEG 35999u
#define MAX_ACCURACY_CM 1000000000u
#define MAX_ALTITUDE_CM 10000000
#define MAX_BATTERY_PERCENT 100u

enum {
  TAKEN_AT = 1,
  LATITUDE = 2,
  LONGITUDE = 3,
  SPEED = 4,
  HEADING = 5,
  ACCURACY = 6,
  ALTITUDE = 7,
  BATTERY = 8,
};

// The optional fields have numbers in a row, are varints of 32 bits, and their bits in `has` are in the same order.
#define OPTIONALS (BATTERY - SPEED + 1)
#define LONGEST_VALUE 5  // bytes of 32 bits
_Static_assert(POSITION_HAS_SPEED == 1 && POSITION_HAS_BATTERY == 1 << (OPTIONALS - 1), "bits in order of the fields");

// The three that every position has, as devices write them: in order, before all others.
#define REQUIRED_BYTES (9 + 5 + 5)

static inline bool read_required(struct wire_reader *body, struct position *p) {
  const uint8_t *at = body->at;
  if (wire_left(body) < REQUIRED_BYTES || at[0] != WIRE_TAG(TAKEN_AT, WIRE_FIXED64) ||
      at[9] != WIRE_TAG(LATITUDE, WIRE_FIXED32) || at[14] != WIRE_TAG(LONGITUDE, WIRE_FIXED32)) {
    return false;
  }
  memcpy(&p->taken_at_us, at + 1, 8);
  memcpy(&p->latitude_e7, at + 10, 4);
  memcpy(&p->longitude_e7, at + 15, 4);
  p->has = POSITION_HAS_ALL_REQUIRED;
  body->at = at + REQUIRED_BYTES;
  return true;
}

// A field of the wrong type is passed over, as an unknown field is: the required ones are then missing, and refused.
static inline bool read_field(struct wire_reader *body, uint64_t tag, struct position *p, bool *plain) {
  switch (tag) {
    case WIRE_TAG(TAKEN_AT, WIRE_FIXED64):
      p->has |= POSITION_HAS_TAKEN_AT;
      return wire_fixed64(body, &p->taken_at_us);
    case WIRE_TAG(LATITUDE, WIRE_FIXED32):
      p->has |= POSITION_HAS_LATITUDE;
      return wire_fixed32(body, &p->latitude_e7);
    case WIRE_TAG(LONGITUDE, WIRE_FIXED32):
      p->has |= POSITION_HAS_LONGITUDE;
      return wire_fixed32(body, &p->longitude_e7);
    default:
      *plain = false;
      return wire_skip(body, tag);
  }
}

bool position_read(struct wire_reader body, struct position *out, bool *out_plain) {
  uint32_t optional[OPTIONALS] = {0}, has = 0;
  bool plain = true;
  out->has = 0;
  if (!read_required(&body, out)) out->taken_at_us = out->latitude_e7 = out->longitude_e7 = 0;  // field by field, then
  while (body.at != body.end) {
    uint64_t tag, value;
    plain &= body.at[0] < 0x80;
    if (!wire_varint(&body, &tag)) return false;
    uint64_t beyond = tag - WIRE_TAG(SPEED, WIRE_VARINT);
    if (beyond % 8 == 0 && beyond / 8 < OPTIONALS) {
      const uint8_t *start = body.at;
      if (!wire_varint(&body, &value)) return false;
      plain &= body.at - start <= LONGEST_VALUE;
      optional[beyond / 8] = (uint32_t)value;
      has |= 1u << beyond / 8;
    } else if (!read_field(&body, tag, out, &plain)) {
      return false;
    }
  }
  out->has |= has;
  out->speed_cm_s = optional[SPEED - SPEED];
  out->heading_cdeg = optional[HEADING - SPEED];
  out->accuracy_cm = optional[ACCURACY - SPEED];
  out->altitude_cm = (int32_t)wire_unzigzag(optional[ALTITUDE - SPEED]);
  out->battery_percent = optional[BATTERY - SPEED];
  *out_plain = plain;
  return true;
}

bool position_decode(struct wire_reader body, struct position *out) {
  bool plain;
  return position_read(body, out, &plain);
}

uint8_t *position_encode(uint8_t *to, const struct position *position) {
  to = wire_put_fixed64(to, TAKEN_AT, (uint64_t)position->taken_at_us);
  to = wire_put_fixed32(to, LATITUDE, (uint32_t)position->latitude_e7);
  to = wire_put_fixed32(to, LONGITUDE, (uint32_t)position->longitude_e7);
  if (position->has & POSITION_HAS_SPEED) to = wire_put_uint(to, SPEED, position->speed_cm_s);
  if (position->has & POSITION_HAS_HEADING) to = wire_put_uint(to, HEADING, position->heading_cdeg);
  if (position->has & POSITION_HAS_ACCURACY) to = wire_put_uint(to, ACCURACY, position->accuracy_cm);
  if (position->has & POSITION_HAS_ALTITUDE) {
    to = wire_put_uint(to, ALTITUDE, (uint32_t)wire_zigzag(position->altitude_cm));
  }
  if (position->has & POSITION_HAS_BATTERY) to = wire_put_uint(to, BATTERY, position->battery_percent);
  return to;
}

// What a position does not have is 0, which is always in range.
static inline bool values_in_range(const struct position *p) {
  return p->speed_cm_s <= MAX_SPEED_CM_S && p->heading_cdeg <= MAX_HEADING_CDEG && p->accuracy_cm <= MAX_ACCURACY_CM &&
         p->altitude_cm <= MAX_ALTITUDE_CM && p->altitude_cm >= -MAX_ALTITUDE_CM &&
         p->battery_percent <= MAX_BATTERY_PERCENT;
}

enum position_fault position_check(const struct position *p, int64_t oldest_us, int64_t latest_us) {
  const uint32_t both = POSITION_HAS_LATITUDE | POSITION_HAS_LONGITUDE;
  if (!(p->has & POSITION_HAS_TAKEN_AT)) return POSITION_VALUE;
  if ((p->has & both) != both) return POSITION_COORDINATE;
  if (p->latitude_e7 > MAX_LATITUDE_E7 || p->latitude_e7 < -MAX_LATITUDE_E7) return POSITION_COORDINATE;
  if (p->longitude_e7 > MAX_LONGITUDE_E7 || p->longitude_e7 < -MAX_LONGITUDE_E7) return POSITION_COORDINATE;
  if (p->taken_at_us > latest_us) return POSITION_FUTURE;
  if (p->taken_at_us < oldest_us) return POSITION_TOO_OLD;
  return values_in_range(p) ? POSITION_GOOD : POSITION_VALUE;
}

const char *position_fault_name(enum position_fault fault) {
  static const char *const names[] = {"good", "future", "too_old", "coordinate", "value"};
  return names[fault];
}

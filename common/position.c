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

static inline bool read_uint32(struct wire_reader *body, uint32_t *out) {
  uint64_t value;
  if (!wire_varint(body, &value)) return false;
  *out = (uint32_t)value;
  return true;
}

static bool read_altitude(struct wire_reader *body, int32_t *out) {
  uint32_t value;
  if (!read_uint32(body, &value)) return false;
  *out = (int32_t)wire_unzigzag(value);
  return true;
}

// A field of the wrong type is passed over, as an unknown field is: the required ones are then missing, and refused.
static bool read_field(struct wire_reader *body, uint64_t tag, struct position *p) {
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
    case WIRE_TAG(SPEED, WIRE_VARINT):
      p->has |= POSITION_HAS_SPEED;
      return read_uint32(body, &p->speed_cm_s);
    case WIRE_TAG(HEADING, WIRE_VARINT):
      p->has |= POSITION_HAS_HEADING;
      return read_uint32(body, &p->heading_cdeg);
    case WIRE_TAG(ACCURACY, WIRE_VARINT):
      p->has |= POSITION_HAS_ACCURACY;
      return read_uint32(body, &p->accuracy_cm);
    case WIRE_TAG(ALTITUDE, WIRE_VARINT):
      p->has |= POSITION_HAS_ALTITUDE;
      return read_altitude(body, &p->altitude_cm);
    case WIRE_TAG(BATTERY, WIRE_VARINT):
      p->has |= POSITION_HAS_BATTERY;
      return read_uint32(body, &p->battery_percent);
    default:
      return wire_skip(body, tag);
  }
}

bool position_decode(struct wire_reader body, struct position *out_position) {
  struct position position = {0};
  while (body.at != body.end) {
    uint64_t tag;
    if (!wire_varint(&body, &tag) || !read_field(&body, tag, &position)) return false;
  }
  *out_position = position;
  return true;
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

static bool values_in_range(const struct position *p) {
  if ((p->has & POSITION_HAS_SPEED) && p->speed_cm_s > MAX_SPEED_CM_S) return false;
  if ((p->has & POSITION_HAS_HEADING) && p->heading_cdeg > MAX_HEADING_CDEG) return false;
  if ((p->has & POSITION_HAS_ACCURACY) && p->accuracy_cm > MAX_ACCURACY_CM) return false;
  if ((p->has & POSITION_HAS_ALTITUDE) && (p->altitude_cm > MAX_ALTITUDE_CM || p->altitude_cm < -MAX_ALTITUDE_CM)) {
    return false;
  }
  return !(p->has & POSITION_HAS_BATTERY) || p->battery_percent <= MAX_BATTERY_PERCENT;
}

enum position_fault position_check(const struct position *position, int64_t oldest_us, int64_t latest_us) {
  const uint32_t both = POSITION_HAS_LATITUDE | POSITION_HAS_LONGITUDE;
  if (!(position->has & POSITION_HAS_TAKEN_AT)) return POSITION_VALUE;
  if ((position->has & both) != both) return POSITION_COORDINATE;
  if (position->latitude_e7 > MAX_LATITUDE_E7 || position->latitude_e7 < -MAX_LATITUDE_E7) return POSITION_COORDINATE;
  if (position->longitude_e7 > MAX_LONGITUDE_E7 || position->longitude_e7 < -MAX_LONGITUDE_E7) {
    return POSITION_COORDINATE;
  }
  if (position->taken_at_us > latest_us) return POSITION_FUTURE;
  if (position->taken_at_us < oldest_us) return POSITION_TOO_OLD;
  return values_in_range(position) ? POSITION_GOOD : POSITION_VALUE;
}

const char *position_fault_name(enum position_fault fault) {
  static const char *const names[] = {"good", "future", "too_old", "coordinate", "value"};
  return names[fault];
}

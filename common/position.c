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

// A field of the wrong type is passed over, as an unknown field is: the required ones are then missing, and refused.
static void take_field(struct position *p, const struct wire_field *field) {
  uint64_t value = field->number;
  switch (field->id << 3 | field->type) {
    case TAKEN_AT << 3 | WIRE_FIXED64:
      p->taken_at_us = (int64_t)value;
      p->has |= POSITION_HAS_TAKEN_AT;
      break;
    case LATITUDE << 3 | WIRE_FIXED32:
      p->latitude_e7 = (int32_t)(uint32_t)value;
      p->has |= POSITION_HAS_LATITUDE;
      break;
    case LONGITUDE << 3 | WIRE_FIXED32:
      p->longitude_e7 = (int32_t)(uint32_t)value;
      p->has |= POSITION_HAS_LONGITUDE;
      break;
    case SPEED << 3 | WIRE_VARINT:
      p->speed_cm_s = (uint32_t)value;
      p->has |= POSITION_HAS_SPEED;
      break;
    case HEADING << 3 | WIRE_VARINT:
      p->heading_cdeg = (uint32_t)value;
      p->has |= POSITION_HAS_HEADING;
      break;
    case ACCURACY << 3 | WIRE_VARINT:
      p->accuracy_cm = (uint32_t)value;
      p->has |= POSITION_HAS_ACCURACY;
      break;
    case ALTITUDE << 3 | WIRE_VARINT:
      p->altitude_cm = (int32_t)wire_unzigzag((uint32_t)value);
      p->has |= POSITION_HAS_ALTITUDE;
      break;
    case BATTERY << 3 | WIRE_VARINT:
      p->battery_percent = (uint32_t)value;
      p->has |= POSITION_HAS_BATTERY;
      break;
    default:
      break;
  }
}

bool position_decode(struct wire_reader body, struct position *out_position) {
  struct position position = {0};
  struct wire_field field;
  enum wire_status status;
  while ((status = wire_next(&body, &field)) == WIRE_FIELD) take_field(&position, &field);
  if (status == WIRE_BAD) return false;
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

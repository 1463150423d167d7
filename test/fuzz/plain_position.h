// A position read plainly, and a position compared with protobuf-c's, for the fuzz targets of messages that carry some.
#ifndef MUSTER_PLAIN_POSITION_H
#define MUSTER_PLAIN_POSITION_H

#include "device.pb-c.h"
#include "fuzz.h"
#include "plain_wire.h"
#include "position.h"

// False if the bytes are no message. A field of a type that is not its own is passed over by us, and an error to
// protobuf-c: odd.
static inline bool plain_position(struct plain_reader *r, struct position *out) {
  static const unsigned types[] = {9, 1, 5, 5, 0, 0, 0, 0, 0};
  struct plain_field field;
  enum plain_status status;
  *out = (struct position){0};
  while ((status = plain_next(r, &field)) == PLAIN_FIELD) {
    if (field.id > 8) continue;
    if (field.type != types[field.id]) {
      r->odd = true;
      continue;
    }
    static const uint32_t has[] = {0,
                                   POSITION_HAS_TAKEN_AT,
                                   POSITION_HAS_LATITUDE,
                                   POSITION_HAS_LONGITUDE,
                                   POSITION_HAS_SPEED,
                                   POSITION_HAS_HEADING,
                                   POSITION_HAS_ACCURACY,
                                   POSITION_HAS_ALTITUDE,
                                   POSITION_HAS_BATTERY};
    out->has |= has[field.id];
    if (field.id == 1) out->taken_at_us = (int64_t)field.number;
    if (field.id == 2) out->latitude_e7 = (int32_t)(uint32_t)field.number;
    if (field.id == 3) out->longitude_e7 = (int32_t)(uint32_t)field.number;
    if (field.id == 4) out->speed_cm_s = (uint32_t)field.number;
    if (field.id == 5) out->heading_cdeg = (uint32_t)field.number;
    if (field.id == 6) out->accuracy_cm = (uint32_t)field.number;
    if (field.id == 7) out->altitude_cm = (int32_t)plain_unzigzag32((uint32_t)field.number);
    if (field.id == 8) out->battery_percent = (uint32_t)field.number;
  }
  return status == PLAIN_END;
}

// Only the fields that are there count.
static inline void check_same_position(const struct position *a, const struct position *b) {
  fuzz_check(a->has == b->has);
  fuzz_check(!(a->has & POSITION_HAS_TAKEN_AT) || a->taken_at_us == b->taken_at_us);
  fuzz_check(!(a->has & POSITION_HAS_LATITUDE) || a->latitude_e7 == b->latitude_e7);
  fuzz_check(!(a->has & POSITION_HAS_LONGITUDE) || a->longitude_e7 == b->longitude_e7);
  fuzz_check(!(a->has & POSITION_HAS_SPEED) || a->speed_cm_s == b->speed_cm_s);
  fuzz_check(!(a->has & POSITION_HAS_HEADING) || a->heading_cdeg == b->heading_cdeg);
  fuzz_check(!(a->has & POSITION_HAS_ACCURACY) || a->accuracy_cm == b->accuracy_cm);
  fuzz_check(!(a->has & POSITION_HAS_ALTITUDE) || a->altitude_cm == b->altitude_cm);
  fuzz_check(!(a->has & POSITION_HAS_BATTERY) || a->battery_percent == b->battery_percent);
}

static inline struct position position_of_protobuf(const Muster__Position *p) {
  return (struct position){
      .taken_at_us = p->taken_at_us,
      .latitude_e7 = p->latitude_e7,
      .longitude_e7 = p->longitude_e7,
      .speed_cm_s = p->speed_cm_s,
      .heading_cdeg = p->heading_cdeg,
      .accuracy_cm = p->accuracy_cm,
      .altitude_cm = p->altitude_cm,
      .battery_percent = p->battery_percent,
      .has = (p->has_taken_at_us ? POSITION_HAS_TAKEN_AT : 0u) | (p->has_latitude_e7 ? POSITION_HAS_LATITUDE : 0u) |
             (p->has_longitude_e7 ? POSITION_HAS_LONGITUDE : 0u) | (p->has_speed_cm_s ? POSITION_HAS_SPEED : 0u) |
             (p->has_heading_cdeg ? POSITION_HAS_HEADING : 0u) | (p->has_accuracy_cm ? POSITION_HAS_ACCURACY : 0u) |
             (p->has_altitude_cm ? POSITION_HAS_ALTITUDE : 0u) | (p->has_battery_percent ? POSITION_HAS_BATTERY : 0u),
  };
}

#endif

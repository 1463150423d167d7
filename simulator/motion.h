// Believable movement: a walker, cyclist or van on a grid of streets around a place, who keeps to the streets, turns at
// crossings, waits at some, stops at doors and stays in the area. The same seed gives the same way. Pure.
#ifndef MUSTER_MOTION_H
#define MUSTER_MOTION_H

#include <stdint.h>

#include "position.h"

enum motion_kind { MOTION_WALK, MOTION_BIKE, MOTION_VAN, MOTION_KINDS };

// The area that all workers share.
struct motion_area {
  int32_t latitude_e7, longitude_e7;  // its centre
  double radius_m;
  double e7_per_m_north, e7_per_m_east;
};

// The struct is its owner's; nothing is to be freed.
struct motion {
  uint64_t random;
  int16_t column, row;  // the crossing it comes from
  uint8_t heading;      // of the street: 0 along the rows, then clockwise by quarters
  uint8_t kind;
  uint8_t battery_percent;
  float along_m;  // from that crossing
  float stop_m;   // where on this street it stops, or beyond its end
  float stop_s;   // how long it stops there
  float halt_s;   // how much longer it stands
  float cruise_m_s, speed_m_s;
  float side_m;  // how far right of the street's middle it keeps
};

struct motion_area motion_area(int32_t latitude_e7, int32_t longitude_e7, double radius_m);
void motion_init(struct motion *motion, const struct motion_area *area, enum motion_kind kind, uint64_t seed);
// Moves on by us microseconds, an hour at most.
void motion_advance(struct motion *motion, const struct motion_area *area, int64_t us);
// Where it is: all fields but taken_at.
void motion_position(const struct motion *motion, const struct motion_area *area, struct position *out_position);

const char *motion_kind_name(enum motion_kind kind);

#endif

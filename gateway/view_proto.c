// Fields in the order of their numbers.
#include "view_proto.h"

static uint8_t *put_signed(uint8_t *to, uint32_t id, int64_t value) {
  return wire_put_uint(to, id, wire_zigzag(value));
}

static uint8_t *put_position(uint8_t *to, const struct position *p, const struct view_base *base) {
  to = put_signed(to, 3, p->taken_at_us - base->time_us);
  to = put_signed(to, 4, (int64_t)p->longitude_e7 - base->longitude_e7);
  to = put_signed(to, 5, (int64_t)p->latitude_e7 - base->latitude_e7);
  if (p->has & POSITION_HAS_SPEED) to = wire_put_uint(to, 6, p->speed_cm_s);
  if (p->has & POSITION_HAS_HEADING) to = wire_put_uint(to, 7, p->heading_cdeg);
  if (p->has & POSITION_HAS_ACCURACY) to = wire_put_uint(to, 8, p->accuracy_cm);
  if (p->has & POSITION_HAS_ALTITUDE) to = put_signed(to, 9, p->altitude_cm);
  if (p->has & POSITION_HAS_BATTERY) to = wire_put_uint(to, 10, p->battery_percent);
  return to;
}

uint8_t *view_proto_row(uint8_t *to, const struct view_row *row, const struct view_base *base, uint32_t number,
                        uint32_t tracker) {
  to = wire_put_uint(to, 1, number);
  if (row->position) to = put_position(to, row->position, base);
  if (row->status != VIEW_ONLINE) to = wire_put_uint(to, 11, row->status == VIEW_STALE ? 1 : 2);
  return tracker ? wire_put_uint(to, 12, tracker - 1) : to;
}

// Four numbers.
#include "box.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

#define HALF_TURN_E7 1800000000

bool box_parse(const char *text, struct box *out_box) {
  int32_t edges[4];
  for (int i = 0; i < 4; i++) {
    size_t len = strcspn(text, ",");
    if (!decimal_degrees(text, len, i % 2 ? 90 : 180, &edges[i])) return false;
    text += len;
    if ((*text == ',') != (i < 3)) return false;
    text += i < 3;
  }
  if (edges[1] > edges[3]) return false;
  *out_box = (struct box){edges[0], edges[1], edges[2], edges[3]};
  return true;
}

static bool has_longitude(const struct box *box, int64_t longitude_e7) {
  bool from_west = longitude_e7 >= box->west_e7, to_east = longitude_e7 <= box->east_e7;
  return box->west_e7 <= box->east_e7 ? from_west && to_east : from_west || to_east;
}

bool box_has(const struct box *box, int64_t latitude_e7, int64_t longitude_e7) {
  if (latitude_e7 < box->south_e7 || latitude_e7 > box->north_e7) return false;
  if (has_longitude(box, longitude_e7)) return true;
  // +180 and -180 are the same meridian.
  return llabs(longitude_e7) == HALF_TURN_E7 && has_longitude(box, -longitude_e7);
}

static void append_degrees(struct buffer *out, int32_t e7) {
  unsigned magnitude = (unsigned)labs(e7);
  buffer_printf(out, "%s%u.%07u", e7 < 0 ? "-" : "", magnitude / 10000000, magnitude % 10000000);
}

void box_append(const struct box *box, struct buffer *out) {
  append_degrees(out, box->west_e7);
  buffer_append_string(out, ",");
  append_degrees(out, box->south_e7);
  buffer_append_string(out, ",");
  append_degrees(out, box->east_e7);
  buffer_append_string(out, ",");
  append_degrees(out, box->north_e7);
}

// A box on the map: what viewers ask for with --view-bbox. Pure.
#ifndef MUSTER_BOX_H
#define MUSTER_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

// In 1e-7 degrees, edges included; west > east crosses the antimeridian (RFC 7946, 5.2).
struct box {
  int32_t west_e7, south_e7, east_e7, north_e7;
};

// "WEST,SOUTH,EAST,NORTH" in degrees. False if it is no box.
bool box_parse(const char *text, struct box *out_box) __attribute__((warn_unused_result));
bool box_has(const struct box *box, int64_t latitude_e7, int64_t longitude_e7);
// Appends it as a gateway takes it.
void box_append(const struct box *box, struct buffer *out);

#endif

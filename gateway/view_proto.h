// The rows of a protobuf view (proto/view.proto), written by hand like all hot messages; test_view_proto.c holds them
// against protobuf-c. Pure; any thread.
#ifndef MUSTER_VIEW_PROTO_H
#define MUSTER_VIEW_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "view_json.h"

// What times and coordinates of a stream count from, so that they are short.
struct view_base {
  int64_t time_us;  // 0: not chosen yet
  int32_t longitude_e7, latitude_e7;
};

#define VIEW_PROTO_ROW_BYTES 96  // the longest form of all but the name

// Writes a ViewRow's fields but its `worker` (the name), which the first frame that has the row adds. `number` is the
// worker's; `tracker` is the tracker's number plus 1, or 0 if it is not known. Returns the next free place.
uint8_t *view_proto_row(uint8_t *to, const struct view_row *row, const struct view_base *base, uint32_t number,
                        uint32_t tracker);

#endif

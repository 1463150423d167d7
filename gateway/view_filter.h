// What a viewer wants to see of its team, and how often; and how it says so: in a URL, or in a message on its
// WebSocket. Pure; any thread.
#ifndef MUSTER_VIEW_FILTER_H
#define MUSTER_VIEW_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_protocol {
  VIEW_SSE,              // /stream
  VIEW_SOCKET_JSON,      // /socket with muster.v1.json
  VIEW_SOCKET_PROTOBUF,  // /socket with muster.v1.protobuf
};
#define VIEW_PROTOCOLS 3

#define VIEW_INTERVAL_MAX_MS 60000u

// In 1e-7 degrees, edges included; west > east crosses the antimeridian. One that only touches the antimeridian, at
// +180 or -180, is held as if it crossed it there: both are the same line, and a worker may be at either.
struct view_box {
  int32_t west_e7;
  int32_t south_e7;
  int32_t east_e7;
  int32_t north_e7;
};

struct view_filter {
  unsigned interval_ms;
  bool has_box;  // else the whole team
  struct view_box box;
};

static inline bool view_box_has(const struct view_box *box, int32_t latitude_e7, int32_t longitude_e7) {
  if (latitude_e7 < box->south_e7 || latitude_e7 > box->north_e7) return false;
  bool from_west = longitude_e7 >= box->west_e7, to_east = longitude_e7 <= box->east_e7;
  return box->west_e7 <= box->east_e7 ? from_west && to_east : from_west || to_east;
}

// "west,south,east,north" in decimal degrees, to the nearest 1e-7. False, and out_box untouched, if it is anything
// else, a longitude beyond ±180, a latitude beyond ±90, or south is north of north.
bool view_box_parse(const char *text, struct view_box *out_box) __attribute__((warn_unused_result));

// Applies a message of a client onto its filter; what the message does not name stays. In JSON
// {"bbox": [west, south, east, north] | null, "interval_ms": N}, in protobuf a ViewFilter (proto/view.proto). What is
// unknown is refused, in both: nobody shall believe in a filter that is not there. False if it is refused: *filter is
// unchanged then, and *out_fault says why, in a text that lives for ever and needs no escapes in JSON. VIEW_SSE takes
// no messages.
bool view_filter_read(enum view_protocol protocol, const void *bytes, size_t len, struct view_filter *filter,
                      const char **out_fault) __attribute__((warn_unused_result));

#endif

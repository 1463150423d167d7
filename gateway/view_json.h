// JSON of views: numbers, one worker's row, one worker's GeoJSON feature. Append-only, in whole numbers: a coordinate
// is printed exactly as it was measured, in 1e-7 degrees, and never goes through a float. Pure; any thread.
//
// Writers write to memory that is surely enough and return the next free place. Ids need no escaping, by their
// alphabet.
#ifndef MUSTER_VIEW_JSON_H
#define MUSTER_VIEW_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "ident.h"
#include "position.h"
#include "update.h"

enum view_status {
  VIEW_OFFLINE,
  VIEW_STALE,  // connected, but silent for a while
  VIEW_ONLINE,
};

// What a view shows of a worker.
struct view_row {
  struct slice worker;
  const struct position *position;  // NULL if it never sent one
  enum view_status status;
  struct slice tracker;  // empty if it is not known
};

#define VIEW_JSON_INT_BYTES 20  // the longest 64-bit number
#define VIEW_JSON_FIXED_BYTES (VIEW_JSON_INT_BYTES + 2)
// A row's longest form: two ids, a stamp, seven other numbers, a status, and what is between them.
#define VIEW_ROW_BYTES (2 * (IDENT_MAX_BYTES + 3) + VIEW_JSON_INT_BYTES + 7 * (VIEW_JSON_FIXED_BYTES + 1) + 16)

extern const char view_columns[];  // the JSON array of the columns' names, in the order of a row

char *view_json_int(char *to, int64_t value);
// value / 10^7 and value / 100, with all digits.
char *view_json_e7(char *to, int64_t value);
char *view_json_centi(char *to, int64_t value);
char *view_json_row(char *to, const struct view_row *row);

// Appends a GeoJSON Feature (RFC 7946): the coordinates as its geometry, the other columns as its properties.
void view_json_feature(struct buffer *out, const struct view_row *row);

// The same of one position of a track: taken_at as text (RFC 3339), which maps and GIS programs read as a time.
void view_json_track_feature(struct buffer *out, struct slice worker, const struct position *position);

#endif

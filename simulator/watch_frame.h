// The JSON of a view's events (docs/http-api.md): rows out of a snapshot or a delta, and the few other numbers, read in
// place without a tree. Pure.
#ifndef MUSTER_WATCH_FRAME_H
#define MUSTER_WATCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where the columns that we read stand in a row; a snapshot names them. -1: not there.
struct watch_columns {
  int worker, taken_at_us, longitude, latitude, status;
};
#define WATCH_COLUMNS_UNKNOWN ((struct watch_columns){-1, -1, -1, -1, -1})

struct watch_row {
  const char *worker;  // points into the JSON; without escapes, as ids have none
  size_t worker_len;
  bool has_position;
  bool online;
  int64_t taken_at_us;
  int32_t latitude_e7, longitude_e7;
};

// Reads a snapshot or a delta, calling back for each row. Sets *columns if the event names them; false if it is not
// JSON of that form, or has rows before any columns are known.
bool watch_frame_read(const char *json, size_t len, struct watch_columns *columns,
                      void (*on_row)(void *context, const struct watch_row *row), void *context)
    __attribute__((warn_unused_result));

// The whole number of this key of a JSON object, such as "retry_ms"; false if there is none.
bool watch_frame_number(const char *json, size_t len, const char *key, int64_t *out_value)
    __attribute__((warn_unused_result));

#endif

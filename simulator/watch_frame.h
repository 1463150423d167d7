// The JSON of a view's events (docs/http-api.md): rows out of a snapshot or a delta, and the few other numbers, read in
// place without a tree. Pure.
#ifndef MUSTER_WATCH_FRAME_H
#define MUSTER_WATCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch_event.h"

// Where the columns that we read stand in a row; a snapshot names them. -1: not there.
struct watch_columns {
  int worker, taken_at_us, longitude, latitude, status;
};
#define WATCH_COLUMNS_UNKNOWN ((struct watch_columns){-1, -1, -1, -1, -1})

// Takes a message of the WebSocket apart, {"event":NAME,"data":{…}}: what it points to is in there. WATCH_BAD if it is
// none.
struct watch_event watch_frame_open(const char *json, size_t len);

enum watch_kind watch_frame_kind(const char *name, size_t len);

// Reads a snapshot or a delta, calling back for each row, and for each worker that left. Sets *columns if the event
// names them; false if it is not JSON of that form, or has rows before any columns are known.
bool watch_frame_read(const char *json, size_t len, struct watch_columns *columns,
                      void (*on_row)(void *context, const struct watch_row *row), void *context)
    __attribute__((warn_unused_result));

// The whole number of this key of a JSON object, such as "retry_ms"; false if there is none.
bool watch_frame_number(const char *json, size_t len, const char *key, int64_t *out_value)
    __attribute__((warn_unused_result));

#endif

// The protobuf of a view's events (proto/view.proto), read by hand and in place, as common/update.h reads batches:
// thousands of viewers read every row. Pure; any thread.
#ifndef MUSTER_WATCH_PROTO_H
#define MUSTER_WATCH_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch_event.h"

// Numbers of workers below this are taken; viewers keep tables by them.
#define WATCH_PROTO_NUMBERS (1u << 24)

// Takes a ViewEvent apart: which one it is, and where that is. WATCH_BAD if it is none, or several at once.
struct watch_event watch_proto_open(const void *bytes, size_t len);

// Reads a snapshot or a delta, calling back for each row, and for each worker that left. Values are as they stand
// there: they count from the base of the stream's last snapshot, which a snapshot sets in *out_base. False if it is no
// message, or a row has no number, no id for a name, or a part of a position.
bool watch_proto_read(const struct watch_event *event, struct watch_base *out_base,
                      void (*on_row)(void *context, const struct watch_row *row), void *context)
    __attribute__((warn_unused_result));

// What a bye asks for; false if it asks for nothing.
bool watch_proto_retry(const struct watch_event *event, int64_t *out_ms) __attribute__((warn_unused_result));

#endif

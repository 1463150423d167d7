// How a run goes from moment to moment: a line of JSON every 100 ms, so that whoever breaks something meanwhile can see
// when positions were acked, and views moved, again. The loop's thread.
#ifndef MUSTER_TIMELINE_H
#define MUSTER_TIMELINE_H

#include <stdbool.h>
#include <uv.h>

#include "audience.h"
#include "fleet.h"

struct timeline;

// NULL if the file cannot be written. audience: may be NULL.
struct timeline *timeline_start(uv_loop_t *loop, const char *path, struct fleet *fleet, struct audience *audience);
// Closes file and timer, and frees once the loop has run on. False if anything could not be written. NULL passes.
bool timeline_stop(struct timeline *timeline) __attribute__((warn_unused_result));

#endif

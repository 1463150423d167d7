// How fast devices are read. A device, or all of them together, that brings more than its limit is not read for a
// while: what it sends stays with it, because TCP tells it so, and nothing is refused or lost. No device has a timer:
// those that are held back wait in a wheel of time slots, which only turns while there are any. The tracker's loop.
#ifndef MUSTER_PACE_H
#define MUSTER_PACE_H

#include <stdbool.h>
#include <uv.h>

#include "batcher.h"
#include "metrics.h"
#include "rate.h"

struct pace;

struct pace_limits {
  struct rate_limit device_positions, device_bytes;  // of each device
  struct rate_limit positions;                       // of all together
};

struct pace_events {
  void *context;
  void (*release)(void *context, struct batch_waiter who);  // it may be read again; perhaps it is long gone
};

// Embedded in the device; all zero at first.
struct pace_device {
  struct rate positions, bytes;
  bool held;
  bool told;  // that it was held back has been logged
};

// most_bytes: the most that is ever read at once of a device.
struct pace *pace_new(uv_loop_t *loop, const struct pace_limits *limits, size_t most_bytes,
                      const struct pace_events *events, struct metrics *metrics);
// Nobody is released any more. Run the loop until the handles are closed, then free.
void pace_stop(struct pace *pace);
void pace_free(struct pace *pace);

// What a device has brought; its worker's name, for the log, or NULL. True if it must not be read until it is released.
bool pace_took(struct pace *pace, struct pace_device *device, struct batch_waiter who, const char *worker,
               int64_t positions, int64_t bytes, int64_t now_us);

// How many bytes may be read at once of a device: less than most_bytes when it is near a limit, so that it is held back
// often and for moments, not once for minutes.
size_t pace_read_bytes(const struct pace *pace, const struct pace_device *device, int64_t now_us);

// It is released, or its connection has ended.
void pace_drop(struct pace *pace, struct pace_device *device);

// What a worker owes is kept for its next connection, so that reconnecting pays no debts.
void pace_remember(struct pace *pace, const struct pace_device *device, const char *worker);
void pace_recall(const struct pace *pace, struct pace_device *device, const char *worker);

#endif

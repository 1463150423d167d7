// Between sessions and publisher: takes updates in, hands batches to the publisher whenever it is idle, publishes log
// batches again until they are stored, and tells who waited. The tracker's loop.
#ifndef MUSTER_INTAKE_H
#define MUSTER_INTAKE_H

#include <stdbool.h>
#include <uv.h>

#include "batcher.h"
#include "metrics.h"
#include "publish.h"

struct intake;

struct intake_config {
  struct publish_config publish;
  // Below a second: the least time from one round of events to the next while they keep coming, and the most, when they
  // are few.
  unsigned round_ms, round_most_ms;
  // A log batch is closed so long after its first update, or when it is full; later as rounds are longer.
  unsigned log_interval_ms;
  size_t backlog_bytes;  // of log batches not stored: beyond, devices are not read
};

struct intake_events {
  void *context;
  void (*durable)(void *context, struct batch_waiter waiter);  // a batch that it waited for is stored
  // The backlog passed its limit, which is told from within intake_append, or is below half of it.
  void (*pressure)(void *context, bool on);
  // Fills in what a heartbeat tells.
  void (*describe)(void *context, uint32_t *out_connections, bool *out_recorder);
};

// NULL with *out_fault if the publisher cannot start.
struct intake *intake_new(uv_loop_t *loop, const struct intake_config *config, const struct intake_events *events,
                          struct metrics *metrics, const char **out_fault);

struct batch_team *intake_team(struct intake *intake, const char *team);
// Returns the number of the log batch that the update is in. update->team is set here.
uint64_t intake_append(struct intake *intake, struct batch_team *team, struct update *update);
// The same of a good position and the bytes that it was read from.
uint64_t intake_position(struct intake *intake, struct batch_team *team, struct slice worker,
                         const struct position *position, struct wire_reader bytes, int64_t received_at_us);
void intake_wait(struct intake *intake, uint64_t batch, struct batch_waiter waiter);
uint64_t intake_durable(const struct intake *intake);

bool intake_ready(const struct intake *intake);  // NATS takes what we have; any thread
bool intake_idle(const struct intake *intake);   // everything appended so far is published and stored
// Closes the open log batch at once, so that what is left is soon stored.
void intake_drain(struct intake *intake);

// Stops timers and publisher. The last heartbeat, the only one that says that the tracker stops, also says that all it
// had was sent and stored: nobody waits for it after that, or looks for what it lost. So there is none if that is not
// so, and the others find out as if the tracker had died. Run the loop until the handles are closed, then free.
void intake_stop(struct intake *intake);
void intake_free(struct intake *intake);

#endif

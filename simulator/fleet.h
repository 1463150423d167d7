// All workers of a run: each a reference device with its connection. Positions come from live.c or replay.c; what
// becomes of them is counted here. The loop's thread.
#ifndef MUSTER_FLEET_H
#define MUSTER_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "ledger.h"
#include "position.h"
#include "share.h"
#include "totals.h"

struct fleet_options {
  uv_loop_t *loop;
  const struct endpoint *trackers;  // outlive the fleet; workers are spread over them at random
  uint32_t tracker_count;
  uint32_t first_team;     // the number of the first
  uint32_t sources;        // as in device_conn.h
  const char *worker_key;  // mints the workers' tokens
  uint64_t seed;
  struct share share;
  uint32_t workers;                                                  // how many will be added: this process' own
  uint32_t connect_rate;                                             // first connections per second
  uint32_t spool_positions, batch, window, ack_every, repeat_every;  // as in device.h
  struct ledger *ledger;                                             // may be NULL; outlives the fleet
};

struct fleet;

struct fleet *fleet_new(const struct fleet_options *options, int64_t now_us);
// When fleet_open is 0.
void fleet_free(struct fleet *fleet);

// Adds a worker of team-(first_team + team), which so many viewers watch; its index is the number of those added
// before, its number that of share.h. It connects when its turn comes.
void fleet_add(struct fleet *fleet, const char *name, uint32_t team, uint32_t viewers);

// A worker takes a position, which is sent at once if its connection is up. fleet_take stamps it with planned_us,
// fleet_give keeps its own taken_at and does not send it yet.
void fleet_take(struct fleet *fleet, uint32_t worker, struct position *position, int64_t planned_us, int64_t now_us);
void fleet_give(struct fleet *fleet, uint32_t worker, const struct position *position, int64_t planned_us);
void fleet_send(struct fleet *fleet, uint32_t worker, int64_t now_us);

// The reports of this worker, or of all, ask for their ack as soon as there is nothing more to send.
void fleet_flush(struct fleet *fleet, uint32_t worker);
void fleet_flush_all(struct fleet *fleet);

bool fleet_welcomed(const struct fleet *fleet, uint32_t worker);  // once at least
uint32_t fleet_unacked(const struct fleet *fleet, uint32_t worker);
// True if the worker is connected and its unacked positions have been sent without asking for the ack.
bool fleet_needs_nudge(const struct fleet *fleet, uint32_t worker);

// Called every few ms: lets each worker do what its time has come for, every fifth of a second.
void fleet_sweep(struct fleet *fleet, int64_t now_us);

// Cuts the connections of the next so many workers, going round.
void fleet_cut(struct fleet *fleet, uint32_t count, int64_t now_us);

// Nobody connects any more, and all connections close. The ledger gets what was never acked.
void fleet_close(struct fleet *fleet, int64_t now_us);

uint32_t fleet_size(const struct fleet *fleet);
uint32_t fleet_online(const struct fleet *fleet);  // as of the last sweep
uint32_t fleet_welcomed_count(const struct fleet *fleet);
uint32_t fleet_open(const struct fleet *fleet);  // connections that are not closed
uint64_t fleet_unacked_count(const struct fleet *fleet);
// The longest that any worker with something unacked has waited for an ack of anything.
int64_t fleet_ack_silence_us(const struct fleet *fleet, int64_t now_us);
uint64_t fleet_connects(const struct fleet *fleet);
uint64_t fleet_connect_failures(const struct fleet *fleet);
const struct device_totals *fleet_totals(const struct fleet *fleet);

#endif

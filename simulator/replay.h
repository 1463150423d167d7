// Replay of recorded traces: in scaled real time, or as fast as the acks allow. Every fix keeps its own taken_at. The
// loop's thread.
#ifndef MUSTER_REPLAY_H
#define MUSTER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet.h"
#include "share.h"
#include "trace.h"

struct replay_options {
  uint32_t teams;
  double speed;     // 2: an hour in half an hour; 0: as fast as the acks allow
  uint32_t window;  // then: the most positions of a worker that are unacked
};

struct replay;

// Reads the file and reports its bad lines on standard error. NULL after saying why not.
struct replay *replay_new(const char *program, const char *path, const struct replay_options *options);
void replay_free(struct replay *replay);

const struct trace *replay_trace(const struct replay *replay);

// Adds the workers of this process to the fleet; only their fixes are played.
void replay_join(struct replay *replay, struct fleet *fleet, struct share share);

void replay_start(struct replay *replay, int64_t now_us);
// Hands over all fixes that are due. Returns when it wants to be called again, or INT64_MAX when all are handed over.
int64_t replay_tick(struct replay *replay, int64_t now_us);
uint64_t replay_left(const struct replay *replay);  // this process' fixes not handed over yet

#endif

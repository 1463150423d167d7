// One run from the first connection to the report: connect, play, drain, settle, close. The loop's thread.
#ifndef MUSTER_RUN_H
#define MUSTER_RUN_H

#include <uv.h>

#include "audience.h"
#include "fleet.h"
#include "live.h"
#include "replay.h"
#include "settings.h"

// Plays until it is over or stopped by a signal, writes the reports, and returns the program's exit status. Exactly one
// of live and replay is given; audience may be NULL.
int run_play(uv_loop_t *loop, const struct settings *settings, struct fleet *fleet, struct live *live,
             struct replay *replay, struct audience *audience);

#endif

// One run of the program: the processes it takes, and the report at its end.
#ifndef MUSTER_RUN_H
#define MUSTER_RUN_H

#include "replay.h"
#include "settings.h"

// Plays until it is over or stopped by a signal, writes all that was asked for, and returns the program's exit status.
// replay: NULL for live load. In a process that was forked it returns, too.
int run_play(const struct settings *settings, const struct settings_derived *derived, struct replay *replay);

#endif

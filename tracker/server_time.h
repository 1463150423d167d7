// Server time as devices see it: the system's wall clock, except that it never goes back. A device stamps its positions
// with it and must stamp them in ever increasing order; if it went back an hour, every device would be an hour ahead,
// and refused. A step back of the system's clock is therefore walked off, at a tenth of the time that passes. Pure.
#ifndef MUSTER_SERVER_TIME_H
#define MUSTER_SERVER_TIME_H

#include <stdint.h>

struct server_time {
  int64_t now_us, mono_us;  // an answer, and when it was given; begins as {0}
};

// The time now, from what the system's two clocks say.
int64_t server_time_read(struct server_time *time, int64_t wall_us, int64_t mono_us);

#endif

// Unix time that never goes back: the wall clock read once, carried on by the monotonic clock. One thread.
#ifndef MUSTER_STEADY_H
#define MUSTER_STEADY_H

#include <stdint.h>

int64_t steady_us(void);  // microseconds since 1970-01-01 UTC

#endif

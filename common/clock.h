// The two clocks: wall time for stamps that leave the process, monotonic time for everything that waits. Any thread.
#ifndef MUSTER_CLOCK_H
#define MUSTER_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void);  // microseconds since 1970-01-01 UTC
int64_t clock_mono_us(void);  // microseconds since some start; never goes back
void clock_sleep_ms(unsigned ms);

#endif

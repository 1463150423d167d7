// The offset is taken at the first call.
#include "steady.h"

#include "clock.h"

int64_t steady_us(void) {
  static int64_t offset_us;
  if (offset_us == 0) offset_us = clock_wall_us() - clock_mono_us();
  return clock_mono_us() + offset_us;
}

// clock_gettime in microseconds.
#include "clock.h"

#include <time.h>

static int64_t read_us(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void) {
  return read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void) {
  return read_us(CLOCK_MONOTONIC);
}

void clock_sleep_ms(unsigned ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

// A clock that jumps forward but only slows down to go back.
#include "server_time.h"

#define SLOWDOWN 10       // while ahead of the system's clock, it loses one in so many
#define ANCHOR_US 100000  // the slow part is measured over so long, or rounding would eat it

int64_t server_time_read(struct server_time *time, int64_t wall_us, int64_t mono_us) {
  int64_t elapsed_us = mono_us - time->mono_us;
  int64_t slowed_us = time->now_us + elapsed_us - elapsed_us / SLOWDOWN;
  // A first reading, and everything but a step back, is simply the wall clock.
  int64_t now_us = time->now_us == 0 || wall_us > slowed_us ? wall_us : slowed_us;
  if (now_us == wall_us || elapsed_us > ANCHOR_US) *time = (struct server_time){now_us, mono_us};
  return now_us;
}

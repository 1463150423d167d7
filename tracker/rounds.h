// How long a round of the loop is to be, from one to the next. A round costs the same whatever it brings, so it is
// given the time in which ROUND_UPDATES updates come, between the least and the most time that are set: the busier a
// tracker, the shorter its rounds, and an update costs the same when the load is spread over more trackers. Where even
// the longest would bring next to nothing, rounds are as short as can be, because waiting would save nothing. Pure.
#ifndef MUSTER_ROUNDS_H
#define MUSTER_ROUNDS_H

#include <stdint.h>

#define ROUND_UPDATES 16  // as come in 4 ms at 4,000 a second
#define ROUND_UPDATES_MIN 4

struct rounds {
  int64_t least_us, most_us;
  int64_t length_us;
  int64_t gap_us;   // from one update to the next, smoothed
  int64_t last_us;  // when the last round that brought something was told of
};

// least_us: 0 for no rounds. most_us below least_us counts as least_us.
void rounds_init(struct rounds *rounds, int64_t least_us, int64_t most_us);

// A round brought so many updates, at least one. now_us: monotonic. The next rounds are to be length_us long.
void rounds_brought(struct rounds *rounds, uint32_t updates, int64_t now_us);

// What is least_ms with rounds of the least length, longer in the measure that they are.
uint64_t rounds_stretch_ms(const struct rounds *rounds, uint64_t least_ms);

#endif

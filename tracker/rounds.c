// The time between updates, as a moving average over some rounds: fewer where there is suddenly more to do.
#include "rounds.h"

#define SMOOTHING 8
#define SMOOTHING_DOWN 4

void rounds_init(struct rounds *rounds, int64_t least_us, int64_t most_us) {
  if (most_us < least_us || least_us == 0) most_us = least_us;
  *rounds = (struct rounds){
      .least_us = least_us, .most_us = most_us, .length_us = least_us, .gap_us = least_us / ROUND_UPDATES};
}

void rounds_brought(struct rounds *rounds, uint32_t updates, int64_t now_us) {
  // What is longer than a round does not count, or a tracker would be slow to notice the end of a silence.
  int64_t gap_us = (now_us - rounds->last_us) / updates;
  if (gap_us > rounds->most_us) gap_us = rounds->most_us;
  rounds->last_us = now_us;
  rounds->gap_us += (gap_us - rounds->gap_us) / (gap_us < rounds->gap_us ? SMOOTHING_DOWN : SMOOTHING);
  int64_t length_us = rounds->gap_us * ROUND_UPDATES;
  if (length_us > rounds->most_us) length_us = rounds->most_us;
  if (length_us < rounds->least_us || length_us < rounds->gap_us * ROUND_UPDATES_MIN) length_us = rounds->least_us;
  rounds->length_us = length_us;
}

uint64_t rounds_stretch_ms(const struct rounds *rounds, uint64_t least_ms) {
  if (rounds->length_us == rounds->least_us) return least_ms;
  return least_ms * (uint64_t)rounds->length_us / (uint64_t)rounds->least_us;
}

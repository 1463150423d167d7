// The time between updates, as a moving average over some eight rounds.
#include "rounds.h"

#define SMOOTHING 8

void rounds_init(struct rounds *rounds, int64_t least_us, int64_t most_us) {
  *rounds = (struct rounds){
      .least_us = least_us, .most_us = most_us, .length_us = least_us, .gap_us = least_us / ROUND_UPDATES};
}

void rounds_brought(struct rounds *rounds, uint32_t updates, int64_t now_us) {
  // What is beyond the most does not count, or a tracker would be slow to notice the end of a silence.
  int64_t most_gap_us = rounds->most_us / ROUND_UPDATES, gap_us = (now_us - rounds->last_us) / updates;
  if (gap_us > most_gap_us) gap_us = most_gap_us;
  rounds->last_us = now_us;
  rounds->gap_us += (gap_us - rounds->gap_us) / SMOOTHING;
  int64_t length_us = rounds->gap_us * ROUND_UPDATES;
  if (length_us < rounds->least_us) length_us = rounds->least_us;
  rounds->length_us = length_us < rounds->most_us ? length_us : rounds->most_us;
}

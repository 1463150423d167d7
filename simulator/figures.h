// All that one process of the simulator tells of itself, and its sum over several. Pure.
#ifndef MUSTER_FIGURES_H
#define MUSTER_FIGURES_H

#include <stdint.h>

#include "totals.h"

struct figures {
  int64_t at_us;                       // when these were true
  uint64_t workers, online, welcomed;  // all; connected; let in at least once
  uint64_t viewers, watching, shown;   // all; with a view; with a view at least once
  uint64_t unacked;                    // positions neither acked nor refused, whether sent or not
  uint64_t connects, connect_failures;
  uint64_t cpu_us;                          // user and system
  int64_t ack_silence_us, view_silence_us;  // as fleet_ack_silence_us and audience_silence_us tell
  struct device_totals devices;
  struct viewer_totals views;
};

// Counts add up; of times the latest (but the earliest first_us), of silences the longest counts.
void figures_add(struct figures *into, const struct figures *from);

#endif

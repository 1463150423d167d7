// What a run has shown: as a table, as JSON, and as the line that is shown while it runs. Pure but for the writing.
#ifndef MUSTER_REPORT_H
#define MUSTER_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "totals.h"

struct report {
  uint32_t workers, teams, viewers;
  double seconds;      // from the first planned position to the last
  double cpu_seconds;  // user and system, of this process
  uint64_t unacked;    // neither acked nor refused, whether sent or not: kept by the devices, or not read from the file
  uint64_t connects, connect_failures;
  const struct device_totals *devices;
  const struct viewer_totals *watching;  // NULL without viewers
};

void report_table(const struct report *report, struct buffer *out);
void report_json(const struct report *report, struct buffer *out);

// True if all that was sent is accounted for: acked or refused.
bool report_is_good(const struct report *report);

struct report_status {
  uint32_t online, workers, watching, viewers;
  double positions_per_s;
  const char *phase;
};
void report_status_line(const struct report *report, const struct report_status *status, struct buffer *out);

#endif

// What a run has shown: as a table, as JSON, and as the line that is shown while it runs; and which promises it saw
// broken. Pure but for the writing.
#ifndef MUSTER_REPORT_H
#define MUSTER_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "figures.h"
#include "settings.h"

#define REPORT_UNASKED (-2)  // Postgres is not known here, or does not tell this run from another
#define REPORT_UNKNOWN (-1)  // it was asked, and did not say

struct report {
  const struct settings *settings;
  double seconds;   // from the first planned position to the last
  bool has_played;  // it was not stopped before the load began
  const struct figures *figures;
  int64_t recorded;  // positions of this run that the history has; or one of those above
};

void report_table(const struct report *report, struct buffer *out);
void report_json(const struct report *report, struct buffer *out);

// Appends a line for each promise that was broken; nothing if all were kept.
void report_faults(const struct report *report, struct buffer *out);

void report_status_line(const struct figures *figures, const char *phase, double positions_per_s, struct buffer *out);

#endif

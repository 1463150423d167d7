// A histogram of durations with a relative error of at most 1/64, from 1 µs to more than a day: log-linear buckets, as
// HdrHistogram has them. Not thread-safe; histograms of several threads are merged.
#ifndef MUSTER_HIST_H
#define MUSTER_HIST_H

#include <stdint.h>

#define HIST_BUCKETS (64 * 32)

struct hist {
  uint64_t counts[HIST_BUCKETS];
  uint64_t total;
  int64_t max_us;
};

void hist_record(struct hist *hist, int64_t us);  // less than 0 counts as 0
void hist_merge(struct hist *into, const struct hist *from);
// The duration that `percent` of all are at most, rounded up to its bucket's end and never beyond the greatest; 0 if
// there is none.
int64_t hist_percentile_us(const struct hist *hist, double percent);

#endif

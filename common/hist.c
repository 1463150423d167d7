// Buckets: values below 64 each have their own; above, each power of two is cut into 64 equal parts.
#include "hist.h"

#include <stddef.h>

static size_t bucket_of(uint64_t value) {
  if (value < 64) return (size_t)value;
  unsigned shift = 57u - (unsigned)__builtin_clzll(value);  // brings value into 64 … 127
  size_t bucket = (size_t)(shift + 1) * 64 + (size_t)((value >> shift) - 64);
  return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

static uint64_t bucket_end(size_t bucket) {
  if (bucket < 64) return bucket;
  unsigned shift = (unsigned)(bucket / 64 - 1);
  return ((bucket % 64 + 65) << shift) - 1;
}

void hist_record(struct hist *hist, int64_t us) {
  if (us < 0) us = 0;
  hist->counts[bucket_of((uint64_t)us)]++;
  hist->total++;
  if (us > hist->max_us) hist->max_us = us;
}

void hist_merge(struct hist *into, const struct hist *from) {
  for (size_t i = 0; i < HIST_BUCKETS; i++) into->counts[i] += from->counts[i];
  into->total += from->total;
  if (from->max_us > into->max_us) into->max_us = from->max_us;
}

int64_t hist_percentile_us(const struct hist *hist, double percent) {
  uint64_t seen = 0;
  double want = (double)hist->total * percent / 100.0;
  for (size_t i = 0; i < HIST_BUCKETS; i++) {
    seen += hist->counts[i];
    if (seen > 0 && (double)seen >= want) {
      int64_t end = (int64_t)bucket_end(i);
      return end < hist->max_us ? end : hist->max_us;
    }
  }
  return hist->max_us;
}

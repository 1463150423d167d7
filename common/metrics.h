// Counters, gauges and histograms, and their Prometheus text. Metrics are registered at start, from one thread, live as
// long as their registry, and are then changed from any thread without a lock.
//
//   struct metric *refused = metrics_counter(m, "muster_tracker_refused_positions_total", "reason=\"future\"", "…");
//   metric_add(refused, 1);
#ifndef MUSTER_METRICS_H
#define MUSTER_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "buffer.h"

struct metrics;

struct metric {
  _Atomic int64_t value;
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

// name, labels (`key="value",…` or "") and help must outlive the registry. Metrics of one name are registered in a row.
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *labels, const char *help);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *labels, const char *help);

// A histogram of durations, recorded in microseconds and rendered in seconds, with buckets from 100 µs to 10 s.
struct metric_histogram;
struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name, const char *help);
void metric_observe_us(struct metric_histogram *histogram, int64_t us);

static inline void metric_add(struct metric *metric, int64_t n) {
  atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}

static inline void metric_set(struct metric *metric, int64_t value) {
  atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

static inline int64_t metric_get(const struct metric *metric) {
  return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

// Appends all metrics in Prometheus' text format.
void metrics_render(const struct metrics *metrics, struct buffer *out);

#endif

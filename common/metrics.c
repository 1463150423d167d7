// A linked list of metrics in order of registration. Format: prometheus.io, "Exposition formats", text format 0.0.4.
#include "metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const int64_t bounds_us[] = {100,   250,    500,    1000,   2500,    5000,    10000,   25000,
                                    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
#define BOUNDS (sizeof bounds_us / sizeof *bounds_us)

struct metric_histogram {
  _Atomic int64_t counts[BOUNDS + 1];
  _Atomic int64_t sum_us;
};

struct entry {
  struct entry *next;
  enum kind kind;
  const char *name, *labels, *help;
  struct metric metric;
  struct metric_histogram histogram;
};

struct metrics {
  struct entry *first;
  struct entry **last;
};

struct metrics *metrics_new(void) {
  struct metrics *metrics = calloc(1, sizeof *metrics);
  if (!metrics) abort();
  metrics->last = &metrics->first;
  return metrics;
}

void metrics_free(struct metrics *metrics) {
  if (!metrics) return;
  for (struct entry *e = metrics->first, *next; e; e = next) {
    next = e->next;
    free(e);
  }
  free(metrics);
}

static struct entry *add(struct metrics *metrics, enum kind kind, const char *name, const char *labels,
                         const char *help) {
  struct entry *entry = calloc(1, sizeof *entry);
  if (!entry) abort();
  entry->kind = kind;
  entry->name = name;
  entry->labels = labels;
  entry->help = help;
  *metrics->last = entry;
  metrics->last = &entry->next;
  return entry;
}

struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *labels, const char *help) {
  return &add(metrics, COUNTER, name, labels, help)->metric;
}

struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *labels, const char *help) {
  return &add(metrics, GAUGE, name, labels, help)->metric;
}

struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name, const char *help) {
  return &add(metrics, HISTOGRAM, name, "", help)->histogram;
}

void metric_observe_us(struct metric_histogram *histogram, int64_t us) {
  size_t i = 0;
  while (i < BOUNDS && us > bounds_us[i]) i++;
  atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
}

static void render_histogram(const struct entry *e, struct buffer *out) {
  int64_t total = 0;
  for (size_t i = 0; i <= BOUNDS; i++) {
    total += atomic_load_explicit(&e->histogram.counts[i], memory_order_relaxed);
    if (i < BOUNDS) {
      buffer_printf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", e->name, (double)bounds_us[i] / 1e6, total);
    }
  }
  int64_t sum = atomic_load_explicit(&e->histogram.sum_us, memory_order_relaxed);
  buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n%s_sum %.6f\n%s_count %" PRId64 "\n", e->name, total, e->name,
                (double)sum / 1e6, e->name, total);
}

void metrics_render(const struct metrics *metrics, struct buffer *out) {
  static const char *const kinds[] = {"counter", "gauge", "histogram"};
  const char *before = "";
  for (const struct entry *e = metrics->first; e; e = e->next) {
    if (strcmp(e->name, before) != 0) {
      buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", e->name, e->help, e->name, kinds[e->kind]);
    }
    before = e->name;
    if (e->kind == HISTOGRAM) {
      render_histogram(e, out);
    } else {
      buffer_printf(out, "%s%s%s%s %" PRId64 "\n", e->name, *e->labels ? "{" : "", e->labels, *e->labels ? "}" : "",
                    metric_get(&e->metric));
    }
  }
}

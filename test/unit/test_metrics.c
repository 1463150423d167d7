// metrics.c: Prometheus' text format.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics.h"

// The rendered text, to be freed.
static char *render(const struct metrics *metrics) {
  struct buffer out = {0};
  metrics_render(metrics, &out);
  buffer_append(&out, "", 1);
  return (char *)out.data;
}

static void renders_counters_and_gauges(void **state) {
  (void)state;
  struct metrics *metrics = metrics_new();
  struct metric *requests = metrics_counter(metrics, "a_total", "", "All of them.");
  struct metric *now = metrics_gauge(metrics, "b", "kind=\"x\"", "Now.");
  metric_add(requests, 2);
  metric_add(requests, 3);
  metric_set(now, -7);
  char *text = render(metrics);
  assert_string_equal(text,
                      "# HELP a_total All of them.\n# TYPE a_total counter\na_total 5\n"
                      "# HELP b Now.\n# TYPE b gauge\nb{kind=\"x\"} -7\n");
  assert_int_equal(metric_get(requests), 5);
  free(text);
  metrics_free(metrics);
}

static void says_help_and_type_once_for_all_labels_of_a_name(void **state) {
  (void)state;
  struct metrics *metrics = metrics_new();
  metrics_counter(metrics, "a_total", "k=\"1\"", "A.");
  metrics_counter(metrics, "a_total", "k=\"2\"", "A.");
  char *text = render(metrics);
  assert_string_equal(text, "# HELP a_total A.\n# TYPE a_total counter\na_total{k=\"1\"} 0\na_total{k=\"2\"} 0\n");
  free(text);
  metrics_free(metrics);
}

static void a_histograms_buckets_are_cumulative(void **state) {
  (void)state;
  struct metrics *metrics = metrics_new();
  struct metric_histogram *latency = metrics_histogram(metrics, "d_seconds", "D.");
  metric_observe_us(latency, 100);  // the end of a bucket belongs to it
  metric_observe_us(latency, 101);
  metric_observe_us(latency, 20000000);  // beyond the last
  char *text = render(metrics);
  assert_non_null(strstr(text, "# TYPE d_seconds histogram\n"));
  assert_non_null(strstr(text, "d_seconds_bucket{le=\"0.0001\"} 1\n"));
  assert_non_null(strstr(text, "d_seconds_bucket{le=\"0.00025\"} 2\n"));
  assert_non_null(strstr(text, "d_seconds_bucket{le=\"10\"} 2\n"));
  assert_non_null(strstr(text, "d_seconds_bucket{le=\"+Inf\"} 3\nd_seconds_sum 20.000201\nd_seconds_count 3\n"));
  free(text);
  metrics_free(metrics);
}

static void nothing_to_free_is_fine(void **state) {
  (void)state;
  metrics_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(renders_counters_and_gauges),
      cmocka_unit_test(says_help_and_type_once_for_all_labels_of_a_name),
      cmocka_unit_test(a_histograms_buckets_are_cumulative),
      cmocka_unit_test(nothing_to_free_is_fine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

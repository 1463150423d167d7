// A timer that writes a line.
#include "timeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "steady.h"

#define EVERY_MS 100

struct timeline {
  uv_timer_t timer;
  FILE *file;
  struct fleet *fleet;
  struct audience *audience;
  bool failed;
};

static void on_timer(uv_timer_t *timer) {
  struct timeline *timeline = timer->data;
  const struct device_totals *devices = fleet_totals(timeline->fleet);
  int64_t now_us = steady_us();
  fprintf(timeline->file,
          "{\"at_us\": %" PRId64 ", \"taken\": %" PRIu64 ", \"acked\": %" PRIu64 ", \"unacked\": %" PRIu64
          ", \"online\": %" PRIu32 ", \"ack_silence_ms\": %" PRId64,
          now_us, devices->taken, devices->acked, fleet_unacked_count(timeline->fleet), fleet_online(timeline->fleet),
          fleet_ack_silence_us(timeline->fleet, now_us) / 1000);
  if (timeline->audience) {
    fprintf(timeline->file, ", \"rows\": %" PRIu64 ", \"watching\": %" PRIu32 ", \"view_silence_ms\": %" PRId64,
            audience_totals(timeline->audience)->rows, audience_watching(timeline->audience),
            audience_silence_us(timeline->audience, now_us) / 1000);
  }
  fputs("}\n", timeline->file);
  if (fflush(timeline->file) != 0) timeline->failed = true;
}

struct timeline *timeline_start(uv_loop_t *loop, const char *path, struct fleet *fleet, struct audience *audience) {
  FILE *file = fopen(path, "we");
  if (!file) return NULL;
  struct timeline *timeline = calloc(1, sizeof *timeline);
  if (!timeline) abort();
  timeline->file = file;
  timeline->fleet = fleet;
  timeline->audience = audience;
  uv_timer_init(loop, &timeline->timer);
  timeline->timer.data = timeline;
  uv_timer_start(&timeline->timer, on_timer, EVERY_MS, EVERY_MS);
  return timeline;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

bool timeline_stop(struct timeline *timeline) {
  if (!timeline) return true;
  bool good = !timeline->failed;
  if (fclose(timeline->file) != 0) good = false;
  uv_close((uv_handle_t *)&timeline->timer, on_closed);
  return good;
}

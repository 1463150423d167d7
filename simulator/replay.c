// Feeding a trace to the fleet.
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

#define BAD_LINES_NAMED 100
#define FEED_US 1000

struct replay {
  struct replay_options options;
  struct trace trace;
  struct fleet *fleet;
  struct share share;
  int64_t start_us;
  uint32_t *order;   // timed: all fixes by time
  uint32_t next;     // timed: the next of order
  uint32_t *active;  // fast: own workers with fixes left, by their index in the fleet
  uint32_t active_count;
  uint32_t *fed;  // fast: how many of each one's fixes were handed over
  uint64_t left;
};

static void *must(void *memory) {
  if (!memory) abort();
  return memory;
}

// ---- reading ----

static bool read_file(const char *path, struct buffer *out) {
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t got;
  buffer_reserve(out, 1);
  do {
    got = fread(buffer_reserve(out, 1 << 20), 1, 1 << 20, file);
    out->len += got;
  } while (got > 0);
  bool good = !ferror(file);
  fclose(file);
  return good;
}

struct bad_call {
  const char *program, *path;
  uint32_t count;
};

static void bad_line(void *context, uint32_t line, const char *reason) {
  struct bad_call *call = context;
  if (call->count++ < BAD_LINES_NAMED) {
    fprintf(stderr, "%s: %s: line %u: %s\n", call->program, call->path, line, reason);
  }
}

static const struct trace_fix *sort_base;

static int by_time(const void *left, const void *right) {
  const struct trace_fix *a = &sort_base[*(const uint32_t *)left], *b = &sort_base[*(const uint32_t *)right];
  if (a->taken_at_us != b->taken_at_us) return a->taken_at_us < b->taken_at_us ? -1 : 1;
  return a->line < b->line ? -1 : 1;
}

static void sort_by_time(struct replay *replay) {
  uint32_t count = replay->trace.fix_count;
  replay->order = must(malloc(count * sizeof *replay->order));
  for (uint32_t i = 0; i < count; i++) replay->order[i] = i;
  sort_base = replay->trace.fixes;
  qsort(replay->order, count, sizeof *replay->order, by_time);
}

struct replay *replay_new(const char *program, const char *path, const struct replay_options *options) {
  struct buffer text = {0};
  struct bad_call bad = {program, path, 0};
  struct replay *replay = must(calloc(1, sizeof *replay));
  replay->options = *options;
  const char *fault = NULL;
  if (!read_file(path, &text)) {
    fault = strerror(errno);
  } else {
    fault = trace_parse((const char *)text.data, text.len, bad_line, &bad, &replay->trace);
  }
  buffer_fini(&text);
  if (bad.count > 0) {
    fprintf(stderr, "%s: %s: %u bad lines%s are left out\n", program, path, bad.count,
            bad.count > BAD_LINES_NAMED ? " (the first 100 named)" : "");
  }
  if (!fault && replay->trace.fix_count == 0) fault = "has no good line";
  if (fault) {
    fprintf(stderr, "%s: %s: %s\n", program, path, fault);
    replay_free(replay);
    return NULL;
  }
  if (options->speed > 0) sort_by_time(replay);
  return replay;
}

void replay_free(struct replay *replay) {
  if (!replay) return;
  trace_fini(&replay->trace);
  free(replay->order);
  free(replay->active);
  free(replay->fed);
  free(replay);
}

const struct trace *replay_trace(const struct replay *replay) {
  return &replay->trace;
}

static bool is_own(const struct replay *replay, uint32_t worker) {
  return worker % replay->share.count == replay->share.index;
}

static const struct trace_worker *own_worker(const struct replay *replay, uint32_t index) {
  return &replay->trace.workers[share_number(replay->share, index)];
}

void replay_join(struct replay *replay, struct fleet *fleet, struct share share) {
  uint32_t workers = share_size(share, replay->trace.worker_count);
  replay->fleet = fleet;
  replay->share = share;
  replay->active_count = workers;
  replay->active = must(calloc(workers, sizeof *replay->active));
  replay->fed = must(calloc(workers, sizeof *replay->fed));
  for (uint32_t i = 0; i < workers; i++) {
    const struct trace_worker *worker = own_worker(replay, i);
    fleet_add(fleet, worker->name, trace_team(worker->name, replay->options.teams), 0);
    replay->left += worker->count;
    if (replay->options.speed <= 0) fleet_flush(fleet, i);
    replay->active[i] = i;
  }
}

// ---- playing ----

static void give(struct replay *replay, uint32_t index, const struct trace_fix *fix, int64_t planned_us) {
  struct position position = {
      .taken_at_us = fix->taken_at_us,
      .latitude_e7 = fix->latitude_e7,
      .longitude_e7 = fix->longitude_e7,
      .has = POSITION_HAS_ALL_REQUIRED,
  };
  fleet_give(replay->fleet, index, &position, planned_us);
  replay->left--;
}

void replay_start(struct replay *replay, int64_t now_us) {
  replay->start_us = now_us;
}

static int64_t tick_timed(struct replay *replay, int64_t now_us) {
  const struct trace_fix *fixes = replay->trace.fixes;
  int64_t first_us = fixes[replay->order[0]].taken_at_us;
  for (; replay->next < replay->trace.fix_count; replay->next++) {
    const struct trace_fix *fix = &fixes[replay->order[replay->next]];
    if (!is_own(replay, fix->worker)) continue;
    uint32_t index = fix->worker / replay->share.count;
    int64_t due_us = replay->start_us + (int64_t)((double)(fix->taken_at_us - first_us) / replay->options.speed);
    if (due_us > now_us) return due_us;
    const struct trace_worker *worker = &replay->trace.workers[fix->worker];
    if (fix == &fixes[worker->first + worker->count - 1]) fleet_flush(replay->fleet, index);
    give(replay, index, fix, due_us);
    fleet_send(replay->fleet, index, now_us);
  }
  return INT64_MAX;
}

// Fills a worker's window, as many fixes as possible to a report; true if it has more.
static bool feed(struct replay *replay, uint32_t index, int64_t now_us) {
  const struct trace_worker *trace = own_worker(replay, index);
  uint32_t kept = fleet_unacked(replay->fleet, index), *fed = &replay->fed[index];
  // Half a window at least, so that reports stay full.
  if (*fed == trace->count || kept > replay->options.window / 2) return *fed < trace->count;
  for (; kept < replay->options.window && *fed < trace->count; kept++) {
    give(replay, index, &replay->trace.fixes[trace->first + (*fed)++], now_us);
  }
  fleet_send(replay->fleet, index, now_us);
  return *fed < trace->count;
}

static int64_t tick_fast(struct replay *replay, int64_t now_us) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < replay->active_count; i++) {
    uint32_t index = replay->active[i];
    if (!fleet_welcomed(replay->fleet, index) || feed(replay, index, now_us)) replay->active[kept++] = index;
  }
  replay->active_count = kept;
  return kept ? now_us + FEED_US : INT64_MAX;
}

int64_t replay_tick(struct replay *replay, int64_t now_us) {
  return replay->options.speed > 0 ? tick_timed(replay, now_us) : tick_fast(replay, now_us);
}

uint64_t replay_left(const struct replay *replay) {
  return replay->left;
}

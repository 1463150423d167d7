// The phases of a run, driven by one timer.
#include "run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "report.h"
#include "steady.h"
#include "timeline.h"

#define TICK_MAX_US 10000
#define CONNECT_PATIENCE_US 10000000  // after the last worker's turn to connect
#define STOP_PATIENCE_US 5000000      // for outstanding acks after Ctrl-C
#define SETTLE_PATIENCE_US 15000000   // beyond settle-ms

enum phase { PHASE_CONNECT, PHASE_PLAY, PHASE_DRAIN, PHASE_SETTLE, PHASE_CLOSE };
static const char *const phase_names[] = {"connect", "play", "drain", "settle", "close"};

struct run {
  uv_loop_t *loop;
  const struct settings *settings;
  struct fleet *fleet;
  struct live *live;
  struct replay *replay;
  struct audience *audience;
  uv_timer_t tick, status;
  uv_signal_t interrupt, terminate, disturb;
  struct timeline *timeline;
  enum phase phase;
  int64_t phase_until_us;        // when the phase is over at the latest; 0: open
  int64_t started_us, ended_us;  // of the playing
  int stops;                     // signals so far
  uint64_t status_sent;          // positions sent as of the last status line
  bool shows_status, on_terminal;
  bool failed;  // to write a file
};

// ---- reports ----

static void make_report(const struct run *run, struct report *out) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  int64_t end_us = run->ended_us ? run->ended_us : steady_us();
  *out = (struct report){
      .workers = fleet_size(run->fleet),
      .teams = (uint32_t)run->settings->teams,
      .viewers = run->audience ? (uint32_t)run->settings->viewers : 0,
      .seconds = run->started_us ? (double)(end_us - run->started_us) / 1e6 : 0,
      .cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
      .unacked = fleet_unacked_count(run->fleet) + (run->replay ? replay_left(run->replay) : 0),
      .connects = fleet_connects(run->fleet),
      .connect_failures = fleet_connect_failures(run->fleet),
      .devices = fleet_totals(run->fleet),
      .watching = run->audience ? audience_totals(run->audience) : NULL,
  };
}

static void say_unwritable(struct run *run, const char *path) {
  run->failed = true;
  fprintf(stderr, "%s: cannot write %s\n", SETTINGS_PROGRAM, path);
}

static void write_file(struct run *run, const char *path, const struct buffer *text) {
  FILE *file = fopen(path, "we");
  bool good = file && fwrite(text->data, 1, text->len, file) == text->len;
  if (file && fclose(file) != 0) good = false;
  if (!good) say_unwritable(run, path);
}

static void write_states(struct run *run) {
  struct buffer text = {0};
  if (!run->audience || !*run->settings->view_states) return;
  audience_write_states(run->audience, &text);
  write_file(run, run->settings->view_states, &text);
  buffer_fini(&text);
}

static void write_reports(struct run *run) {
  struct report report;
  struct buffer text = {0};
  make_report(run, &report);
  report_table(&report, &text);
  fwrite(text.data, 1, text.len, stdout);
  fflush(stdout);
  if (*run->settings->report) {
    text.len = 0;
    report_json(&report, &text);
    write_file(run, run->settings->report, &text);
  }
  buffer_fini(&text);
}

static void show_status(struct run *run) {
  struct report report;
  struct buffer text = {0};
  make_report(run, &report);
  const struct report_status status = {
      .online = fleet_online(run->fleet),
      .workers = fleet_size(run->fleet),
      .watching = run->audience ? audience_watching(run->audience) : 0,
      .viewers = report.viewers,
      .positions_per_s = (double)(report.devices->sent - run->status_sent),
      .phase = phase_names[run->phase],
  };
  run->status_sent = report.devices->sent;
  buffer_append_string(&text, run->on_terminal ? "\r\033[K" : "");
  report_status_line(&report, &status, &text);
  buffer_append_string(&text, run->on_terminal ? "" : "\n");
  fwrite(text.data, 1, text.len, stderr);
  buffer_fini(&text);
}

static void on_status(uv_timer_t *timer) {
  show_status(timer->data);
}

// ---- phases ----

static void enter(struct run *run, enum phase phase, int64_t now_us, int64_t patience_us) {
  run->phase = phase;
  run->phase_until_us = patience_us ? now_us + patience_us : 0;
}

static void start_playing(struct run *run, int64_t now_us) {
  enter(run, PHASE_PLAY, now_us, run->replay ? (int64_t)(run->settings->duration_s * 1e6) : 0);
  run->started_us = now_us;
  if (run->live) live_start(run->live, now_us);
  if (run->replay) replay_start(run->replay, now_us);
}

static void start_draining(struct run *run, int64_t now_us) {
  if (run->phase == PHASE_PLAY) run->ended_us = now_us;
  int64_t patience_us = run->stops ? STOP_PATIENCE_US : (int64_t)run->settings->drain_s * 1000000;
  enter(run, PHASE_DRAIN, now_us, patience_us ? patience_us : 1);
  if (run->stops && run->live) live_nudge(run->live, now_us);
  fleet_flush_all(run->fleet);
}

static void start_closing(struct run *run, int64_t now_us) {
  if (run->phase == PHASE_CLOSE) return;
  if (run->phase == PHASE_PLAY) run->ended_us = now_us;
  enter(run, PHASE_CLOSE, now_us, 0);
  write_states(run);
  fleet_close(run->fleet, now_us);
  if (run->audience) audience_close(run->audience, now_us);
  uv_close((uv_handle_t *)&run->tick, NULL);
  uv_close((uv_handle_t *)&run->status, NULL);
  uv_close((uv_handle_t *)&run->interrupt, NULL);
  uv_close((uv_handle_t *)&run->terminate, NULL);
  uv_close((uv_handle_t *)&run->disturb, NULL);
  if (!timeline_stop(run->timeline)) say_unwritable(run, run->settings->timeline);
}

static void start_settling(struct run *run, int64_t now_us) {
  if (!run->audience || !*run->settings->view_states) {
    start_closing(run, now_us);
  } else {
    enter(run, PHASE_SETTLE, now_us, (int64_t)run->settings->settle_ms * 1000 + SETTLE_PATIENCE_US);
  }
}

// Does what the phase wants now; returns when it next wants to.
static int64_t play(struct run *run, int64_t now_us) {
  int64_t next_us = run->live ? live_tick(run->live, now_us) : replay_tick(run->replay, now_us);
  if (next_us == INT64_MAX) start_draining(run, now_us);
  return next_us;
}

static bool phase_is_done(const struct run *run, int64_t now_us) {
  switch (run->phase) {
    case PHASE_CONNECT:
      return fleet_welcomed_count(run->fleet) == fleet_size(run->fleet);
    case PHASE_DRAIN:
      return fleet_unacked_count(run->fleet) == 0;
    case PHASE_SETTLE:
      return audience_is_quiet(run->audience, (int64_t)run->settings->settle_ms * 1000, now_us);
    default:
      return false;
  }
}

static void next_phase(struct run *run, int64_t now_us) {
  switch (run->phase) {
    case PHASE_CONNECT:
      start_playing(run, now_us);
      break;
    case PHASE_PLAY:
      start_draining(run, now_us);
      break;
    case PHASE_DRAIN:
      start_settling(run, now_us);
      break;
    default:
      start_closing(run, now_us);
      break;
  }
}

static void on_tick(uv_timer_t *timer) {
  struct run *run = timer->data;
  int64_t now_us = steady_us(), next_us = INT64_MAX;
  fleet_sweep(run->fleet, now_us);
  if (run->audience) audience_sweep(run->audience, now_us);
  if (run->phase == PHASE_PLAY) next_us = play(run, now_us);
  bool late = run->phase_until_us && now_us >= run->phase_until_us;
  if (late || phase_is_done(run, now_us)) next_phase(run, now_us);
  if (run->phase == PHASE_CLOSE) return;
  int64_t wait_us = next_us - now_us < TICK_MAX_US ? next_us - now_us : TICK_MAX_US;
  uv_timer_start(&run->tick, on_tick, wait_us > 1000 ? (uint64_t)wait_us / 1000 : 1, 0);
}

static void on_signal(uv_signal_t *handle, int number) {
  struct run *run = handle->data;
  (void)number;
  int64_t now_us = steady_us();
  if (++run->stops > 1 || run->phase == PHASE_CONNECT || run->phase == PHASE_SETTLE) {
    start_closing(run, now_us);
  } else if (run->phase == PHASE_PLAY || run->phase == PHASE_DRAIN) {
    start_draining(run, now_us);
  }
}

static void on_disturb(uv_signal_t *handle, int number) {
  (void)number;
  fleet_disturb(((struct run *)handle->data)->fleet, steady_us());
}

// ---- the run ----

static void start(struct run *run) {
  uv_timer_init(run->loop, &run->tick);
  uv_timer_init(run->loop, &run->status);
  uv_signal_init(run->loop, &run->interrupt);
  uv_signal_init(run->loop, &run->terminate);
  uv_signal_init(run->loop, &run->disturb);
  run->tick.data = run->status.data = run->interrupt.data = run->terminate.data = run->disturb.data = run;
  uv_signal_start(&run->disturb, on_disturb, SIGUSR1);
  uv_signal_start(&run->interrupt, on_signal, SIGINT);
  uv_signal_start(&run->terminate, on_signal, SIGTERM);
  uv_timer_start(&run->tick, on_tick, 1, 0);
  if (run->shows_status) uv_timer_start(&run->status, on_status, 1000, 1000);
  if (!*run->settings->timeline) return;
  run->timeline = timeline_start(run->loop, run->settings->timeline, run->fleet, run->audience);
  if (!run->timeline) say_unwritable(run, run->settings->timeline);
}

int run_play(uv_loop_t *loop, const struct settings *settings, struct fleet *fleet, struct live *live,
             struct replay *replay, struct audience *audience) {
  struct run run = {
      .loop = loop,
      .settings = settings,
      .fleet = fleet,
      .live = live,
      .replay = replay,
      .audience = audience,
      .on_terminal = isatty(STDERR_FILENO) == 1,
  };
  run.shows_status = run.on_terminal || settings->progress;
  int64_t all_started_us = (int64_t)fleet_size(fleet) * 1000000 / settings->connect_rate;
  enter(&run, PHASE_CONNECT, steady_us(), all_started_us + CONNECT_PATIENCE_US);
  start(&run);
  uv_run(loop, UV_RUN_DEFAULT);
  if (run.on_terminal) fprintf(stderr, "\n");
  write_reports(&run);
  struct report report;
  make_report(&run, &report);
  if (fleet_welcomed_count(fleet) == 0) {
    fprintf(stderr, "%s: no worker was ever let in at %s\n", SETTINGS_PROGRAM, settings->connect);
    return 1;
  }
  return report_is_good(&report) && !run.failed ? 0 : 1;
}

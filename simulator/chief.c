// A tick that compares the board with the clock.
#include "chief.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"
#include "steady.h"

#define TICK_MS 5
#define LINE_US 100000                // of the timeline
#define LINE_LAG_US 20000             // after the players have told: see player.c
#define START_DELAY_US 50000          // in which all processes learn that the load begins
#define CONNECT_PATIENCE_US 10000000  // after the last worker's turn to connect
#define STOP_PATIENCE_US 5000000      // for outstanding acks after Ctrl-C
#define SETTLE_PATIENCE_US 15000000   // beyond settle-ms
#define CLOSE_PATIENCE_US 15000000    // for players that are processes of their own

struct chief {
  struct chief_options options;
  uv_timer_t tick, status;
  uv_signal_t interrupt, terminate, disturb;
  enum phase phase;
  int64_t phase_until_us;        // when the phase is over at the latest; 0: open
  int64_t started_us, ended_us;  // of the playing
  int64_t line_us;               // when the timeline last got one
  int stops;                     // signals so far
  bool gone[SETTINGS_PROCESSES_MAX];
  bool lost;             // a player died or failed
  uint64_t status_sent;  // positions sent as of the last status line
  bool on_terminal;
};

void chief_sum(const struct chief *chief, struct figures *out) {
  static struct figures one;  // large for a stack
  memset(out, 0, sizeof *out);
  for (uint32_t i = 0; i < chief->options.processes; i++) {
    board_read(chief->options.board, i, &one);
    figures_add(out, &one);
  }
}

// ---- status and timeline ----

static void on_status(uv_timer_t *timer) {
  static struct figures sum;
  struct chief *chief = timer->data;
  struct buffer text = {0};
  chief_sum(chief, &sum);
  buffer_append_string(&text, chief->on_terminal ? "\r\033[K" : "");
  report_status_line(&sum, phase_name(chief->phase), (double)(sum.devices.sent - chief->status_sent), &text);
  buffer_append_string(&text, chief->on_terminal ? "" : "\n");
  chief->status_sent = sum.devices.sent;
  fwrite(text.data, 1, text.len, stderr);
  buffer_fini(&text);
}

static void write_line(struct chief *chief, int64_t now_us) {
  static struct figures sum;
  int64_t due_us = now_us - LINE_LAG_US;
  if (!chief->options.timeline || due_us / LINE_US == chief->line_us / LINE_US) return;
  chief->line_us = due_us;
  chief_sum(chief, &sum);
  if (sum.at_us == 0) return;
  fprintf(chief->options.timeline,
          "{\"at_us\": %" PRId64 ", \"taken\": %" PRIu64 ", \"acked\": %" PRIu64 ", \"unacked\": %" PRIu64
          ", \"online\": %" PRIu64 ", \"ack_silence_ms\": %" PRId64,
          sum.at_us, sum.devices.taken, sum.devices.acked, sum.unacked, sum.online, sum.ack_silence_us / 1000);
  if (sum.viewers) {
    fprintf(chief->options.timeline,
            ", \"rows\": %" PRIu64 ", \"watching\": %" PRIu64 ", \"view_silence_ms\": %" PRId64, sum.views.rows,
            sum.watching, sum.view_silence_us / 1000);
  }
  fputs("}\n", chief->options.timeline);
  fflush(chief->options.timeline);  // a failure is found when it is closed
}

// ---- phases ----

static void enter(struct chief *chief, enum phase phase, int64_t at_us, int64_t patience_us) {
  chief->phase = phase;
  chief->phase_until_us = patience_us ? at_us + patience_us : 0;
  board_order(chief->options.board, phase, at_us);
}

static void start_playing(struct chief *chief, int64_t now_us) {
  const struct settings *s = chief->options.settings;
  chief->started_us = now_us + (chief->options.players ? START_DELAY_US : 0);
  enter(chief, PHASE_PLAY, chief->started_us, *s->replay ? (int64_t)(s->duration_s * 1e6) : 0);
}

static void end_playing(struct chief *chief, int64_t now_us) {
  if (chief->phase == PHASE_PLAY) chief->ended_us = now_us > chief->started_us ? now_us : chief->started_us;
}

static void start_draining(struct chief *chief, int64_t now_us) {
  end_playing(chief, now_us);
  int64_t patience_us = (int64_t)chief->options.settings->drain_s * 1000000;
  if (chief->stops) {
    patience_us = STOP_PATIENCE_US;
    board_hurry(chief->options.board);
  }
  enter(chief, PHASE_DRAIN, now_us, patience_us ? patience_us : 1);
}

static void close_handles(struct chief *chief) {
  uv_close((uv_handle_t *)&chief->tick, NULL);
  uv_close((uv_handle_t *)&chief->interrupt, NULL);
  uv_close((uv_handle_t *)&chief->terminate, NULL);
  uv_close((uv_handle_t *)&chief->disturb, NULL);
}

static void start_closing(struct chief *chief, int64_t now_us) {
  if (chief->phase == PHASE_CLOSE) return;
  end_playing(chief, now_us);
  enter(chief, PHASE_CLOSE, now_us, CLOSE_PATIENCE_US);
  uv_close((uv_handle_t *)&chief->status, NULL);
  if (!chief->options.players) close_handles(chief);
}

static void next_phase(struct chief *chief, int64_t now_us) {
  const struct settings *s = chief->options.settings;
  if (chief->phase == PHASE_CONNECT) {
    start_playing(chief, now_us);
  } else if (chief->phase == PHASE_PLAY) {
    start_draining(chief, now_us);
  } else if (chief->phase == PHASE_DRAIN && s->viewers) {
    enter(chief, PHASE_SETTLE, now_us, (int64_t)s->settle_ms * 1000 + SETTLE_PATIENCE_US);
  } else {
    start_closing(chief, now_us);
  }
}

// ---- players that are processes of their own ----

static void say_lost(struct chief *chief, uint32_t player, int status) {
  chief->lost = true;
  fprintf(stderr, "%s%s: process %u of %u ", chief->on_terminal ? "\n" : "", SETTINGS_PROGRAM, player + 1,
          chief->options.processes);
  if (WIFSIGNALED(status)) {
    fprintf(stderr, "was killed by signal %d\n", WTERMSIG(status));
  } else {
    fprintf(stderr, "failed\n");
  }
}

// Returns how many are left.
static uint32_t reap(struct chief *chief) {
  uint32_t left = 0;
  for (uint32_t i = 0; i < chief->options.processes; i++) {
    int status = 0;
    if (chief->gone[i]) continue;
    chief->gone[i] = waitpid(chief->options.players[i], &status, WNOHANG) == chief->options.players[i];
    left += !chief->gone[i];
    bool expected = chief->phase == PHASE_CLOSE && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (chief->gone[i] && !expected) say_lost(chief, i, status);
  }
  return left;
}

// Without one of its players a run is not what was asked for: it ends.
static void look_after_players(struct chief *chief, int64_t now_us) {
  bool lost_before = chief->lost;
  uint32_t left = reap(chief);
  if (chief->lost && !lost_before) start_closing(chief, now_us);
  if (left == 0) {
    close_handles(chief);
  } else if (chief->phase == PHASE_CLOSE && now_us >= chief->phase_until_us) {
    for (uint32_t i = 0; i < chief->options.processes; i++) {
      if (!chief->gone[i]) kill(chief->options.players[i], SIGKILL);
    }
  }
}

// ---- events ----

static void on_tick(uv_timer_t *timer) {
  struct chief *chief = timer->data;
  int64_t now_us = steady_us();
  write_line(chief, now_us);
  if (chief->options.players) look_after_players(chief, now_us);
  if (chief->phase == PHASE_CLOSE) return;
  bool late = chief->phase_until_us && now_us >= chief->phase_until_us;
  if (late || board_all_done(chief->options.board, chief->phase)) next_phase(chief, now_us);
}

static void on_signal(uv_signal_t *handle, int number) {
  struct chief *chief = handle->data;
  (void)number;
  int64_t now_us = steady_us();
  if (++chief->stops > 1 || chief->phase == PHASE_CONNECT || chief->phase == PHASE_SETTLE) {
    start_closing(chief, now_us);
  } else if (chief->phase == PHASE_PLAY || chief->phase == PHASE_DRAIN) {
    start_draining(chief, now_us);
  }
}

static void on_disturb(uv_signal_t *handle, int number) {
  (void)number;
  board_disturb(((struct chief *)handle->data)->options.board);
}

struct chief *chief_new(const struct chief_options *options) {
  struct chief *chief = calloc(1, sizeof *chief);
  if (!chief) abort();
  chief->options = *options;
  chief->on_terminal = isatty(STDERR_FILENO) == 1;
  int64_t all_started_us = (int64_t)options->workers * 1000000 / options->settings->connect_rate;
  enter(chief, PHASE_CONNECT, steady_us(), all_started_us + CONNECT_PATIENCE_US);
  uv_timer_init(options->loop, &chief->tick);
  uv_timer_init(options->loop, &chief->status);
  uv_signal_init(options->loop, &chief->interrupt);
  uv_signal_init(options->loop, &chief->terminate);
  uv_signal_init(options->loop, &chief->disturb);
  chief->tick.data = chief->status.data = chief;
  chief->interrupt.data = chief->terminate.data = chief->disturb.data = chief;
  uv_signal_start(&chief->disturb, on_disturb, SIGUSR1);
  uv_signal_start(&chief->interrupt, on_signal, SIGINT);
  uv_signal_start(&chief->terminate, on_signal, SIGTERM);
  uv_timer_start(&chief->tick, on_tick, TICK_MS, TICK_MS);
  if (chief->on_terminal || options->settings->progress) uv_timer_start(&chief->status, on_status, 1000, 1000);
  return chief;
}

void chief_free(struct chief *chief) {
  if (chief && chief->on_terminal) fprintf(stderr, "\n");
  free(chief);
}

double chief_seconds(const struct chief *chief) {
  return chief->started_us && chief->ended_us ? (double)(chief->ended_us - chief->started_us) / 1e6 : 0;
}

bool chief_has_played(const struct chief *chief) {
  return chief->started_us != 0;
}

bool chief_has_lost(const struct chief *chief) {
  return chief->lost;
}

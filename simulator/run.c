// With one process, chief and player share its loop. With several, the chief has no workers and forks a player for each
// desk of the board, before there is any thread or loop.
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "chief.h"
#include "outputs.h"
#include "player.h"
#include "recorded.h"
#include "report.h"
#include "steady.h"

struct run {
  const struct settings *settings;
  const struct settings_derived *derived;
  struct replay *replay;
  struct outputs outputs;
  struct board *board;
  uint32_t processes;
  pid_t players[SETTINGS_PROCESSES_MAX];
};

static struct player *make_player(const struct run *run, uv_loop_t *loop, uint32_t index) {
  const struct player_options options = {
      .loop = loop,
      .settings = run->settings,
      .derived = run->derived,
      .share = {.index = index, .count = run->processes},
      .board = run->board,
      .replay = run->replay,
      .ledger = run->outputs.ledger,
      .views = run->outputs.views ? run->outputs.views[index] : NULL,
  };
  return player_new(&options);
}

static uint32_t workers_of(const struct run *run) {
  return run->replay ? replay_trace(run->replay)->worker_count : (uint32_t)run->settings->workers;
}

// ---- the end ----

// What Postgres says of a run of live load: in a replay, positions are those of the replays before.
static int64_t ask_recorded(const struct run *run, const struct figures *sum) {
  const struct settings *s = run->settings;
  const struct recorded_options options = {
      .database_url = s->database_url,
      .scenario = &run->derived->scenario,
      .workers = (uint32_t)s->workers,
      .teams = (uint32_t)s->teams,
      .first_team = (uint32_t)s->first_team,
      .first_us = sum->devices.first_us,
      .last_us = sum->devices.last_us,
      .expected = sum->devices.acked,
  };
  if (!*s->database_url || run->replay || sum->devices.sent == 0) return REPORT_UNASKED;
  int64_t count = recorded_count(&options);
  return count < 0 ? REPORT_UNKNOWN : count;
}

// Writes the report, and says which promises were broken. False if any was.
static bool conclude(struct run *run, const struct chief *chief) {
  static struct figures sum;
  struct buffer text = {0}, faults = {0};
  chief_sum(chief, &sum);
  const struct report report = {
      .settings = run->settings,
      .seconds = chief_seconds(chief),
      .has_played = chief_has_played(chief),
      .figures = &sum,
      .recorded = ask_recorded(run, &sum),
  };
  report_table(&report, &text);
  fwrite(text.data, 1, text.len, stdout);
  fflush(stdout);
  text.len = 0;
  report_json(&report, &text);
  outputs_finish(&run->outputs, &text);
  report_faults(&report, &faults);
  if (faults.len) fwrite(faults.data, 1, faults.len, stderr);
  bool good = faults.len == 0 && !chief_has_lost(chief);
  buffer_fini(&text);
  buffer_fini(&faults);
  return good;
}

static int lead(struct run *run, bool plays_itself) {
  uv_loop_t loop;
  if (uv_loop_init(&loop) != 0) return 1;
  const struct chief_options options = {
      .loop = &loop,
      .settings = run->settings,
      .board = run->board,
      .workers = workers_of(run),
      .processes = run->processes,
      .players = plays_itself ? NULL : run->players,
      .timeline = run->outputs.timeline,
  };
  struct player *player = plays_itself ? make_player(run, &loop, 0) : NULL;
  struct chief *chief = chief_new(&options);
  uv_run(&loop, UV_RUN_DEFAULT);
  bool good = !player || player_free(player);
  if (!conclude(run, chief)) good = false;
  chief_free(chief);
  uv_loop_close(&loop);
  return good ? 0 : 1;
}

// ---- processes ----

// In a process that was forked: plays, and returns its exit status. Signals of the terminal are the chief's, and
// without a chief there is nothing to do.
static int play_part(const struct run *run, uint32_t index, pid_t chief) {
  uv_loop_t loop;
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != chief || uv_loop_init(&loop) != 0) return 1;
  struct player *player = make_player(run, &loop, index);
  uv_run(&loop, UV_RUN_DEFAULT);
  bool good = player_free(player);
  uv_loop_close(&loop);
  return good ? 0 : 1;
}

// Forks the players. In each of them *out_index is its own; in the chief, and in it only, UINT32_MAX. False if a
// process could not be made.
static bool fork_players(struct run *run, uint32_t *out_index) {
  fflush(NULL);
  *out_index = UINT32_MAX;
  for (uint32_t i = 0; i < run->processes; i++) {
    run->players[i] = fork();
    if (run->players[i] == 0) {
      *out_index = i;
      return true;
    }
    if (run->players[i] > 0) continue;
    perror(SETTINGS_PROGRAM ": fork");
    while (i-- > 0) kill(run->players[i], SIGKILL);
    return false;
  }
  return true;
}

static int play(struct run *run) {
  uint32_t index;
  pid_t chief = getpid();
  if (run->processes == 1) return lead(run, true);
  steady_us();  // from here on all processes have the same clock
  if (!fork_players(run, &index)) return 1;
  return index == UINT32_MAX ? lead(run, false) : play_part(run, index, chief);
}

int run_play(const struct settings *settings, const struct settings_derived *derived, struct replay *replay) {
  struct run run = {
      .settings = settings, .derived = derived, .replay = replay, .processes = (uint32_t)settings->processes};
  int status = 2;
  if (outputs_open(&run.outputs, settings)) {
    run.board = board_new(run.processes);
    status = play(&run);
  }
  if (!outputs_close(&run.outputs) && status == 0) status = 1;
  board_free(run.board);
  return status;
}

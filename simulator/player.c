// One timer: it looks at the board, lets workers and viewers do what their time has come for, and tells.
#include "player.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "audience.h"
#include "fleet.h"
#include "live.h"
#include "source.h"
#include "steady.h"

#define TICK_MAX_US 10000
#define TELL_US 100000
#define DISTURBED 10  // one of so many workers loses its connection with each SIGUSR1

struct player {
  struct player_options options;
  struct fleet *fleet;
  struct live *live;  // NULL in a replay
  struct audience *audience;
  uv_timer_t tick;
  enum phase phase;
  bool started, played;  // the playing has begun; and all was played
  bool views_failed;
  uint32_t disturbs;     // followed so far
  int64_t cut_until_us;  // after the start; -1 before
  int64_t told_us;       // in multiples of TELL_US, so that all processes tell at the same time
};

// ---- making ----

// How many addresses connections to these servers come from. most: that may be at one of them.
static uint32_t sources_of(const struct settings *s, const struct endpoint *servers, uint32_t count, uint32_t most) {
  if (s->source_addresses) return (uint32_t)s->source_addresses;
  for (uint32_t i = 0; i < count; i++) {
    if (!source_is_loopback(&servers[i].address)) return 1;
  }
  return source_count(&servers[0].address, most);
}

static struct fleet *make_fleet(const struct player_options *options) {
  const struct settings *s = options->settings;
  uint32_t all = options->replay ? replay_trace(options->replay)->worker_count : (uint32_t)s->workers;
  const struct fleet_options fleet = {
      .loop = options->loop,
      .trackers = options->derived->trackers,
      .tracker_count = options->derived->tracker_count,
      .first_team = (uint32_t)s->first_team,
      .sources = sources_of(s, options->derived->trackers, options->derived->tracker_count, all),
      .worker_key = s->worker_key,
      .seed = (uint64_t)s->seed,
      .share = options->share,
      .workers = share_size(options->share, all),
      .connect_rate = (uint32_t)s->connect_rate,
      // A replay may lose nothing, and keeps no more than its file has.
      .spool_positions = options->replay ? UINT32_MAX / 2 : (uint32_t)s->spool,
      .batch = (uint32_t)s->batch,
      .window = (uint32_t)s->window,
      .ack_every = (uint32_t)s->ack_every,
      .repeat_every = options->derived->scenario.repeat_every,
      .ledger = options->ledger,
  };
  return fleet_new(&fleet, steady_us());
}

static struct live *make_live(const struct player_options *options, struct fleet *fleet) {
  const struct settings *s = options->settings;
  const struct live_options live = {
      .share = options->share,
      .scenario = &options->derived->scenario,
      .workers = (uint32_t)s->workers,
      .teams = (uint32_t)s->teams,
      .first_team = (uint32_t)s->first_team,
      .viewers = (uint32_t)s->viewers,
      .interval_us = (int64_t)s->interval_ms * 1000,
      .duration_us = (int64_t)(options->derived->duration_s * 1e6),
      .park_us = (int64_t)(s->park_s * 1e6),
      .seed = (uint64_t)s->seed,
      .area = motion_area(options->derived->latitude_e7, options->derived->longitude_e7, (double)s->radius_m),
  };
  return live_new(&live, fleet);
}

static struct audience *make_audience(const struct player_options *options) {
  if (!options->settings->viewers) return NULL;
  const struct settings *s = options->settings;
  const struct settings_derived *derived = options->derived;
  const struct audience_options audience = {
      .loop = options->loop,
      .http = derived->http,
      .http_count = derived->http_count,
      .share = options->share,
      .scenario = &derived->scenario,
      .sources = sources_of(s, derived->http, derived->http_count, (uint32_t)s->viewers / derived->http_count + 1),
      .viewers = share_size(options->share, (uint32_t)s->viewers),
      .teams = (uint32_t)s->teams,
      .first_team = (uint32_t)s->first_team,
      .busy_teams = s->park_s > 0 ? live_busy_teams((uint32_t)s->teams) : (uint32_t)s->teams,
      .connect_rate = (uint32_t)s->connect_rate,
      .interval_ms = s->view_interval_ms,
      .box = derived->has_view_box ? &derived->view_box : NULL,
      .measures = !options->replay,
      .mixed = derived->view_mixed,
      .protocol = derived->view_protocol,
      .seed = (uint64_t)s->seed,
      .manager_token = s->manager_token,
      .worker_key = s->worker_key,
  };
  return audience.viewers ? audience_new(&audience, steady_us()) : NULL;
}

// ---- telling ----

static uint64_t own_cpu_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void tell(struct player *player, int64_t now_us) {
  const struct fleet *fleet = player->fleet;
  struct figures figures = {
      .at_us = now_us,
      .workers = fleet_size(fleet),
      .online = fleet_online(fleet),
      .welcomed = fleet_welcomed_count(fleet),
      .unacked = fleet_unacked_count(fleet) + (player->live ? 0 : replay_left(player->options.replay)),
      .connects = fleet_connects(fleet),
      .connect_failures = fleet_connect_failures(fleet),
      .cpu_us = own_cpu_us(),
      .devices = *fleet_totals(fleet),
  };
  // A look at every worker, which is wanted only here.
  if (*player->options.settings->timeline) figures.ack_silence_us = fleet_ack_silence_us(fleet, now_us);
  if (player->audience) {
    figures.viewers = audience_size(player->audience);
    figures.watching = audience_watching(player->audience);
    figures.shown = audience_shown(player->audience);
    figures.view_silence_us = audience_silence_us(player->audience, now_us);
    figures.views = *audience_totals(player->audience);
  }
  board_tell(player->options.board, player->options.share.index, &figures);
}

static void tell_in_time(struct player *player, int64_t now_us) {
  if (now_us / TELL_US == player->told_us / TELL_US) return;
  player->told_us = now_us;
  tell(player, now_us);
}

// ---- phases ----

static void write_states(struct player *player) {
  FILE *file = player->options.views;
  if (!file) return;
  struct buffer text = {0};
  if (player->audience) audience_write_states(player->audience, &text);
  if (text.len && fwrite(text.data, 1, text.len, file) != text.len) player->views_failed = true;
  if (fflush(file) != 0) player->views_failed = true;
  buffer_fini(&text);
}

static void enter(struct player *player, enum phase phase, int64_t now_us) {
  player->phase = phase;
  switch (phase) {
    case PHASE_DRAIN:
      if (board_hurried(player->options.board) && player->live) live_nudge(player->live, now_us);
      fleet_flush_all(player->fleet);
      break;
    case PHASE_CLOSE:
      write_states(player);
      fleet_close(player->fleet, now_us);
      if (player->audience) audience_close(player->audience, now_us);
      uv_close((uv_handle_t *)&player->tick, NULL);
      break;
    default:
      break;
  }
}

static void start_playing(struct player *player) {
  int64_t start_us = board_phase_us(player->options.board);
  player->started = true;
  if (player->audience && player->live) audience_count(player->audience, start_us);
  player->live ? live_start(player->live, start_us) : replay_start(player->options.replay, start_us);
}

// What the scenario cuts by now.
static void cut(struct player *player, int64_t now_us) {
  int64_t until_us = now_us - board_phase_us(player->options.board);
  uint32_t count = fleet_size(player->fleet);
  count = scenario_cuts(&player->options.derived->scenario, count, player->cut_until_us, until_us);
  player->cut_until_us = until_us;
  fleet_cut(player->fleet, count, now_us);
}

// Plays what is due; returns when something is next.
static int64_t play(struct player *player, int64_t now_us) {
  if (now_us < board_phase_us(player->options.board)) return board_phase_us(player->options.board);
  if (!player->started) start_playing(player);
  cut(player, now_us);
  int64_t next_us = player->live ? live_tick(player->live, now_us) : replay_tick(player->options.replay, now_us);
  player->played = next_us == INT64_MAX;
  return next_us;
}

static bool is_done(const struct player *player, int64_t now_us) {
  switch (player->phase) {
    case PHASE_CONNECT:
      return fleet_welcomed_count(player->fleet) == fleet_size(player->fleet);
    case PHASE_PLAY:
      return player->played;
    case PHASE_DRAIN:
      return fleet_unacked_count(player->fleet) == 0;
    case PHASE_SETTLE:
      return !player->audience || audience_shown(player->audience) == 0 ||
             audience_is_quiet(player->audience, (int64_t)player->options.settings->settle_ms * 1000, now_us);
    case PHASE_CLOSE:
      break;
  }
  return false;
}

static void follow_board(struct player *player, int64_t now_us) {
  struct board *board = player->options.board;
  for (uint32_t wanted = board_disturbs(board); player->disturbs != wanted; player->disturbs++) {
    fleet_cut(player->fleet, fleet_size(player->fleet) / DISTURBED + 1, now_us);
  }
  enum phase phase = board_phase(board);
  if (phase != player->phase) enter(player, phase, now_us);
}

static void on_tick(uv_timer_t *timer) {
  struct player *player = timer->data;
  int64_t now_us = steady_us(), next_us = INT64_MAX;
  follow_board(player, now_us);
  if (player->phase == PHASE_CLOSE) return;
  fleet_sweep(player->fleet, now_us);
  if (player->audience) audience_sweep(player->audience, now_us);
  if (player->phase == PHASE_PLAY) next_us = play(player, now_us);
  tell_in_time(player, now_us);
  board_done(player->options.board, player->options.share.index, player->phase, is_done(player, now_us));
  int64_t wait_us = next_us - now_us < TICK_MAX_US ? next_us - now_us : TICK_MAX_US;
  uv_timer_start(&player->tick, on_tick, wait_us > 1000 ? (uint64_t)wait_us / 1000 : 1, 0);
}

struct player *player_new(const struct player_options *options) {
  struct player *player = calloc(1, sizeof *player);
  if (!player) abort();
  player->options = *options;
  player->cut_until_us = -1;
  player->fleet = make_fleet(options);
  if (options->replay) {
    replay_join(options->replay, player->fleet, options->share);
  } else {
    player->live = make_live(options, player->fleet);
  }
  player->audience = make_audience(options);
  uv_timer_init(options->loop, &player->tick);
  player->tick.data = player;
  uv_timer_start(&player->tick, on_tick, 1, 0);
  return player;
}

bool player_free(struct player *player) {
  tell(player, steady_us());
  bool good = !player->views_failed;
  audience_free(player->audience);
  live_free(player->live);
  fleet_free(player->fleet);
  free(player);
  return good;
}

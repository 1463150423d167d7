// Viewers in one array, teams in another, and a sweep that goes round.
#include "audience.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "random.h"
#include "token.h"
#include "watcher.h"

#define SWEEP_US 200000
#define TOKEN_VALID_S 86400

struct audience {
  struct watcher_host host;
  struct audience_options options;
  struct watch_team **teams;
  struct watcher *watchers;
  uint32_t swept;
  int64_t swept_until_us;
};

static char *manager_token(void *context, const char *team) {
  const struct audience *audience = context;
  const char *given = audience->options.manager_token;
  int64_t now_s = clock_wall_us() / 1000000;
  char *token = *given ? strdup(given)
                       : token_mint(audience->options.worker_key, "muster-simulator", TOKEN_MANAGER, &team, 1, now_s,
                                    now_s + TOKEN_VALID_S);
  if (!token) abort();
  return token;
}

static enum watch_protocol protocol_of(const struct audience_options *options, uint32_t turn) {
  return options->mixed ? (enum watch_protocol)(turn % WATCH_PROTOCOLS) : options->protocol;
}

struct audience *audience_new(const struct audience_options *options, int64_t now_us) {
  struct audience *audience = calloc(1, sizeof *audience);
  if (!audience) abort();
  audience->options = *options;
  audience->swept_until_us = now_us;
  audience->host.loop = options->loop;
  audience->host.interval_ms = options->interval_ms;
  audience->host.box = options->box;
  audience->host.sources = options->sources;
  audience->host.measures = options->measures;
  audience->host.token = manager_token;
  audience->host.context = audience;
  audience->host.changed_us = now_us;
  audience->teams = calloc(options->teams, sizeof *audience->teams);
  audience->watchers = calloc(options->viewers, sizeof *audience->watchers);
  if (!audience->teams || !audience->watchers) abort();
  for (uint32_t i = 0; i < options->viewers; i++) {
    uint32_t number = share_number(options->share, i);
    struct scenario_place place = scenario_place(options->scenario, number, options->teams);
    uint32_t team = place.team, round = place.member;
    char name[32];
    snprintf(name, sizeof name, "team-%u", options->first_team + team);
    if (!audience->teams[team]) audience->teams[team] = watch_team_new(name);
    watcher_init(&audience->watchers[i], &audience->host, protocol_of(options, team + round), audience->teams[team],
                 &options->http[(round + team / WATCH_PROTOCOLS) % options->http_count], number,
                 random_fork(options->seed + 1, number), now_us + (int64_t)number * 1000000 / options->connect_rate);
    audience->watchers[i].slow = scenario_is_slow(options->scenario, number);
  }
  return audience;
}

void audience_free(struct audience *audience) {
  if (!audience) return;
  for (uint32_t i = 0; i < audience->options.viewers; i++) watcher_fini(&audience->watchers[i]);
  for (uint32_t i = 0; i < audience->options.teams; i++) watch_team_free(audience->teams[i]);
  free(audience->watchers);
  free(audience->teams);
  free(audience);
}

void audience_count(struct audience *audience, int64_t since_us) {
  for (uint32_t i = 0; i < audience->options.viewers; i++) audience->watchers[i].view.since_us = since_us;
}

void audience_sweep(struct audience *audience, int64_t now_us) {
  uint32_t count = audience->options.viewers;
  int64_t due = (now_us - audience->swept_until_us) * count / SWEEP_US;
  if (due <= 0) return;
  if (due > count) due = count;
  audience->swept_until_us = now_us;
  for (; due > 0; due--) {
    watcher_poll(&audience->watchers[audience->swept], now_us);
    audience->swept = (audience->swept + 1) % count;
  }
}

void audience_close(struct audience *audience, int64_t now_us) {
  for (uint32_t i = 0; i < audience->options.viewers; i++) watcher_close(&audience->watchers[i], now_us);
}

uint32_t audience_size(const struct audience *audience) {
  return audience->options.viewers;
}

uint32_t audience_shown(const struct audience *audience) {
  return audience->host.shown;
}

uint32_t audience_watching(const struct audience *audience) {
  return audience->host.watching;
}

uint32_t audience_open(const struct audience *audience) {
  return audience->host.open;
}

bool audience_is_quiet(const struct audience *audience, int64_t us, int64_t now_us) {
  return audience->host.watching == audience->options.viewers && now_us - audience->host.changed_us >= us;
}

int64_t audience_silence_us(const struct audience *audience, int64_t now_us) {
  int64_t longest_us = 0;
  for (uint32_t i = 0; i < audience->options.viewers; i++) {
    if (share_number(audience->options.share, i) % audience->options.teams >= audience->options.busy_teams) continue;
    int64_t silence_us = now_us - audience->watchers[i].rows_us;
    if (silence_us > longest_us) longest_us = silence_us;
  }
  return longest_us;
}

const struct viewer_totals *audience_totals(const struct audience *audience) {
  return &audience->host.totals;
}

void audience_write_states(const struct audience *audience, struct buffer *out) {
  for (uint32_t i = 0; i < audience->options.viewers; i++) {
    const struct watcher *watcher = &audience->watchers[i];
    buffer_printf(out,
                  "{\"viewer\":%u,\"team\":\"%s\",\"http\":\"%s\",\"protocol\":\"%s\",\"gateway_connection\":%u,"
                  "\"workers\":",
                  share_number(audience->options.share, i), watch_team_name(watcher->view.team),
                  watcher->http->authority, watch_protocol_name(watcher->stream.protocol), watcher->connection);
    watch_view_write(&watcher->view, out);
    buffer_append_string(out, "}\n");
  }
}

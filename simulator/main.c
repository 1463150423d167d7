// muster-simulator: the devices of many workers, and viewers of their teams, in one process.
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <uv.h>

#include "audience.h"
#include "fleet.h"
#include "live.h"
#include "log.h"
#include "replay.h"
#include "run.h"
#include "settings.h"
#include "steady.h"

#define OTHER_DESCRIPTORS 64  // files, the loop's own, standard streams

// Raises the soft limit of open files as far as needed; false, after saying so, if that is not far enough.
static bool reserve_descriptors(unsigned long workers, unsigned long viewers) {
  struct rlimit limit;
  unsigned long need = workers + viewers + OTHER_DESCRIPTORS;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need) return true;
  if (limit.rlim_max >= need) {
    limit.rlim_cur = need;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
  }
  fprintf(stderr, "%s: %lu workers and %lu viewers need %lu open files, but only %lu are allowed (ulimit -n)\n",
          SETTINGS_PROGRAM, workers, viewers, need, (unsigned long)limit.rlim_max);
  return false;
}

static struct fleet *make_fleet(uv_loop_t *loop, const struct settings *s, const struct settings_derived *derived,
                                uint32_t workers, struct ledger *ledger) {
  const struct fleet_options options = {
      .loop = loop,
      .address = derived->device.address,
      .worker_key = s->worker_key,
      .seed = (uint64_t)s->seed,
      .workers = workers,
      .connect_rate = (uint32_t)s->connect_rate,
      // A replay may lose nothing, and keeps no more than its file has.
      .spool_positions = *s->replay ? UINT32_MAX / 2 : (uint32_t)s->spool,
      .batch = (uint32_t)s->batch,
      .window = (uint32_t)s->window,
      .ack_every = (uint32_t)s->ack_every,
      .ledger = ledger,
  };
  return fleet_new(&options, steady_us());
}

static struct live *make_live(const struct settings *s, const struct settings_derived *derived, struct fleet *fleet) {
  const struct live_options options = {
      .workers = (uint32_t)s->workers,
      .teams = (uint32_t)s->teams,
      .interval_us = (int64_t)s->interval_ms * 1000,
      .duration_us = (int64_t)(s->duration_s * 1e6),
      .park_us = (int64_t)(s->park_s * 1e6),
      .seed = (uint64_t)s->seed,
      .area = motion_area(derived->latitude_e7, derived->longitude_e7, (double)s->radius_m),
  };
  return live_new(&options, fleet);
}

static struct replay *make_replay(const struct settings *s) {
  const struct replay_options options = {
      .teams = (uint32_t)s->teams,
      .speed = s->as_fast_as_acked ? 0 : s->speed,
      .window = (uint32_t)s->window,
  };
  return replay_new(SETTINGS_PROGRAM, s->replay, &options);
}

static struct audience *make_audience(uv_loop_t *loop, const struct settings *s,
                                      const struct settings_derived *derived) {
  const struct audience_options options = {
      .loop = loop,
      .http = derived->http,
      .http_count = derived->http_count,
      .viewers = (uint32_t)s->viewers,
      .teams = (uint32_t)s->teams,
      .busy_teams = s->park_s > 0 ? live_busy_teams((uint32_t)s->teams) : (uint32_t)s->teams,
      .connect_rate = (uint32_t)s->connect_rate,
      .interval_ms = s->view_interval_ms,
      .box = derived->has_view_box ? &derived->view_box : NULL,
      .measures = !*s->replay,
      .mixed = derived->view_mixed,
      .protocol = derived->view_protocol,
      .seed = (uint64_t)s->seed,
      .manager_token = s->manager_token,
      .worker_key = s->worker_key,
  };
  return audience_new(&options, steady_us());
}

static int cannot_write(const char *path) {
  fprintf(stderr, "%s: cannot write %s\n", SETTINGS_PROGRAM, path);
  return 1;
}

static int play(const struct settings *s, const struct settings_derived *derived, struct replay *replay) {
  uint32_t workers = replay ? replay_trace(replay)->worker_count : (uint32_t)s->workers;
  if (!reserve_descriptors(workers, (unsigned long)s->viewers)) return 2;
  uv_loop_t loop;
  if (uv_loop_init(&loop) != 0) return 1;
  struct ledger *ledger = *s->ledger ? ledger_open(s->ledger) : NULL;
  if (*s->ledger && !ledger) return cannot_write(s->ledger);
  struct fleet *fleet = make_fleet(&loop, s, derived, workers, ledger);
  struct live *live = replay ? NULL : make_live(s, derived, fleet);
  if (replay) replay_join(replay, fleet);
  struct audience *audience = s->viewers ? make_audience(&loop, s, derived) : NULL;
  int status = run_play(&loop, s, fleet, live, replay, audience);
  audience_free(audience);
  live_free(live);
  fleet_free(fleet);
  if (!ledger_close(ledger)) status = cannot_write(s->ledger);
  uv_loop_close(&loop);
  return status;
}

int main(int argc, char **argv) {
  struct settings settings = {0};
  struct settings_derived derived;
  struct replay *replay = NULL;
  int status = 2;
  signal(SIGPIPE, SIG_IGN);
  log_setup(SETTINGS_PROGRAM, "", LOG_INFO);
  enum config_status loaded = settings_load(&settings, &derived, argc, argv);
  if (loaded == CONFIG_OK && (!*settings.replay || (replay = make_replay(&settings)))) {
    status = play(&settings, &derived, replay);
  } else if (loaded == CONFIG_DONE) {
    status = 0;
  }
  replay_free(replay);
  settings_free(&settings);
  return status;
}

// muster-simulator: the devices of many workers, and viewers of their teams.
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "log.h"
#include "replay.h"
#include "run.h"
#include "settings.h"
#include "share.h"

#define OTHER_DESCRIPTORS 128  // files, the loop's own, standard streams

// Raises the soft limit of open files as far as needed; false, after saying so, if that is not far enough.
static bool reserve_descriptors(const struct settings *s, uint32_t workers) {
  const struct share first = {.index = 0, .count = (uint32_t)s->processes};  // the greatest share
  struct rlimit limit;
  unsigned long need = share_size(first, workers) + share_size(first, (uint32_t)s->viewers) + OTHER_DESCRIPTORS;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need) return true;
  if (limit.rlim_max >= need) {
    limit.rlim_cur = need;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
  }
  fprintf(stderr,
          "%s: %u workers and %ld viewers need %lu open files in each of %ld processes, but only %lu are allowed"
          " (ulimit -n, --processes)\n",
          SETTINGS_PROGRAM, workers, s->viewers, need, s->processes, (unsigned long)limit.rlim_max);
  return false;
}

static int play_live(const struct settings *s, const struct settings_derived *derived) {
  return reserve_descriptors(s, (uint32_t)s->workers) ? run_play(s, derived, NULL) : 2;
}

static int play_trace(const struct settings *s, const struct settings_derived *derived) {
  const struct replay_options options = {
      .teams = (uint32_t)s->teams,
      .speed = s->as_fast_as_acked ? 0 : s->speed,
      .window = (uint32_t)s->window,
  };
  struct replay *replay = replay_new(SETTINGS_PROGRAM, s->replay, &options);
  int status = 2;
  if (replay && reserve_descriptors(s, replay_trace(replay)->worker_count)) status = run_play(s, derived, replay);
  replay_free(replay);
  return status;
}

int main(int argc, char **argv) {
  struct settings settings = {0};
  struct settings_derived derived;
  int status = 2;
  signal(SIGPIPE, SIG_IGN);
  log_setup(SETTINGS_PROGRAM, "", LOG_INFO);
  enum config_status loaded = settings_load(&settings, &derived, argc, argv);
  if (loaded == CONFIG_OK) {
    status = *settings.replay ? play_trace(&settings, &derived) : play_live(&settings, &derived);
  } else if (loaded == CONFIG_DONE) {
    status = 0;
  }
  settings_free(&settings);
  return status;
}

// The simulator's settings: flags and environment variables.
#ifndef MUSTER_SIMULATOR_SETTINGS_H
#define MUSTER_SIMULATOR_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "box.h"
#include "config.h"
#include "endpoint.h"
#include "scenario.h"
#include "watch_event.h"

#define SETTINGS_SERVERS_MAX 16
#define SETTINGS_PROCESSES_MAX 64

struct settings {
  long workers, teams, first_team, interval_ms;
  char *scenario;
  double duration_s, park_s;
  char *connect, *http;
  long viewers, view_interval_ms;
  char *view_protocol, *view_bbox;
  char *replay;
  double speed;
  bool as_fast_as_acked;
  long processes, source_addresses;
  char *report, *view_states, *ledger, *timeline;
  long settle_ms, drain_s;
  char *centre;
  long radius_m, seed;
  long connect_rate, ack_every, spool, batch, window;
  bool progress;
  char *worker_key, *manager_token, *database_url;
};

// What is worked out from them.
struct settings_derived {
  struct scenario scenario;  // stretched to duration_s
  double duration_s;         // 0: until stopped
  struct endpoint trackers[SETTINGS_SERVERS_MAX], http[SETTINGS_SERVERS_MAX];
  uint32_t tracker_count, http_count;
  int32_t latitude_e7, longitude_e7;
  bool view_mixed;
  enum watch_protocol view_protocol;  // unless they are mixed
  bool has_view_box;
  struct box view_box;
};

#define SETTINGS_PROGRAM "muster-simulator"

// CONFIG_OK, or what config_load says; wrong combinations are CONFIG_BAD after one line on standard error.
enum config_status settings_load(struct settings *settings, struct settings_derived *derived, int argc, char **argv)
    __attribute__((warn_unused_result));
void settings_free(struct settings *settings);

#endif

// One table, and the checks that span several settings.
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "decimal.h"
#include "source.h"
#include "token.h"

#define SCENARIO_BYTES 16384
#define AT(field) offsetof(struct settings, field)

static const struct setting table[] = {
    {"workers", SETTING_INT, AT(workers), "100", 1, 1000000, "workers, each with a connection of its own", NULL},
    {"teams", SETTING_INT, AT(teams), "10", 1, 1000000, "teams; worker i is of team-(first-team + i modulo teams)",
     NULL},
    {"first-team", SETTING_INT, AT(first_team), "1", 0, 1000000,
     "number of the first team: simulators with different teams do not get in each other's way", NULL},
    {"interval-ms", SETTING_INT, AT(interval_ms), "1000", 1, 86400000, "time between two positions of a worker", NULL},
    {"duration", SETTING_NUMBER, AT(duration_s), "0", 0, 31536000, "seconds to go on for; 0: until stopped", NULL},
    {"scenario", SETTING_STRING, AT(scenario), "steady", 0, 0,
     "what happens: steady, spike, halve, season, storm, churn, skew, duplicates, slow-viewers, or a file", NULL},
    {"park-s", SETTING_NUMBER, AT(park_s), "0", 0, 31536000,
     "seconds in which the second half of the teams park, worker after worker; 0: none", NULL},
    {"connect", SETTING_STRING, AT(connect), "127.0.0.1:7300", 0, 0,
     "HOST:PORT where devices connect; several with commas between share them", "MUSTER_DEVICE_ADDR"},
    {"viewers", SETTING_INT, AT(viewers), "0", 0, 1000000, "live views to hold open, spread over the teams", NULL},
    {"http", SETTING_STRING, AT(http), "http://127.0.0.1:8080", 0, 0,
     "URL of the gateways, for the viewers; several with commas between share them", "MUSTER_HTTP_URL"},
    {"view-interval-ms", SETTING_INT, AT(view_interval_ms), "-1", -1, 60000,
     "interval_ms that viewers ask for; -1: the gateway's default", NULL},
    {"view-protocol", SETTING_STRING, AT(view_protocol), "sse", 0, 0,
     "how viewers are sent their views: sse, json or protobuf (both over a WebSocket), or mixed", NULL},
    {"view-bbox", SETTING_STRING, AT(view_bbox), "", 0, 0,
     "WEST,SOUTH,EAST,NORTH in degrees, the part of their team that viewers ask for; empty: all of it", NULL},
    {"replay", SETTING_STRING, AT(replay), "", 0, 0,
     "CSV file of fixes to play instead (columns time, worker, latitude, longitude)", NULL},
    {"speed", SETTING_NUMBER, AT(speed), "1", 0, 1000000, "replay so many times faster than it was recorded", NULL},
    {"as-fast-as-acked", SETTING_BOOL, AT(as_fast_as_acked), "false", 0, 0, "replay as fast as the acks allow", NULL},
    {"processes", SETTING_INT, AT(processes), "1", 1, SETTINGS_PROCESSES_MAX,
     "processes that share workers and viewers between them, for more load than one core can make", NULL},
    {"source-addresses", SETTING_INT, AT(source_addresses), "0", 0, SOURCE_MAX,
     "addresses of 127.0.0.0/8 to connect from, if servers are on loopback; 0: as many as the ports need", NULL},
    {"report", SETTING_STRING, AT(report), "", 0, 0, "file for the report as JSON", NULL},
    {"view-states", SETTING_STRING, AT(view_states), "", 0, 0, "file for the viewers' final states as JSON", NULL},
    {"ledger", SETTING_STRING, AT(ledger), "", 0, 0, "file for the fate of every position", NULL},
    {"timeline", SETTING_STRING, AT(timeline), "", 0, 0, "file for a line of figures every 100 ms", NULL},
    {"settle-ms", SETTING_INT, AT(settle_ms), "1500", 0, 600000, "views must be unchanged for so long to be final",
     NULL},
    {"drain-s", SETTING_INT, AT(drain_s), "30", 0, 86400, "longest wait for acks at the end", NULL},
    {"centre", SETTING_STRING, AT(centre), "47.3769,8.5417", 0, 0, "LATITUDE,LONGITUDE around which workers move",
     NULL},
    {"radius-m", SETTING_INT, AT(radius_m), "4000", 200, 200000, "how far from the centre they go", NULL},
    {"seed", SETTING_INT, AT(seed), "1", 0, INT32_MAX, "the same seed gives the same movement", NULL},
    {"connect-rate", SETTING_INT, AT(connect_rate), "2000", 1, 1000000, "first connections per second", NULL},
    {"ack-every", SETTING_INT, AT(ack_every), "0", 0, 1000000,
     "ask for an ack with every so many reports; 0: when the tracker likes", NULL},
    {"spool", SETTING_INT, AT(spool), "1024", 1, 1000000, "positions a device keeps unacked; the oldest is dropped",
     NULL},
    {"batch", SETTING_INT, AT(batch), "100", 1, 900, "the most positions in one report", NULL},
    {"window", SETTING_INT, AT(window), "512", 1, 1000000,
     "the most positions of a worker in flight as it catches up or replays", NULL},
    {"progress", SETTING_BOOL, AT(progress), "false", 0, 0, "show a status line although standard error is no terminal",
     NULL},
    {"worker-key", SETTING_SECRET, AT(worker_key), "", 0, 0, "key that signs the workers' (and viewers') tokens", NULL},
    {"manager-token", SETTING_SECRET, AT(manager_token), "", 0, 0,
     "token of all viewers; without it each gets one for its team", NULL},
    {"database-url", SETTING_SECRET, AT(database_url), "", 0, 0,
     "Postgres, as URL or key=value words: asked after live load whether all that was acked is recorded", NULL},
};

static const struct config config = {
    .program = SETTINGS_PROGRAM,
    .about =
        "Simulates the devices of many workers, and viewers of their teams, and reports what became of every\n"
        "position. Ctrl-C stops sending, waits for what is unacked, and reports; a second one ends at once.\n"
        "Exit status: 0 if every promise was kept (nothing lost, nobody kept out), 1 if not, 2 for wrong settings.\n\n"
        "  muster-simulator --workers 1000 --teams 10 --duration 60 --viewers 20 --report run.json\n"
        "  muster-simulator --replay traces.csv --as-fast-as-acked --teams 5",
    .settings = table,
    .count = sizeof table / sizeof *table,
};

static enum config_status bad(const char *name, const char *value, const char *fault) {
  fprintf(stderr, "%s: --%s: \"%s\" %s\n", SETTINGS_PROGRAM, name, value, fault);
  return CONFIG_BAD;
}

// Takes "ONE,ANOTHER,…" apart.
static const char *parse_servers(const char *text, const char *(*parse)(const char *one, struct endpoint *out),
                                 struct endpoint out[SETTINGS_SERVERS_MAX], uint32_t *out_count) {
  *out_count = 0;
  for (const char *at = text;; at++) {
    char one[sizeof out->authority + sizeof out->path];
    size_t len = strcspn(at, ",");
    if (*out_count == SETTINGS_SERVERS_MAX) return "has too many of them";
    if (len >= sizeof one) return "is too long";
    memcpy(one, at, len);
    one[len] = '\0';
    const char *fault = parse(one, &out[(*out_count)++]);
    at += len;
    if (fault || !*at) return fault;
  }
}

static const char *parse_protocol(const char *name, struct settings_derived *derived) {
  derived->view_mixed = strcmp(name, "mixed") == 0;
  derived->view_protocol = WATCH_SSE;
  if (derived->view_mixed) return NULL;
  for (int i = 0; i < WATCH_PROTOCOLS; i++) {
    derived->view_protocol = (enum watch_protocol)i;
    if (strcmp(name, watch_protocol_name(derived->view_protocol)) == 0) return NULL;
  }
  return "is not sse, json, protobuf or mixed";
}

static bool check_sources(const struct settings *s, const struct settings_derived *derived) {
  bool local = true;
  for (uint32_t i = 0; i < derived->tracker_count; i++) {
    local = local && source_is_loopback(&derived->trackers[i].address);
  }
  for (uint32_t i = 0; i < derived->http_count; i++) local = local && source_is_loopback(&derived->http[i].address);
  if (s->source_addresses < 2 || local) return true;
  fprintf(stderr, "%s: --source-addresses is only for servers at addresses of 127.0.0.0/8\n", SETTINGS_PROGRAM);
  return false;
}

// A scenario's text: that of the name, or else the file's.
static bool scenario_text(const char *name, char *out, size_t size, size_t *out_len) {
  const char *text = scenario_named(name);
  FILE *file = text ? NULL : fopen(name, "re");
  if (text) {
    *out_len = (size_t)snprintf(out, size, "%s", text);
  } else if (file) {
    *out_len = fread(out, 1, size, file);
    fclose(file);
  } else {
    fprintf(stderr, "%s: --scenario: \"%s\" is neither a scenario nor a file\n", SETTINGS_PROGRAM, name);
  }
  return text || file;
}

static bool read_scenario(const struct settings *s, struct settings_derived *derived) {
  char text[SCENARIO_BYTES];
  size_t len;
  unsigned line = 0;
  struct scenario *scenario = &derived->scenario;
  if (!scenario_text(s->scenario, text, sizeof text, &len)) return false;
  const char *fault = len == sizeof text ? "the file is too long" : scenario_parse(text, len, scenario, &line);
  if (!fault && scenario->skewed && s->park_s > 0) fault = "--park-s needs teams that are alike";
  if (fault) {
    fprintf(stderr, "%s: --scenario: %s: line %u: %s\n", SETTINGS_PROGRAM, s->scenario, line, fault);
    return false;
  }
  if (s->duration_s > 0) scenario_stretch(scenario, s->duration_s);
  derived->duration_s = s->duration_s > 0 ? s->duration_s : scenario->seconds;
  return true;
}

static bool check_replay(const struct settings *s) {
  const char *fault = NULL;
  bool has_speed = s->speed < 1 || s->speed > 1;
  if (!*s->replay && has_speed) fault = "--speed is for --replay: live load has --interval-ms";
  if (!*s->replay && s->as_fast_as_acked) fault = "--as-fast-as-acked is for --replay";
  if (*s->replay && s->as_fast_as_acked && has_speed) fault = "--speed and --as-fast-as-acked exclude each other";
  if (*s->replay && s->park_s > 0) fault = "--park-s is for live load, not for --replay";
  if (s->speed <= 0) fault = "--speed is not more than 0";
  if (!*s->replay && s->processes > s->workers) fault = "--processes is more than --workers";
  if (*s->replay && strcmp(s->scenario, "steady") != 0) fault = "--scenario is for live load, not for --replay";
  if (fault) fprintf(stderr, "%s: %s\n", SETTINGS_PROGRAM, fault);
  return !fault;
}

static enum config_status check(const struct settings *s, struct settings_derived *derived) {
  derived->http_count = 0;
  const char *fault = parse_servers(s->connect, endpoint_parse, derived->trackers, &derived->tracker_count);
  if (fault) return bad("connect", s->connect, fault);
  if (s->viewers) fault = parse_servers(s->http, endpoint_parse_url, derived->http, &derived->http_count);
  if (fault) return bad("http", s->http, fault);
  fault = parse_protocol(s->view_protocol, derived);
  if (fault) return bad("view-protocol", s->view_protocol, fault);
  derived->has_view_box = *s->view_bbox;
  if (derived->has_view_box && !box_parse(s->view_bbox, &derived->view_box)) {
    return bad("view-bbox", s->view_bbox, "is not WEST,SOUTH,EAST,NORTH in degrees");
  }
  if (!decimal_place(s->centre, &derived->latitude_e7, &derived->longitude_e7)) {
    return bad("centre", s->centre, "is not LATITUDE,LONGITUDE in degrees");
  }
  if (!check_sources(s, derived)) return CONFIG_BAD;
  if (!read_scenario(s, derived) || !check_replay(s)) return CONFIG_BAD;
  if (strlen(s->worker_key) < TOKEN_KEY_MIN_BYTES) {
    fprintf(stderr, "%s: set MUSTER_WORKER_KEY or --worker-key-file to the trackers' token key, %d bytes at least\n",
            SETTINGS_PROGRAM, TOKEN_KEY_MIN_BYTES);
    return CONFIG_BAD;
  }
  return CONFIG_OK;
}

enum config_status settings_load(struct settings *settings, struct settings_derived *derived, int argc, char **argv) {
  enum config_status status = config_load(&config, settings, argc, argv);
  return status == CONFIG_OK ? check(settings, derived) : status;
}

void settings_free(struct settings *settings) {
  config_free(&config, settings);
}

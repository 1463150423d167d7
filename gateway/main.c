// muster-gateway: holds managers' live views open. This file is the boot list, and nothing else.
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "assets.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "nats_url.h"
#include "server.h"
#include "snapshot.h"
#include "subject.h"
#include "token_guard.h"

// Long enough for the proxy in front to see that this gateway is not ready, before it stops answering.
#define DRAIN_MS 1000
#define LARGE_BYTES (64 * 1024)

#define FIELD(name) offsetof(struct gateway_config, name)
static const struct setting settings[] = {
    {"id", SETTING_STRING, FIELD(id), "gateway-1", .help = "name of this replica, unique among gateways"},
    {"listen", SETTING_STRING, FIELD(listen), "127.0.0.1:8080", .help = "address for HTTP"},
    {"trusted-proxies", SETTING_STRING, FIELD(trusted_proxies), "",
     .help = "addresses and networks of the edge, with commas: it says whose requests it brings, by X-Forwarded-For"},
    {"listen-without-edge", SETTING_BOOL, FIELD(listen_without_edge), "false",
     .help = "let clients connect from anywhere without TLS; else only the edge and this machine may"},
    {"nats-url", SETTING_STRING, FIELD(nats_url), "nats://127.0.0.1:4222",
     .help = "NATS server, or several with commas"},
    {"nats-user", SETTING_STRING, FIELD(nats_user), "", .help = "user there; empty: none is needed"},
    {"nats-password", SETTING_SECRET, FIELD(nats_password), "", .help = "the user's password"},
    {"database-url", SETTING_SECRET, FIELD(database_url), "",
     .help = "Postgres, as postgresql://USER:PASSWORD@HOST/NAME"},
    {"token-key", SETTING_SECRET, FIELD(token_key), "",
     .help =
         "key of tokens without a kid (HS256), 32 bytes or more; for several keys, or others, there is --token-keys"},
    {"token-keys", SETTING_STRING, FIELD(token_keys), "",
     .help =
         "folder of keys that tokens are signed with, each in a file KID.hs256, KID.rs256 or KID.es256 (public keys as "
         "PEM); SIGHUP reads it again"},
    {"style-url", SETTING_STRING, FIELD(style_url), "https://tiles.openfreemap.org/styles/liberty",
     .help = "style of the base map (MapLibre style JSON)"},
    {"max-viewers", SETTING_INT, FIELD(max_viewers), "0", 0, 1000000,
     .help = "live views at the same time; 0: as many as the limit of open files allows"},
    {"max-viewers-per-team", SETTING_INT, FIELD(max_viewers_per_team), "0", 0, 1000000,
     .help = "live views of one team; 0: no limit"},
    {"max-viewers-per-token", SETTING_INT, FIELD(max_viewers_per_token), "1000", 0, 1000000,
     .help = "live views with the same token; 0: no limit"},
    {"interval-ms", SETTING_INT, FIELD(interval_ms), "100", 0, 60000,
     .help = "a viewer gets at most one frame in this time, unless it asks for another"},
    {"linger-ms", SETTING_INT, FIELD(linger_ms), "10000", 0, 3600000,
     .help = "a team's state is kept for so long after its last viewer has gone"},
    {"stall-ms", SETTING_INT, FIELD(stall_ms), "30000", 100, 3600000,
     .help = "a viewer that takes nothing for so long is closed"},
    {"stale-after-ms", SETTING_INT, FIELD(stale_after_ms), "10000", 0, 86400000,
     .help = "a connected worker is shown as stale once no position of it came for so long; 0: never"},
    {"compare-interval-s", SETTING_INT, FIELD(compare_interval_s), "60", 0, 86400,
     .help = "every team that is held is compared with Postgres once in this time, as a safety net; 0: never"},
    {"backlog-bytes", SETTING_INT, FIELD(backlog_bytes), "67108864", 524288, 1L << 30,
     .help = "live batches that wait to be merged; beyond it they are dropped, and their teams are joined again"},
    {"track-places", SETTING_INT, FIELD(track_places), "2", 1, 64,
     .help = "so many tracks are sent at once; whoever wants another is told to come back"},
    {"track-max-days", SETTING_INT, FIELD(track_max_days), "31", 1, 36525, .help = "the longest range of a track"},
    {"share-max-days", SETTING_INT, FIELD(share_max_days), "30", 0, SHARE_LONGEST_DAYS,
     .help = "a manager's link to a team, or to one worker of it, is good for so long at most; 0: no links are made"},
    {"log-level", SETTING_STRING, FIELD(log_level), "info", .help = "debug, info, warn or error"},
};
static const struct config config = {"muster-gateway",
                                     "Serves the map and the HTTP API, and holds managers' live views open.", settings,
                                     sizeof settings / sizeof *settings};

static bool refuse(const char *text) {
  fprintf(stderr, "muster-gateway: %s\n", text);
  return false;
}

static bool parse_level(const char *text, enum log_level *out_level) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  for (int i = 0; i < 4; i++) {
    if (strcmp(text, names[i]) == 0) return *out_level = (enum log_level)i, true;
  }
  return false;
}

static bool check_config(const struct gateway_config *c, enum log_level *out_level) {
  char host[128];
  int port;
  if (!ident_valid(c->id, strlen(c->id))) return refuse("id: must be 1 to 64 letters, digits, '-' and '_'");
  if (!config_address(c->listen, host, sizeof host, &port)) return refuse("listen: must be HOST:PORT");
  if (!*c->nats_url) return refuse("nats-url: must not be empty");
  if (!*c->database_url) return refuse("database-url: set MUSTER_DATABASE_URL or MUSTER_DATABASE_URL_FILE");
  if (!snapshot_understands(c->database_url)) return refuse("database-url: is neither a URL nor key=value words");
  if (!*c->token_key && !*c->token_keys) return refuse("token-key: set MUSTER_TOKEN_KEY or MUSTER_TOKEN_KEYS");
  if (!parse_level(c->log_level, out_level)) return refuse("log-level: must be debug, info, warn or error");
  return true;
}

static bool check_edge(struct gateway *g) {
  char host[128], text[192];
  int port;
  if (!peers_parse(&g->peers, g->config.trusted_proxies)) {
    return refuse("trusted-proxies: must be addresses or networks (10.0.0.0/8) with commas between, 64 at most");
  }
  g->peers.everyone = g->config.listen_without_edge;
  if (!config_address(g->config.listen, host, sizeof host, &port)) return refuse("listen: must be HOST:PORT");
  const char *fault = peers_listen_fault(&g->peers, host);
  if (!fault) return true;
  snprintf(text, sizeof text, "listen: %s", fault);
  return refuse(text);
}

// From here on the URL is a secret: it has the password in it.
static bool add_login(struct gateway_config *c) {
  const char *fault = "";
  char *url = NULL, text[160];
  if (!nats_url_login(c->nats_url, c->nats_user, c->nats_password, &url, &fault)) {
    snprintf(text, sizeof text, "nats-url: %s", fault);
    return refuse(text);
  }
  free(c->nats_url);
  c->nats_url = url;
  return true;
}

// ---- wiring: what one part has for another ----

static void on_batch(void *context, struct live_batch *batch) {
  fanout_batch(((struct gateway *)context)->fanout, batch);
}

static void on_link(void *context, bool connected) {
  fanout_link(((struct gateway *)context)->fanout, connected);
}

static void on_loss(void *context, enum heal_reason reason) {
  fanout_heal(((struct gateway *)context)->fanout, reason);
}

static void need_join(void *context, const char *team, uint64_t ticket) {
  join_team(((struct gateway *)context)->join, team, ticket);
}

static void need_leave(void *context, const char *team) {
  join_leave(((struct gateway *)context)->join, team);
}

static bool make_guard(struct gateway *g) {
  char fault[TOKEN_KEYS_FAULT_BYTES], text[TOKEN_KEYS_FAULT_BYTES + 16];
  if (token_guard_open(&g->guard, g->config.token_key, g->config.token_keys, fault)) return true;
  snprintf(text, sizeof text, "token-keys: %s", fault);
  return refuse(text);
}

static struct places *make_places(const struct gateway_config *c, unsigned fit) {
  unsigned wanted = c->max_viewers ? (unsigned)c->max_viewers : fit;
  if (wanted > fit) log_warn("too_few_files", "max_viewers=%u fit=%u hint=\"raise ulimit -n\"", wanted, fit);
  struct places_limits limits = {.process = wanted < fit ? wanted : fit,
                                 .team = (unsigned)c->max_viewers_per_team,
                                 .token = (unsigned)c->max_viewers_per_token};
  log_info("viewer_limits", "process=%u team=%u token=%u", limits.process, limits.team, limits.token);
  return places_new(&limits);
}

static void make_parts(struct gateway *g) {
  g->registry = metrics_new();
  g->places = make_places(&g->config, g->files.viewers);
  gateway_metrics_register(&g->metrics, g->registry);
  g->replicas = replicas_new();
  g->directory = directory_new(g->config.database_url, (int64_t)g->config.stale_after_ms * 1000);
  g->content_policy = assets_content_policy(g->config.style_url);
  g->fanout = fanout_new(&(struct fanout_options){.linger_ms = (unsigned)g->config.linger_ms,
                                                  .stall_ms = (unsigned)g->config.stall_ms,
                                                  .stale_after_ms = (unsigned)g->config.stale_after_ms,
                                                  .metrics = &g->metrics,
                                                  .guard = &g->guard,
                                                  .needs = {g, need_join, need_leave}});
  g->feed = feed_new(&(struct feed_options){.nats_url = g->config.nats_url,
                                            .id = g->config.id,
                                            .backlog_bytes = (size_t)g->config.backlog_bytes,
                                            .replicas = g->replicas,
                                            .metrics = &g->metrics,
                                            .events = {g, on_batch, on_link, on_loss}});
  g->join = join_new(&(struct join_options){.nats_url = g->config.nats_url,
                                            .database_url = g->config.database_url,
                                            .feed = g->feed,
                                            .fanout = g->fanout,
                                            .compare_interval_s = (unsigned)g->config.compare_interval_s,
                                            .replicas = g->replicas,
                                            .metrics = &g->metrics});
  g->revocations = revocation_log_new(&(struct revocation_log_options){.nats_url = g->config.nats_url,
                                                                       .name = g->config.id,
                                                                       .inbox = SUBJECT_GATEWAY_INBOX,
                                                                       .revoked = g->guard.revoked});
  g->shares = share_log_new(&(struct share_log_options){
      .nats_url = g->config.nats_url, .name = g->config.id, .inbox = SUBJECT_GATEWAY_INBOX, .creates = true});
  g->tracks = tracks_new(&(struct tracks_options){.places = (unsigned)g->config.track_places,
                                                  .stall_ms = (unsigned)g->config.stall_ms,
                                                  .guard = &g->guard,
                                                  .metrics = &g->metrics});
}

static void free_parts(struct gateway *g) {
  tracks_free(g->tracks);
  join_free(g->join);
  feed_free(g->feed);
  fanout_free(g->fanout);
  free(g->content_policy);
  directory_free(g->directory);
  replicas_free(g->replicas);
  places_free(g->places);
  metrics_free(g->registry);
}

static void wait_for_end(struct gateway *g, const sigset_t *signals) {
  int signal = 0;
  while (sigwait(signals, &signal) != 0 || signal == SIGHUP) {
    if (signal == SIGHUP) token_guard_reload(&g->guard);
  }
  log_info("stopping", "signal=%s", signal == SIGINT ? "SIGINT" : "SIGTERM");
}

// Viewers are told to go elsewhere, spread over some seconds; REST is answered until the proxy has noticed.
static void drain(struct gateway *g, struct server *server) {
  g->draining = true;
  revocation_log_end(g->revocations);
  if (server) fanout_drain(g->fanout);
  if (server) clock_sleep_ms(DRAIN_MS);
  server_stop(server);
  tracks_stop(g->tracks);
}

// Everything that waits for signals, or is started before it. Returns the exit status.
static int serve(struct gateway *g, const sigset_t *signals) {
  struct server *server = NULL;
  if (!fanout_start(g->fanout)) {
    log_error("cannot_start", "part=fanout");
    return 1;
  }
  bool started = revocation_log_start(g->revocations) && feed_start(g->feed) && join_start(g->join) &&
                 (server = server_start(g)) != NULL;
  if (started) wait_for_end(g, signals);
  drain(g, server);
  feed_stop(g->feed);
  revocation_log_free(g->revocations);
  share_log_free(g->shares);
  join_stop(g->join);
  feed_end_library(g->feed);
  fanout_stop(g->fanout);
  if (started) log_info("stopped", "frames=%lld", (long long)metric_get(g->metrics.frames_sent));
  return started ? 0 : 1;
}

int main(int argc, char **argv) {
  static struct gateway gateway;
  enum log_level level = LOG_INFO;
  enum config_status loaded = config_load(&config, &gateway.config, argc, argv);
  if (loaded != CONFIG_OK || !check_config(&gateway.config, &level) || !add_login(&gateway.config) ||
      !check_edge(&gateway)) {
    config_free(&config, &gateway.config);
    return loaded == CONFIG_DONE ? 0 : 2;
  }
  log_setup("muster-gateway", gateway.config.id, level);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);
  // What is large, snapshots, goes back to the system when it is freed. Setting it keeps glibc from raising it.
  mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
  int status = make_guard(&gateway) ? 1 : 2;
  if (status == 1 && files_prepare(&gateway.files)) {
    make_parts(&gateway);
    status = serve(&gateway, &signals);
    free_parts(&gateway);
  }
  token_guard_close(&gateway.guard);
  config_free(&config, &gateway.config);
  return status;
}

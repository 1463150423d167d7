// muster-tracker: settings, then the parts in the order they start and, the other way round, stop.
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "clock.h"
#include "config.h"
#include "file_limit.h"
#include "ident.h"
#include "intake.h"
#include "log.h"
#include "nats_url.h"
#include "peers.h"
#include "provision.h"
#include "recorder.h"
#include "revocation_log.h"
#include "server.h"
#include "store.h"
#include "subject.h"
#include "token_guard.h"
#include "version.h"

extern const struct embedded schema_files[];  // generated from tracker/schema/

#define FILES_MIN 256u
#define FILES_MOST 1048576u
#define CONNECTS_BURST_MS 5  // so many milliseconds' worth of connects are let in at once, or a round's
#define OWN_FILES 64u        // NATS, Postgres, HTTP, logs

struct tracker_config {
  bool listen_without_edge;
  char *id, *listen, *trusted_proxies, *admin, *nats_url, *nats_user, *nats_password, *database_url, *token_key,
      *log_level, *provision;
  char *token_keys;
  long retention_days, round_ms, round_most_ms, log_interval_ms, backlog_bytes, log_max_age_s, log_max_bytes,
      log_keep_s;
  long idle_timeout_ms, hello_timeout_ms, ack_delay_ms, ack_reports, max_connections;
  long device_positions_per_s, device_positions_burst, device_bytes_per_s, device_bytes_burst, positions_per_s,
      connects_per_s;
};

#define AT(field) offsetof(struct tracker_config, field)
static const struct setting settings[] = {
    {"id", SETTING_STRING, AT(id), "tracker-1", 0, 0, "Name of this replica: [A-Za-z0-9_-]{1,64}, unique.", NULL},
    {"listen", SETTING_STRING, AT(listen), "127.0.0.1:7300", 0, 0, "Address for devices.", NULL},
    {"trusted-proxies", SETTING_STRING, AT(trusted_proxies), "", 0, 0,
     "Addresses and networks of the edge, with commas: connections from there begin with a PROXY v2 header.", NULL},
    {"listen-without-edge", SETTING_BOOL, AT(listen_without_edge), "false", 0, 0,
     "Let devices connect from anywhere without TLS; else only the edge and this machine may.", NULL},
    {"admin", SETTING_STRING, AT(admin), "127.0.0.1:7400", 0, 0, "Address for /healthz, /readyz and /metrics.", NULL},
    {"nats-url", SETTING_STRING, AT(nats_url), "nats://127.0.0.1:4222", 0, 0,
     "NATS server, with JetStream, or several with commas.", NULL},
    {"nats-user", SETTING_STRING, AT(nats_user), "", 0, 0, "User there; empty: none is needed.", NULL},
    {"nats-password", SETTING_SECRET, AT(nats_password), "", 0, 0, "The user's password.", NULL},
    {"database-url", SETTING_SECRET, AT(database_url), "", 0, 0, "Postgres, as URL or key=value words.", NULL},
    {"provision", SETTING_STRING, AT(provision), "self", 0, 0,
     "Who makes tables and the stream: self, this tracker, as it finds them missing; never, another; only: make them, "
     "with an owner's rights, and exit.",
     NULL},
    {"token-key", SETTING_SECRET, AT(token_key), "", 0, 0,
     "Key of tokens without a kid (HS256), 32 bytes or more; for several keys, or others, there is --token-keys.",
     NULL},
    {"token-keys", SETTING_STRING, AT(token_keys), "", 0, 0,
     "Folder of keys that tokens are signed with, each in a file KID.hs256, KID.rs256 or KID.es256 (public keys as "
     "PEM); SIGHUP reads it again.",
     NULL},
    {"retention-days", SETTING_INT, AT(retention_days), "0", 0, 36500,
     "Positions older than this are refused as too_old, and their history is dropped; 0 keeps all.", NULL},
    {"round-ms", SETTING_INT, AT(round_ms), "4", 0, 500,
     "While positions keep coming, they are taken in and published at most so often …", NULL},
    {"round-most-ms", SETTING_INT, AT(round_most_ms), "32", 0, 500,
     "… and so seldom when they are few: as long as 16 take to come. With --round-ms 0 there are no rounds.", NULL},
    {"log-interval-ms", SETTING_INT, AT(log_interval_ms), "20", 1, 1000,
     "How long a log batch waits for more positions before it is stored; longer as rounds are, up to 160.", NULL},
    {"backlog-bytes", SETTING_INT, AT(backlog_bytes), "16777216", 65536, 1L << 32,
     "Bytes of log batches not stored yet at which devices are no longer read.", NULL},
    {"log-max-age-s", SETTING_INT, AT(log_max_age_s), "0", 0, 31536000,
     "How long the stream keeps messages that are not recorded; 0 for ever. Only when this tracker creates the stream.",
     NULL},
    {"log-max-bytes", SETTING_INT, AT(log_max_bytes), "4294967296", 0, 1L << 50,
     "How large the stream may grow; 0: no limit. Only when this tracker creates the stream.", NULL},
    {"log-keep-s", SETTING_INT, AT(log_keep_s), "600", 1, 31536000,
     "How long the stream keeps messages after they were recorded.", NULL},
    {"idle-timeout-ms", SETTING_INT, AT(idle_timeout_ms), "60000", 1000, 86400000,
     "A device silent for longer is disconnected.", NULL},
    {"hello-timeout-ms", SETTING_INT, AT(hello_timeout_ms), "10000", 1000, 60000,
     "A connection must say Hello within this time.", NULL},
    {"ack-delay-ms", SETTING_INT, AT(ack_delay_ms), "8000", 0, 60000, "Acks are coalesced for so long …", NULL},
    {"ack-reports", SETTING_INT, AT(ack_reports), "16", 1, 1024, "… or over so many reports.", NULL},
    {"max-connections", SETTING_INT, AT(max_connections), "0", 0, 1000000,
     "Devices at once; 0, or too many: what the limit of open files allows.", NULL},
    {"device-positions-per-s", SETTING_INT, AT(device_positions_per_s), "100", 0, 1000000,
     "A device that goes on bringing more is read more slowly, and nothing of it is lost; 0: no limit.", NULL},
    {"device-positions-burst", SETTING_INT, AT(device_positions_burst), "100000", 1, 1000000000,
     "So many positions it may bring at once, as after a day without a network.", NULL},
    {"device-bytes-per-s", SETTING_INT, AT(device_bytes_per_s), "65536", 0, 1000000000,
     "The same in bytes; 0: no limit.", NULL},
    {"device-bytes-burst", SETTING_INT, AT(device_bytes_burst), "16777216", 1, 1L << 32,
     "So many bytes it may send at once.", NULL},
    {"positions-per-s", SETTING_INT, AT(positions_per_s), "0", 0, 10000000,
     "All devices together are read no faster than this, but for a second's worth at once; 0: no limit.", NULL},
    {"connects-per-s", SETTING_INT, AT(connects_per_s), "4000", 0, 1000000,
     "Devices that come together are let in at this rate, so that the others do not wait for them; 0: no limit.", NULL},
    {"log-level", SETTING_STRING, AT(log_level), "info", 0, 0, "Least level logged: debug, info, warn, error.", NULL},
};
static const struct config config_table = {
    .program = "muster-tracker",
    .about =
        "Takes in devices' positions, publishes them live on NATS, stores them in JetStream, and acks what is\n"
        "durable. One of all trackers is elected to record the stream into Postgres. Run as many as you like.",
    .settings = settings,
    .count = sizeof settings / sizeof *settings,
};

struct tracker {
  struct tracker_config config;
  enum provision provision;
  struct peers peers;
  uv_loop_t loop;
  uv_signal_t sigint, sigterm, sighup;
  uv_async_t heard_again;
  struct token_guard guard;
  struct revocation_log *revocations;
  struct metrics *metrics;
  struct server *server;
  struct intake *intake;
  struct recorder *recorder;
  struct admin *admin;
  _Atomic bool stopping;
};

static int fail(const char *what, const char *why) {
  fprintf(stderr, "muster-tracker: %s: %s\n", what, why);
  return 1;
}

static const char *why_not_ready(void *context) {
  struct tracker *tracker = context;
  if (tracker->stopping) return "stopping\n";
  if (intake_ready(tracker->intake) && !revoked_known(tracker->guard.revoked)) {
    return "what is revoked is not known yet\n";
  }
  return intake_ready(tracker->intake) ? NULL : "NATS or its stream is out of reach\n";
}

static void on_durable(void *context, struct batch_waiter waiter) {
  server_durable(((struct tracker *)context)->server, waiter);
}

static void on_pressure(void *context, bool on) {
  server_pressure(((struct tracker *)context)->server, on);
}

static void on_describe(void *context, uint32_t *out_connections, bool *out_recorder) {
  struct tracker *tracker = context;
  *out_connections = server_connections(tracker->server);
  *out_recorder = tracker->recorder && recorder_leads(tracker->recorder);
}

// On the recorder's thread.
static void on_unheard(void *context) {
  uv_async_send(&((struct tracker *)context)->heard_again);
}

static void on_heard_again(uv_async_t *async) {
  server_announce(((struct tracker *)async->data)->server);
}

// All devices are gone: what keeps the loop running goes, too.
static void on_stopped(void *context) {
  struct tracker *tracker = context;
  recorder_stop(tracker->recorder);
  tracker->recorder = NULL;
  revocation_log_free(tracker->revocations);
  intake_stop(tracker->intake);
  uv_close((uv_handle_t *)&tracker->heard_again, NULL);
  uv_close((uv_handle_t *)&tracker->sigint, NULL);
  uv_close((uv_handle_t *)&tracker->sigterm, NULL);
  uv_close((uv_handle_t *)&tracker->sighup, NULL);
}

static void on_hangup(uv_signal_t *signal, int number) {
  (void)number;
  token_guard_reload(&((struct tracker *)signal->data)->guard);
}

static void on_signal(uv_signal_t *signal, int number) {
  struct tracker *tracker = signal->data;
  log_info("stopping", "signal=%d", number);
  tracker->stopping = true;
  revocation_log_end(tracker->revocations);
  server_stop(tracker->server, on_stopped, tracker);
}

// How many devices fit into the limit of open files; as many as wanted, or as can be. 0, with the reason logged, if
// that is too low for anything.
static unsigned fitting_connections(long wanted) {
  unsigned files = file_limit_raise(FILES_MIN, FILES_MOST);
  if (files == 0) return 0;
  unsigned fit = files - OWN_FILES;
  if ((unsigned)wanted > fit) {
    log_warn("too_few_files", "max_connections=%ld fit=%u hint=\"raise ulimit -n\"", wanted, fit);
  }
  unsigned most = wanted && (unsigned)wanted < fit ? (unsigned)wanted : fit;
  log_info("file_limit", "files=%u connections=%u", files, most);
  return most;
}

// The names' places are the levels' values; -1 if it is none.
static int level_of(const char *name) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  for (int i = 0; i < 4; i++) {
    if (strcmp(name, names[i]) == 0) return i;
  }
  return -1;
}

static int check_config(const struct tracker_config *config) {
  if (!ident_valid(config->id, strlen(config->id))) return fail("id", "must be [A-Za-z0-9_-]{1,64}");
  bool lets_in = strcmp(config->provision, "only") != 0;
  if (lets_in && !*config->token_key && !*config->token_keys) {
    return fail("token-key", "set MUSTER_TOKEN_KEY (or …_FILE), or MUSTER_TOKEN_KEYS");
  }
  if (level_of(config->log_level) < 0) return fail("log-level", "must be debug, info, warn or error");
  if (!*config->database_url) return fail("database-url", "MUSTER_DATABASE_URL (or …_FILE) is not set");
  if (!store_understands(config->database_url)) return fail("database-url", "is neither a URL nor key=value words");
  return 0;
}

// From here on the URL is a secret: it has the password in it.
static int add_login(struct tracker_config *config) {
  const char *fault = "";
  char *url = NULL;
  if (!nats_url_login(config->nats_url, config->nats_user, config->nats_password, &url, &fault)) {
    return fail("nats-url", fault);
  }
  free(config->nats_url);
  config->nats_url = url;
  return 0;
}

static int provision(struct tracker *tracker) {
  const struct tracker_config *config = &tracker->config;
  bool done = provision_run(&(struct provision_config){.nats_url = config->nats_url,
                                                       .database_url = config->database_url,
                                                       .schema = schema_files,
                                                       .log_max_age_s = config->log_max_age_s,
                                                       .log_max_bytes = config->log_max_bytes});
  log_info("provisioned", "done=%s", done ? "yes" : "no");
  config_free(&config_table, &tracker->config);
  return done ? 0 : 1;
}

static int make_guard(struct tracker *tracker) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  bool good = token_guard_open(&tracker->guard, tracker->config.token_key, tracker->config.token_keys, fault);
  return good ? 0 : fail("token-keys", fault);
}

static int start_revocations(struct tracker *tracker) {
  tracker->revocations =
      revocation_log_new(&(struct revocation_log_options){.nats_url = tracker->config.nats_url,
                                                          .name = tracker->config.id,
                                                          .inbox = SUBJECT_TRACKER_INBOX,
                                                          .creates = tracker->provision == PROVISION_SELF,
                                                          .revoked = tracker->guard.revoked});
  return revocation_log_start(tracker->revocations) ? 0 : fail("revocations", "no thread");
}

static int check_edge(struct tracker *tracker) {
  char host[64];
  int port;
  if (!peers_parse(&tracker->peers, tracker->config.trusted_proxies)) {
    return fail("trusted-proxies", "must be addresses or networks (10.0.0.0/8) with commas between, 64 at most");
  }
  tracker->peers.everyone = tracker->config.listen_without_edge;
  if (!config_address(tracker->config.listen, host, sizeof host, &port)) return fail("listen", "is not HOST:PORT");
  const char *fault = peers_listen_fault(&tracker->peers, host);
  return fault ? fail("listen", fault) : 0;
}

// What may come while the loop sleeps between two rounds must not wait for the next one.
static long connects_burst(const struct tracker_config *config) {
  long ms = CONNECTS_BURST_MS;
  if (ms <= config->round_ms) ms = config->round_ms + 1;
  if (ms <= config->round_most_ms) ms = config->round_most_ms + 1;
  return 1 + config->connects_per_s * ms / 1000;
}

static int start_server(struct tracker *tracker) {
  const struct tracker_config *config = &tracker->config;
  char host[64];
  const char *fault = "";
  struct server_config server = {
      .host = host,
      .peers = &tracker->peers,
      .guard = &tracker->guard,
      .retention_days = config->retention_days,
      .idle_timeout_ms = config->idle_timeout_ms,
      .hello_timeout_ms = config->hello_timeout_ms,
      .ack_delay_ms = config->ack_delay_ms,
      .ack_reports = config->ack_reports,
      .connects = rate_limit_make(config->connects_per_s, connects_burst(config)),
      .limits = {.device_positions = rate_limit_make(config->device_positions_per_s, config->device_positions_burst),
                 .device_bytes = rate_limit_make(config->device_bytes_per_s, config->device_bytes_burst),
                 .positions = rate_limit_make(config->positions_per_s, config->positions_per_s)},
  };
  if (!config_address(config->listen, host, sizeof host, &server.port)) return fail("listen", "is not HOST:PORT");
  server.max_connections = fitting_connections(config->max_connections);
  if (server.max_connections == 0) return 1;
  tracker->server = server_new(&tracker->loop, &server, tracker->metrics, &fault);
  return tracker->server ? 0 : fail(config->listen, fault);
}

static int start_intake(struct tracker *tracker) {
  const struct tracker_config *config = &tracker->config;
  const char *fault = "";
  struct intake_config intake = {
      .publish = {.nats_url = config->nats_url,
                  .id = config->id,
                  .started_at_us = clock_wall_us(),
                  .log_max_age_s = config->log_max_age_s,
                  .log_max_bytes = config->log_max_bytes,
                  .creates_stream = tracker->provision == PROVISION_SELF},
      .round_ms = (unsigned)config->round_ms,
      .round_most_ms = (unsigned)config->round_most_ms,
      .log_interval_ms = (unsigned)config->log_interval_ms,
      .backlog_bytes = (size_t)config->backlog_bytes,
  };
  struct intake_events events = {tracker, on_durable, on_pressure, on_describe};
  tracker->intake = intake_new(&tracker->loop, &intake, &events, tracker->metrics, &fault);
  if (!tracker->intake) return fail("nats-url", fault);  // not the URL: a password may be in it
  server_use_intake(tracker->server, tracker->intake);
  return 0;
}

static int start_rest(struct tracker *tracker) {
  const struct tracker_config *config = &tracker->config;
  struct recorder_config recorder = {
      .nats_url = config->nats_url,
      .database_url = config->database_url,
      .id = config->id,
      .schema = schema_files,
      .migrates = tracker->provision == PROVISION_SELF,
      .retention_days = config->retention_days,
      .log_keep_s = config->log_keep_s,
      .unheard = on_unheard,
      .context = tracker,
  };
  uv_async_init(&tracker->loop, &tracker->heard_again, on_heard_again);
  tracker->heard_again.data = tracker;
  tracker->recorder = recorder_start(&recorder, tracker->metrics);
  tracker->admin = admin_start(config->admin, tracker->metrics, why_not_ready, tracker);
  if (!tracker->admin) return fail(config->admin, "cannot listen for HTTP there");
  uv_signal_init(&tracker->loop, &tracker->sigint);
  uv_signal_init(&tracker->loop, &tracker->sigterm);
  uv_signal_init(&tracker->loop, &tracker->sighup);
  tracker->sigint.data = tracker->sigterm.data = tracker->sighup.data = tracker;
  uv_signal_start(&tracker->sighup, on_hangup, SIGHUP);
  uv_signal_start(&tracker->sigint, on_signal, SIGINT);
  uv_signal_start(&tracker->sigterm, on_signal, SIGTERM);
  return 0;
}

static void stop(struct tracker *tracker) {
  admin_stop(tracker->admin);
  uv_loop_close(&tracker->loop);
  intake_free(tracker->intake);
  server_free(tracker->server);
  token_guard_close(&tracker->guard);
  metrics_free(tracker->metrics);
  log_info("stopped", "exit=0");
  config_free(&config_table, &tracker->config);
}

int main(int argc, char **argv) {
  static struct tracker tracker;
  enum config_status status = config_load(&config_table, &tracker.config, argc, argv);
  if (status != CONFIG_OK) return status == CONFIG_DONE ? 0 : 2;
  if (!provision_parse(tracker.config.provision, &tracker.provision)) {
    return fail("provision", "must be self, only or never"), 2;
  }
  if (check_config(&tracker.config) || add_login(&tracker.config) || check_edge(&tracker)) return 2;
  log_setup("muster-tracker", tracker.config.id, (enum log_level)level_of(tracker.config.log_level));
  signal(SIGPIPE, SIG_IGN);
  if (tracker.provision == PROVISION_ONLY) return provision(&tracker);
  srand((unsigned)clock_mono_us());
  uv_loop_init(&tracker.loop);
  tracker.metrics = metrics_new();
  if (make_guard(&tracker)) return 2;
  if (start_revocations(&tracker)) return 1;
  // Not by exit(): it would take apart what threads that were started before use, as OpenSSL's locks.
  if (start_server(&tracker) || start_intake(&tracker) || start_rest(&tracker)) _exit(1);
  log_info("started", "version=%s listen=%s port=%d admin=%s", MUSTER_VERSION, tracker.config.listen,
           server_port(tracker.server), tracker.config.admin);
  uv_run(&tracker.loop, UV_RUN_DEFAULT);
  stop(&tracker);
  return 0;
}

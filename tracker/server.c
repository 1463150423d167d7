// Devices of a tracker.
#include "server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admission.h"
#include "clock.h"
#include "device.h"
#include "log.h"
#include "origin.h"
#include "pace.h"
#include "server_time.h"

#define BACKLOG 4096
#define SWEEP_MS 1000
#define ACCEPT_AGAIN_MS 1
#define LINGER_US 2000000       // that long an ended connection may stay to let the peer read our last words
#define DRAIN_LIMIT_US 5000000  // that long stopping waits for acks
#define DRAIN_LOOK_MS 10
#define FUTURE_MS 60000       // docs/protocol.md
#define RETRY_SPREAD_MS 2000  // over which devices come back after a GoAway
// GPS time began on 1980-01-06; what claims to be older is a device without a clock, not a position.
#define OLDEST_US (INT64_C(315964800) * 1000000)

#define ERROR_CODES 15

struct slot {
  struct device *device;
  uint32_t generation;
  uint32_t next_free;
};

struct server {
  uv_loop_t *loop;
  struct server_config config;
  struct session_host host;
  struct intake *intake;
  struct pace *pace;
  uv_tcp_t listener;
  uv_timer_t sweep, drain;
  uv_timer_t accept_again;  // runs while the next connection waits for its time
  struct rate accepts;
  struct slot *slots;
  uint32_t slot_count, slots_used;  // as many may be taken; the first of them that ever were
  uint32_t first_free;              // a chain; slot_count at its end
  uint32_t devices;                 // slots in use
  uint32_t resume_at;               // slot that is read first after the backlog was full
  struct device *workers;           // by "team/worker"
  int64_t positions;                // that came, good or bad
  struct server_time time;
  uint64_t looked;    // at everybody, for what is revoked: a revoked_version
  uint64_t round_ms;  // the loop's time of this round …
  int64_t round_us;   // … and server time
  bool pressed, stopping, said_goodbye;
  int64_t drain_until_us;
  void (*stopped)(void *context);
  void *stopped_context;
  struct metric *connections, *connects_total, *rejected_total, *reports_total, *replaced_total;
  struct metric *refused[POSITION_FAULTS], *errors[ERROR_CODES];
};

static struct device *device_of_conn(struct conn *conn) {
  return (struct device *)((char *)conn - offsetof(struct device, conn));
}

static struct device *device_of(struct session *session) {
  return (struct device *)((char *)session - offsetof(struct device, session));
}

static uint32_t retry_after_ms(void) {
  return (uint32_t)(rand() % RETRY_SPREAD_MS);
}

static int64_t server_now(struct server *server) {
  return server_time_read(&server->time, clock_wall_us(), clock_mono_us());
}

// The same for all that a round of the loop brings: two clocks are not read for each position.
static int64_t round_now(struct server *server) {
  uint64_t round_ms = uv_now(server->loop);
  if (round_ms != server->round_ms) {
    server->round_ms = round_ms;
    server->round_us = server_now(server);
  }
  return server->round_us;
}

// ---- slots: name devices by number and generation, so that a late ack never reaches a later connection ----

// There must be one.
static void take_slot(struct server *server, struct device *device) {
  uint32_t index = server->first_free;
  if (index < server->slot_count) {
    server->first_free = server->slots[index].next_free;
  } else {
    index = server->slots_used++;
  }
  server->slots[index].device = device;
  device->handle = (struct batch_waiter){index, server->slots[index].generation};
  server->devices++;
  metric_set(server->connections, server->devices);
}

static void give_slot(struct server *server, const struct device *device) {
  struct slot *slot = &server->slots[device->handle.slot];
  slot->device = NULL;
  slot->generation++;
  slot->next_free = server->first_free;
  server->first_free = device->handle.slot;
  server->devices--;
  metric_set(server->connections, server->devices);
}

// ---- sessions ----

static void append_presence(struct device *device, bool online, const char *reason) {
  struct update update = {
      .worker = {device->worker, strlen(device->worker)},
      .received_at_us = server_now(device->server),
      .has_presence = true,
      .presence = {.online = online,
                   .session_us = device->session.session_us,
                   .reason = {reason, strlen(reason)},
                   .reports = device->session.reports},
  };
  update.presence.at_us = update.received_at_us;
  intake_append(device->server->intake, device->team, &update);
}

// The worker's session is over; the connection may live on for its last words.
static void leave(struct device *device, const char *reason) {
  if (!device->key) return;
  struct server *server = device->server;
  struct device *newest;
  pace_remember(server->pace, &device->pace, device->key);
  HASH_FIND_STR(server->workers, device->key, newest);
  if (newest == device) HASH_DEL(server->workers, device);
  append_presence(device, false, reason);
  log_debug("session_ended", "worker=%s reason=%s reports=%" PRIu64, device->key, reason, device->session.reports);
  free(device->key);
  device->key = NULL;
}

static void end_device(struct device *device, const char *reason) {
  if (device->ended_us) return;
  device->ended_us = clock_mono_us();
  pace_drop(device->server->pace, &device->pace);
  session_end(&device->session);  // it speaks for nobody once it has left
  leave(device, reason);
  conn_end(&device->conn);
}

// Whether this session may begin. If that cannot be told yet, the device is to come again; it keeps what it has.
static bool admit(struct session *session, const Muster__Hello *hello, struct token *token, Muster__ErrorCode *out_code,
                  const char **out_text) {
  const struct token_guard *guard = device_of(session)->server->config.guard;
  enum admission answer = admission_ask(guard, hello, clock_wall_us() / 1000000, token, out_code, out_text);
  if (answer == ADMISSION_LATER) session_go_away(session, *out_text, retry_after_ms());
  return answer == ADMISSION_GRANTED;
}

// Ends what an expired or revoked token has opened. What is durable by now is acked first.
static bool is_over(struct server *server, struct device *device) {
  Muster__ErrorCode code;
  const char *text;
  int64_t now_s = clock_wall_us() / 1000000;  // a token's times are not walked off as server time is
  if (!device->session.open) return false;
  if (!admission_over(server->config.guard, &device->stamp, now_s, server->looked, &code, &text)) return false;
  session_durable(&device->session);
  session_fail(&device->session, code, text);
  end_device(device, code == MUSTER__ERROR_CODE__ERROR_TOKEN_REVOKED ? "token_revoked" : "token_expired");
  return true;
}

static void replace(struct device *old) {
  metric_add(old->server->replaced_total, 1);
  session_fail(&old->session, MUSTER__ERROR_CODE__ERROR_REPLACED, "this worker has connected again");
  end_device(old, "replaced");
}

static bool on_open(struct session *session, const Muster__Hello *hello, Muster__ErrorCode *out_code,
                    const char **out_text) {
  struct device *device = device_of(session);
  struct server *server = device->server;
  struct token token;
  if (!admit(session, hello, &token, out_code, out_text)) return false;
  // A round has one time for all, but two sessions of a worker must not have the same start.
  int64_t now_us = server_now(server);
  if (session->session_us < now_us) session->session_us = now_us;
  char key[DEVICE_KEY_BYTES];
  snprintf(key, sizeof key, "%s/%s", token.teams[0], token.subject);
  struct device *old;
  HASH_FIND_STR(server->workers, key, old);
  if (old && session->session_us <= old->session.session_us) session->session_us = old->session.session_us + 1;
  if (old) replace(old);
  device->team = intake_team(server->intake, token.teams[0]);
  device->key = strdup(key);
  if (!device->key) abort();
  device->worker = device->key + strlen(token.teams[0]) + 1;
  device->worker_len = (uint8_t)strlen(device->worker);
  HASH_ADD_KEYPTR(hh, server->workers, device->key, strlen(device->key), device);
  pace_recall(server->pace, &device->pace, device->key);
  append_presence(device, true, "");
  device->stamp = token_stamp_of(&token);
  const char *agent = hello->agent ? hello->agent : "";
  log_debug("session_opened", "worker=%s source=%s agent=%s", device->key, PEER_TEXT(&device->conn.source),
            LOG_TEXT(agent, strnlen(agent, 64)));
  token_fini(&token);
  return true;
}

// Each goes on as a new session, which is later than the end that others may have told of the old one.
void server_announce(struct server *server) {
  int64_t now_us = server_now(server);
  uint32_t count = 0;
  for (uint32_t i = 0; i < server->slots_used; i++) {
    struct device *device = server->slots[i].device;
    if (!device || !device->key) continue;
    int64_t *session_us = &device->session.session_us;
    *session_us = *session_us < now_us ? now_us : *session_us + 1;
    append_presence(device, true, "");
    count++;
  }
  log_info("announced_again", "sessions=%u", count);
}

static uint64_t on_position(struct session *session, const struct reported *reported, int64_t now_us) {
  struct device *device = device_of(session);
  device->server->positions++;
  struct slice worker = {device->worker, device->worker_len};
  return intake_position(device->server->intake, device->team, worker, &reported->position, reported->bytes, now_us);
}

static void on_wait(struct session *session, uint64_t batch) {
  struct device *device = device_of(session);
  intake_wait(device->server->intake, batch, device->handle);
}

static uint64_t on_durable(struct session *session) {
  return intake_durable(device_of(session)->server->intake);
}

static void on_send(struct session *session, const uint8_t *bytes, size_t len) {
  conn_send(&device_of(session)->conn, bytes, len);
}

static void on_refused(struct session *session, enum position_fault fault) {
  struct server *server = device_of(session)->server;
  server->positions++;
  metric_add(server->refused[fault], 1);
}

static void on_failed(struct session *session, Muster__ErrorCode code) {
  metric_add(device_of(session)->server->errors[code], 1);
  origin_refused(&device_of(session)->conn, code);
}

// ---- connections ----

// What a device sends beyond its limits stays with it: we read on later.
static void keep_pace(struct device *device, int64_t positions) {
  struct pace *pace = device->server->pace;
  struct conn *conn = &device->conn;
  bool hold = pace_took(pace, &device->pace, device->handle, device->key, positions, conn->heard_bytes, conn->heard_us);
  conn->read_bytes = (uint32_t)pace_read_bytes(pace, &device->pace, conn->heard_us);
  if (hold) conn_pause(conn);
}

static size_t on_received(struct conn *conn, const uint8_t *bytes, size_t len) {
  struct device *device = device_of_conn(conn);
  uint64_t reports = device->session.reports;
  int64_t positions = device->server->positions;
  size_t used = session_receive(&device->session, bytes, len, round_now(device->server));
  metric_add(device->server->reports_total, (int64_t)(device->session.reports - reports));
  if (device->server->pressed) device->server->resume_at = device->handle.slot + 1;
  if (device->session.over) {
    end_device(device, "protocol_error");
  } else {
    keep_pace(device, device->server->positions - positions);
  }
  return used;
}

static void on_broken(struct conn *conn, const char *reason) {
  end_device(device_of_conn(conn), reason);
}

static void look_whether_stopped(struct server *server) {
  if (!server->said_goodbye || server->devices > 0) return;
  server->said_goodbye = false;
  uv_close((uv_handle_t *)&server->sweep, NULL);
  uv_close((uv_handle_t *)&server->drain, NULL);
  pace_stop(server->pace);
  server->stopped(server->stopped_context);
}

static void on_conn_closed(struct conn *conn) {
  struct device *device = device_of_conn(conn);
  struct server *server = device->server;
  leave(device, "closed");
  pace_drop(server->pace, &device->pace);
  give_slot(server, device);
  free(device);
  look_whether_stopped(server);
}

static const struct conn_events conn_events = {on_received, on_broken, on_conn_closed};

// Takes a connection only to close it: left in the backlog, it would wake the loop again and again.
static void reject(uv_stream_t *listener) {
  uv_tcp_t *tcp = malloc(sizeof *tcp);
  if (!tcp || uv_tcp_init(listener->loop, tcp)) abort();
  uv_accept(listener, (uv_stream_t *)tcp);
  uv_close((uv_handle_t *)tcp, (uv_close_cb)free);
}

static void on_accept_again(uv_timer_t *timer);

// Letting a device in takes ten times as long as a position of it, so thousands who come together are let in one after
// the other, for those who are here not to wait for them. libuv asks for no more while one is not accepted; the others
// wait in the kernel.
static bool must_wait(struct server *server) {
  const struct rate_limit *limit = &server->config.connects;
  int64_t now_us = clock_mono_us();
  if (rate_ready_us(&server->accepts, limit) > now_us) {
    uv_timer_start(&server->accept_again, on_accept_again, ACCEPT_AGAIN_MS, 0);
    return true;
  }
  rate_take(&server->accepts, limit, 1, now_us);
  return false;
}

static void on_connection(uv_stream_t *listener, int status) {
  struct server *server = listener->data;
  if (status < 0 || must_wait(server)) return;
  metric_add(server->connects_total, 1);
  if (server->devices >= server->config.max_connections) {
    metric_add(server->rejected_total, 1);
    reject(listener);
    return;
  }
  struct device *device = calloc(1, sizeof *device);
  if (!device) abort();
  device->server = server;
  device->hello_since_us = clock_mono_us();
  take_slot(server, device);
  session_init(&device->session, &server->host);
  if (conn_accept(&device->conn, listener, &conn_events)) return;
  if (!origin_admit(&device->conn, server->config.peers)) {
    metric_add(server->rejected_total, 1);
    conn_abort(&device->conn);
    return;
  }
  device->conn.read_bytes = (uint32_t)pace_read_bytes(server->pace, &device->pace, device->hello_since_us);
  if (server->pressed) conn_pause(&device->conn);
}

static void on_accept_again(uv_timer_t *timer) {
  struct server *server = timer->data;
  on_connection((uv_stream_t *)&server->listener, 0);
}

// ---- time ----

static void sweep_device(struct server *server, struct device *device, int64_t mono_us, int64_t wall_us) {
  if (device->ended_us) {
    if (mono_us - device->ended_us > LINGER_US) conn_abort(&device->conn);
    return;
  }
  if (is_over(server, device)) return;
  session_tick(&device->session, wall_us);  // acks do not wait for reading
  if (device->conn.paused) {                // it may have spoken long ago
    device->hello_since_us = mono_us;
    return;
  }
  bool open = device->session.open;
  int64_t limit_ms = open ? server->config.idle_timeout_ms : server->config.hello_timeout_ms;
  if (mono_us - (open ? device->conn.heard_us : device->hello_since_us) > limit_ms * 1000) {
    session_fail(&device->session, MUSTER__ERROR_CODE__ERROR_TIMEOUT, "nothing was heard for too long");
    end_device(device, "timeout");
  }
}

static void set_oldest(struct server *server) {
  int64_t oldest_us = OLDEST_US;
  if (server->config.retention_days > 0) {
    oldest_us = server_now(server) - server->config.retention_days * INT64_C(86400000000);
  }
  server->host.oldest_us = oldest_us;
  server->host.limits.oldest_taken_at_us = oldest_us;
}

// One look at every device a second is cheaper than a timer for each.
static void on_sweep(uv_timer_t *timer) {
  struct server *server = timer->data;
  int64_t mono_us = clock_mono_us(), wall_us = server_now(server);
  set_oldest(server);
  uint64_t revoked = revoked_version(server->config.guard->revoked);
  for (uint32_t i = 0; i < server->slots_used; i++) {
    struct device *device = server->slots[i].device;
    if (device) sweep_device(server, device, mono_us, wall_us);
  }
  server->looked = revoked;
}

void server_durable(struct server *server, struct batch_waiter waiter) {
  struct slot *slot = &server->slots[waiter.slot];
  if (slot->device && slot->generation == waiter.generation) session_durable(&slot->device->session);
}

void server_pressure(struct server *server, bool on) {
  server->pressed = on;
  if (server->stopping) return;  // nothing is read any more
  // Whoever filled the backlog comes last when reading goes on, so that one who floods does not keep the others out.
  for (uint32_t i = 0; i < server->slots_used; i++) {
    struct device *device = server->slots[(server->resume_at + i) % server->slots_used].device;
    if (!device) continue;
    if (on) {
      conn_pause(&device->conn);
    } else if (!device->pace.held) {
      conn_resume(&device->conn);
    }
  }
}

static void on_release(void *context, struct batch_waiter who) {
  struct server *server = context;
  const struct slot *slot = &server->slots[who.slot];
  if (!slot->device || slot->generation != who.generation || !slot->device->pace.held) return;
  pace_drop(server->pace, &slot->device->pace);
  if (!server->pressed && !server->stopping) conn_resume(&slot->device->conn);
}

// ---- life ----

static void register_metrics(struct server *server, struct metrics *m) {
  static const char *const refused[] = {"", "reason=\"future\"", "reason=\"too_old\"", "reason=\"coordinate\"",
                                        "reason=\"value\""};
  static const char *const errors[ERROR_CODES] = {
      "code=\"UNSPECIFIED\"",    "code=\"FRAME_TOO_LONG\"",   "code=\"MALFORMED\"",     "code=\"HELLO_EXPECTED\"",
      "code=\"HELLO_REPEATED\"", "code=\"PROTOCOL_VERSION\"", "code=\"TOKEN_INVALID\"", "code=\"TOKEN_EXPIRED\"",
      "code=\"REPORT_NUMBER\"",  "code=\"REPORT_EMPTY\"",     "code=\"REPLACED\"",      "code=\"TIMEOUT\"",
      "code=\"TOKEN_REVOKED\"",  "code=\"WRONG_TEAM\"",       "code=\"CLOCK\""};
  server->connections = metrics_gauge(m, "muster_tracker_connections", "", "Devices connected.");
  server->connects_total = metrics_counter(m, "muster_tracker_connects_total", "", "Connections that came in.");
  server->rejected_total =
      metrics_counter(m, "muster_tracker_rejected_connections_total", "",
                      "Connections closed at once: no room, or neither from the edge nor from here.");
  server->replaced_total =
      metrics_counter(m, "muster_tracker_replaced_total", "", "Sessions that a newer one of the same worker ended.");
  server->reports_total = metrics_counter(m, "muster_tracker_reports_total", "", "Reports taken in.");
  for (int i = POSITION_GOOD + 1; i < POSITION_FAULTS; i++) {
    server->refused[i] =
        metrics_counter(m, "muster_tracker_refused_positions_total", refused[i], "Positions refused, by reason.");
  }
  for (int i = 0; i < ERROR_CODES; i++) {
    server->errors[i] = metrics_counter(m, "muster_tracker_protocol_errors_total", errors[i],
                                        "Connections ended by an Error, by code.");
  }
}

static void set_host(struct server *server) {
  const struct server_config *config = &server->config;
  muster__limits__init(&server->host.limits);
  Muster__Limits *limits = &server->host.limits;
  limits->has_message_bytes = limits->has_idle_timeout_ms = limits->has_oldest_taken_at_us = limits->has_future_ms =
      true;
  limits->message_bytes = 65536;
  limits->idle_timeout_ms = (uint32_t)config->idle_timeout_ms;
  limits->future_ms = FUTURE_MS;
  set_oldest(server);
  server->host.ack_reports = (uint32_t)config->ack_reports;
  server->host.ack_delay_us = config->ack_delay_ms * 1000;
  server->host.open = on_open;
  server->host.position = on_position;
  server->host.wait = on_wait;
  server->host.send = on_send;
  server->host.refused = on_refused;
  server->host.failed = on_failed;
  server->host.durable = on_durable;
}

static int start_listening(struct server *server) {
  struct sockaddr_in address;
  int error = uv_ip4_addr(server->config.host, server->config.port, &address);
  if (!error) error = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
  if (!error) error = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
  return error;
}

struct server *server_new(uv_loop_t *loop, const struct server_config *config, struct metrics *metrics,
                          const char **out_fault) {
  struct server *server = calloc(1, sizeof *server);
  if (!server) abort();
  server->loop = loop;
  server->config = *config;
  server->slot_count = server->first_free = config->max_connections;
  server->slots = calloc(server->slot_count, sizeof *server->slots);
  if (!server->slots) abort();
  register_metrics(server, metrics);
  struct pace_events events = {server, on_release};
  server->pace = pace_new(loop, &config->limits, CONN_READ_BYTES, &events, metrics);
  set_host(server);
  uv_tcp_init(loop, &server->listener);
  uv_timer_init(loop, &server->sweep);
  uv_timer_init(loop, &server->drain);
  uv_timer_init(loop, &server->accept_again);
  server->accept_again.data = server->listener.data = server->sweep.data = server->drain.data = server;
  uv_timer_start(&server->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
  int error = start_listening(server);
  if (!error) return server;
  *out_fault = uv_strerror(error);
  return NULL;  // the program ends
}

void server_use_intake(struct server *server, struct intake *intake) {
  server->intake = intake;
}

int server_port(const struct server *server) {
  struct sockaddr_in address;
  int len = sizeof address;
  if (uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len)) return 0;
  return ntohs(address.sin_port);
}

uint32_t server_connections(const struct server *server) {
  return server->devices;
}

// Acks what is durable and sends everybody away.
static void say_goodbye(struct server *server) {
  uv_timer_stop(&server->drain);
  server->said_goodbye = true;
  for (uint32_t i = 0; i < server->slots_used; i++) {
    struct device *device = server->slots[i].device;
    if (!device || device->ended_us) continue;
    if (device->session.open) session_durable(&device->session);
    session_go_away(&device->session, "the tracker stops", retry_after_ms());
    end_device(device, "shutdown");
  }
  look_whether_stopped(server);
}

static void on_drain(uv_timer_t *timer) {
  struct server *server = timer->data;
  if (intake_idle(server->intake) || clock_mono_us() > server->drain_until_us) say_goodbye(server);
}

static void hurry(struct server *server) {
  if (!server->said_goodbye) say_goodbye(server);
  for (uint32_t i = 0; i < server->slots_used; i++) {
    if (server->slots[i].device) conn_abort(&server->slots[i].device->conn);
  }
}

void server_stop(struct server *server, void (*stopped)(void *context), void *context) {
  if (server->stopping) {
    hurry(server);
    return;
  }
  server->stopping = true;
  server->stopped = stopped;
  server->stopped_context = context;
  uv_close((uv_handle_t *)&server->listener, NULL);
  uv_close((uv_handle_t *)&server->accept_again, NULL);
  for (uint32_t i = 0; i < server->slots_used; i++) {
    struct device *device = server->slots[i].device;
    if (!device || device->ended_us) continue;
    conn_pause(&device->conn);
    leave(device, "shutdown");
  }
  intake_drain(server->intake);
  server->drain_until_us = clock_mono_us() + DRAIN_LIMIT_US;
  uv_timer_start(&server->drain, on_drain, DRAIN_LOOK_MS, DRAIN_LOOK_MS);
}

void server_free(struct server *server) {
  if (!server) return;
  pace_free(server->pace);
  report_fini(&server->host.report);
  free(server->slots);
  free(server);
}

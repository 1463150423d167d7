// The only file, with handoff.c, that knows CivetWeb.
#include "server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "clock.h"
#include "config.h"
#include "handoff.h"
#include "log.h"
#include "routes.h"

#define THREADS 16
#define THREADS_TEXT "16"
#define FIRST_HEADER "X-Muster-First"
#define LEARN_S 3
#define HOST_BYTES 64
#define DEFER_S 5
#define DESCRIPTORS_LOOKED_AT 64  // it is among the first that the program opens

struct server {
  _Atomic unsigned busy;  // threads with a connection
  struct mg_context *context;
  struct gateway *gateway;
  char first[33];  // what our own first requests say, and nobody else can
  sem_t learned, go_on;
};

static const char *reason_of(int status) {
  return mg_get_response_code_text(NULL, status);
}

static void count(struct gateway *gateway, int status) {
  int class = status / 100;
  metric_add(gateway->metrics.http[class >= 1 && class <= 5 ? class : 0], 1);
}

static void send_response(struct mg_connection *connection, const struct http_response *response, bool with_body) {
  const void *body = response->fixed ? response->fixed : response->body.data;
  size_t len = response->fixed ? response->fixed_len : response->body.len;
  bool has_length = response->status != 204 && response->status != 304;
  struct buffer out = {0};
  buffer_printf(&out, "HTTP/1.1 %d %s\r\nX-Content-Type-Options: nosniff\r\n", response->status,
                reason_of(response->status));
  if (response->type) buffer_printf(&out, "Content-Type: %s\r\n", response->type);
  if (has_length) buffer_printf(&out, "Content-Length: %zu\r\n", len);
  buffer_append(&out, response->header.data, response->header.len);
  buffer_append_string(&out, "\r\n");
  if (with_body && has_length && len < 65536) {  // one packet, one syscall, where it is small
    buffer_append(&out, body, len);
    with_body = false;
  }
  // A short write means a peer that is gone or stuck; CivetWeb closes the connection.
  bool whole = mg_write(connection, out.data, out.len) == (int)out.len;
  if (whole && with_body && has_length) whole = mg_write(connection, body, len) == (int)len;
  if (!whole) mg_disable_connection_keep_alive(connection);
  buffer_fini(&out);
}

const char *http_request_header(const struct http_request *request, const char *name) {
  return mg_get_header(request->connection, name);
}

static int on_connected(const struct mg_connection *connection, void **out_data) {
  *out_data = NULL;
  atomic_fetch_add(&((struct server *)mg_get_user_data(mg_get_context(connection)))->busy, 1);
  return 0;
}

static void on_close(const struct mg_connection *connection) {
  const struct mg_context *context = mg_get_context(connection);
  handoff_close(connection);
  atomic_fetch_sub(&((struct server *)mg_get_user_data(context))->busy, 1);
}

// One of the first requests, which are ours: stays until each thread has one.
static int on_first_request(struct server *server, struct mg_connection *connection) {
  static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
  handoff_learn(connection);
  sem_post(&server->learned);
  sem_wait(&server->go_on);
  mg_disable_connection_keep_alive(connection);
  mg_write(connection, answer, sizeof answer - 1);
  return 204;
}

static int on_request(struct mg_connection *connection) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  struct server *server = info->user_data;
  struct http_request request = {
      .method = info->request_method,
      .path = info->local_uri_raw ? info->local_uri_raw : "",
      .query = info->query_string,
      .authorization = mg_get_header(connection, "Authorization"),
      .cookie = mg_get_header(connection, "Cookie"),
      .if_none_match = mg_get_header(connection, "If-None-Match"),
      .accept_encoding = mg_get_header(connection, "Accept-Encoding"),
      .forwarded_proto = mg_get_header(connection, "X-Forwarded-Proto"),
      .connection = connection,
  };
  struct http_response response = {0};
  handoff_request(connection);
  const char *first = mg_get_header(connection, FIRST_HEADER);
  if (first && strcmp(first, server->first) == 0) return on_first_request(server, connection);
  // No route reads a body: one that is sent is not waited for, and must not be taken for a next request.
  // And where threads are scarce, none is kept for a next request that may never come.
  bool scarce = server->busy > THREADS / 2;
  if (scarce || info->content_length > 0 || mg_get_header(connection, "Transfer-Encoding")) {
    mg_disable_connection_keep_alive(connection);
    http_header(&response, "Connection", "close");
  }
  routes_answer(server->gateway, &request, &response);
  count(server->gateway, response.status);
  if (!response.detached) send_response(connection, &response, strcmp(request.method, "HEAD") != 0);
  http_response_fini(&response);
  token_fini(&request.token);
  return response.status;
}

// What CivetWeb refuses by itself: a request that is none, or too long.
static int on_error(struct mg_connection *connection, int status, const char *message) {
  struct server *server = mg_get_user_data(mg_get_context(connection));
  struct http_response response = {0};
  (void)message;
  api_fail(&response, status, status == 404 ? "not_found" : "bad_request", "%s", reason_of(status));
  http_header(&response, "Connection", "close");
  mg_disable_connection_keep_alive(connection);
  count(server->gateway, status);
  send_response(connection, &response, true);
  http_response_fini(&response);
  return 0;
}

static int on_log(const struct mg_connection *connection, const char *message) {
  (void)connection;
  log_warn("http_server", "message=%s", LOG_TEXT(message, strlen(message)));
  return 1;
}

// A connection is accepted once it has brought something, or after so long: the kernel waits for those who are silent,
// not our threads.
static void defer_accept(void) {
  int seconds = DEFER_S;
  for (int fd = 3; fd < DESCRIPTORS_LOOKED_AT; fd++) {
    int listens = 0;
    socklen_t len = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens) continue;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
  }
}

// Where we reach ourselves.
static void own_host(const struct server *server, char out[HOST_BYTES]) {
  int port;
  bool good = config_address(server->gateway->config.listen, out, HOST_BYTES, &port);
  if (!good || strcmp(out, "0.0.0.0") == 0) snprintf(out, HOST_BYTES, "127.0.0.1");
}

static bool own_address(const struct server *server, struct sockaddr_in *out) {
  char host[HOST_BYTES];
  struct mg_server_port port;
  own_host(server, host);
  *out = (struct sockaddr_in){.sin_family = AF_INET};
  if (mg_get_server_ports(server->context, 1, &port) < 1 || inet_pton(AF_INET, host, &out->sin_addr) != 1) return false;
  out->sin_port = htons((uint16_t)port.port);
  return true;
}

// ---- first requests ----

static void make_first(struct server *server) {
  unsigned char random[16];
  if (getrandom(random, sizeof random, 0) != sizeof random) abort();
  for (size_t i = 0; i < sizeof random; i++) snprintf(server->first + 2 * i, 3, "%02x", random[i]);
  sem_init(&server->learned, 0, 0);
  sem_init(&server->go_on, 0, 0);
}

static void server_free(struct server *server) {
  sem_destroy(&server->learned);
  sem_destroy(&server->go_on);
  free(server);
}

static int send_first(const struct server *server, const struct sockaddr_in *to) {
  char request[160];
  int len = snprintf(request, sizeof request,
                     "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" FIRST_HEADER ": %s\r\n\r\n", server->first);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 ||
                  send(fd, request, (size_t)len, MSG_NOSIGNAL) != len)) {
    close(fd);
    fd = -1;
  }
  return fd;
}

// A request of our own for each thread, all at the same time: so each slot of CivetWeb's is learned (handoff_learn).
static void learn_slots(struct server *server) {
  struct sockaddr_in to;
  struct timespec until;
  int fds[THREADS];
  unsigned learned = 0;
  if (!own_address(server, &to)) return;
  for (unsigned i = 0; i < THREADS; i++) fds[i] = send_first(server, &to);
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LEARN_S;
  while (learned < THREADS && sem_timedwait(&server->learned, &until) == 0) learned++;
  for (unsigned i = 0; i < THREADS; i++) {
    sem_post(&server->go_on);
    if (fds[i] >= 0) close(fds[i]);
  }
  if (learned < THREADS) log_warn("slots_unknown", "learned=%u threads=%d", learned, THREADS);
}

struct server *server_start(struct gateway *gateway) {
  // A connection owns a thread until it closes: so idle ones may stay only for a moment, and one that says nothing does
  // not get one (defer_accept). The queue is for those whose head is on its way.
  const char *options[] = {"listening_ports",
                           gateway->config.listen,
                           "num_threads",
                           THREADS_TEXT,
                           "connection_queue",
                           "256",  // these descriptors must stay below those that are handed over
                           "listen_backlog",
                           "4096",
                           "enable_keep_alive",
                           "yes",
                           "keep_alive_timeout_ms",
                           "250",
                           "request_timeout_ms",
                           "5000",
                           "tcp_nodelay",
                           "1",
                           "enable_directory_listing",
                           "no",
                           "cgi_pattern",
                           "",
                           "ssi_pattern",
                           "",
                           "access_control_allow_origin",
                           "",
                           NULL};
  struct mg_callbacks callbacks = {.init_connection = on_connected,
                                   .begin_request = on_request,
                                   .connection_close = on_close,
                                   .http_error = on_error,
                                   .log_message = on_log};
  struct server *server = calloc(1, sizeof *server);
  if (!server) abort();
  server->gateway = gateway;
  make_first(server);
  server->context = mg_start(&callbacks, server, options);
  if (server->context) {
    handoff_listening();
    learn_slots(server);
    defer_accept();
    log_info("listening", "addr=%s", gateway->config.listen);
    return server;
  }
  log_error("cannot_listen", "addr=%s", gateway->config.listen);
  server_free(server);
  return NULL;
}

static void *stop_context(void *context) {
  mg_stop(context);
  return NULL;
}

void server_end(struct mg_context *context, const char *address) {
  struct mg_server_port port;
  pthread_t thread;
  struct sockaddr_in to = {.sin_family = AF_INET};
  bool known = mg_get_server_ports(context, 1, &port) == 1 && inet_pton(AF_INET, address, &to.sin_addr) == 1;
  if (!known || pthread_create(&thread, NULL, stop_context, context) != 0) {
    mg_stop(context);
    return;
  }
  to.sin_port = htons((uint16_t)port.port);
  while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
      (void)connect(fd, (const struct sockaddr *)&to, sizeof to);  // that it arrives is enough
      clock_sleep_ms(5);
      close(fd);
    } else {
      clock_sleep_ms(5);
    }
  }
}

void server_stop(struct server *server) {
  char host[HOST_BYTES];
  if (!server) return;
  own_host(server, host);
  server_end(server->context, host);
  server_free(server);
}

// The only file that knows CivetWeb. Behind the door it is a parser of heads with a pool of threads: it reads from
// carriers, and no answer goes through it.
#include "server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "clock.h"
#include "door.h"
#include "head.h"
#include "log.h"
#include "routes.h"
#include "safe_headers.h"

// They wait for Postgres and for the fan-out, never for a client.
#define WORKERS 16
#define WORKERS_TEXT "16"
#define PATIENCE_MS 10000

#define TEST_HEADER "X-Muster-Test"
#define TEST_TIMEOUT_S 3

struct server {
  struct mg_context *context;
  struct gateway *gateway;
  struct door *door;
  struct log_limit refusals;
  char test[33];  // what the self-test's request says, and nobody else can
};

static const char *reason_of(int status) {
  return mg_get_response_code_text(NULL, status);
}

static void count(struct gateway *gateway, int status) {
  int class = status / 100;
  metric_add(gateway->metrics.door.http[class >= 1 && class <= 5 ? class : 0], 1);
}

static bool says(const struct http_response *response, const char *name) {
  return response->header.len > 0 && memmem(response->header.data, response->header.len, name, strlen(name));
}

// What a handler does not say of itself: that the answer is no page, and not to be kept.
static void append_defaults(struct buffer *out, const struct http_response *response, bool tls) {
  bool page = says(response, "Content-Security-Policy: ");
  buffer_append_string(out, page ? SAFE_HEADERS : SAFE_HEADERS_DATA);
  if (tls) buffer_append_string(out, SAFE_HEADERS_TLS);
  if (!says(response, "Cache-Control: ")) buffer_append_string(out, "Cache-Control: no-store\r\n");
}

static void send_response(struct carrier *carrier, const struct http_response *response, bool tls, bool with_body,
                          bool keep) {
  const void *body = response->fixed ? response->fixed : response->body.data;
  size_t len = response->fixed ? response->fixed_len : response->body.len;
  bool has_length = response->status != 204 && response->status != 304;
  struct buffer out = {0};
  buffer_printf(&out, "HTTP/1.1 %d %s\r\n", response->status, reason_of(response->status));
  append_defaults(&out, response, tls);
  if (response->type) buffer_printf(&out, "Content-Type: %s\r\n", response->type);
  if (has_length) buffer_printf(&out, "Content-Length: %zu\r\n", len);
  if (!keep) buffer_append_string(&out, "Connection: close\r\n");
  buffer_append(&out, response->header.data, response->header.len);
  buffer_append_string(&out, "\r\n");
  with_body = with_body && has_length;
  if (with_body && !response->fixed) buffer_append(&out, body, len);
  door_answer(carrier, &out, response->fixed, with_body && response->fixed ? len : 0);
}

const char *http_request_header(const struct http_request *request, const char *name) {
  return mg_get_header(request->connection, strcasecmp(name, "Connection") == 0 ? HEAD_CONNECTION : name);
}

// RFC 9112 9.3; a client with HTTP/1.0 could ask for more, but need not get it.
static bool wants_more(const struct mg_request_info *info) {
  if (strcmp(info->http_version, "1.1") != 0) return false;
  for (int i = 0; i < info->num_headers; i++) {
    if (strcasecmp(info->http_headers[i].name, HEAD_CONNECTION) != 0) continue;
    if (strcasestr(info->http_headers[i].value, "close")) return false;
  }
  return true;
}

// Leaves the carrier as CivetWeb will. It reads another request from it only after one that it knows to be whole, and
// of HTTP/1.1; other carriers are given up. (What it thinks of Connection does not count: the door takes that away.)
static void leave(struct mg_connection *connection, struct carrier *carrier, bool body, bool keep) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  bool reusable = !body && info->http_version && strcmp(info->http_version, "1.1") == 0;
  if (!reusable) mg_disable_connection_keep_alive(connection);
  door_leave(carrier, &(struct door_end){.keep = keep && !body, .body = body, .reusable = reusable});
}

// The last one is whom the edge itself has seen; what stands before it, a client may have made up.
static struct peer forwarded_for(const struct mg_request_info *info) {
  struct peer client = {0};
  const char *last = NULL;
  for (int i = 0; i < info->num_headers; i++) {
    if (strcasecmp(info->http_headers[i].name, "X-Forwarded-For") == 0) last = info->http_headers[i].value;
  }
  if (!last) return client;
  const char *comma = strrchr(last, ',');
  if (comma) last = comma + 1;
  last += strspn(last, " ");
  if (!peer_parse(last, strcspn(last, " "), &client)) client.family = 0;
  return client;
}

// Only the edge can say whose request it is, and that it came over TLS.
static void know_client(const struct server *server, struct http_request *request) {
  struct mg_connection *connection = request->connection;
  request->client = door_peer(request->carrier);
  if (peers_judge(&server->gateway->peers, &request->client) != PEERS_EDGE) return;
  request->client = forwarded_for(mg_get_request_info(connection));
  request->forwarded_proto = mg_get_header(connection, "X-Forwarded-Proto");
}

static struct http_request request_of(struct mg_connection *connection, struct carrier *carrier) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  return (struct http_request){
      .method = info->request_method,
      .path = info->local_uri_raw ? info->local_uri_raw : "",
      .query = info->query_string,
      .authorization = mg_get_header(connection, "Authorization"),
      .cookie = mg_get_header(connection, "Cookie"),
      .if_none_match = mg_get_header(connection, "If-None-Match"),
      .accept_encoding = mg_get_header(connection, "Accept-Encoding"),
      .connection = connection,
      .carrier = carrier,
  };
}

// The self-test's client: it gets back on its own socket what it sent behind the head.
static int on_test(struct mg_connection *connection, struct carrier *carrier) {
  char early[16];
  int fd = door_detach(carrier);
  ssize_t len = recv(fd, early, sizeof early, MSG_DONTWAIT);
  if (len > 0) (void)!send(fd, early, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
  close(fd);
  leave(connection, carrier, false, false);
  return 200;
}

// Who tries tokens, or paths that theirs is not for.
static void note_refusal(struct server *server, const struct http_request *request, int status) {
  if ((status == 401 || status == 403) && log_limit_pass(&server->refusals, clock_mono_us())) {
    log_info("request_refused", "client=%s status=%d", PEER_TEXT(&request->client), status);
  }
}

static int on_request(struct mg_connection *connection) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  struct server *server = info->user_data;
  struct carrier *carrier = door_carrier(server->door, info->remote_port);
  if (!carrier) {  // a stranger on this machine, who found CivetWeb's own port
    mg_disable_connection_keep_alive(connection);
    return 400;
  }
  const char *test = mg_get_header(connection, TEST_HEADER);
  if (test && strcmp(test, server->test) == 0) return on_test(connection, carrier);
  struct http_request request = request_of(connection, carrier);
  know_client(server, &request);
  struct http_response response = {0};
  // No route reads a body: one that is sent is not waited for, and must not be taken for a next request.
  bool body = info->content_length > 0 || mg_get_header(connection, "Transfer-Encoding");
  bool keep = !body && wants_more(info);
  routes_answer(server->gateway, &request, &response);
  count(server->gateway, response.status);
  note_refusal(server, &request, response.status);
  if (!response.detached) {
    send_response(carrier, &response, http_request_keeps_tls(&request), strcmp(request.method, "HEAD") != 0, keep);
  }
  int status = response.status;
  http_response_fini(&response);
  token_fini(&request.token);
  leave(connection, carrier, body, keep);
  return status;
}

// What CivetWeb refuses by itself: a request that is none.
static int on_error(struct mg_connection *connection, int status, const char *message) {
  struct server *server = mg_get_user_data(mg_get_context(connection));
  struct carrier *carrier = door_carrier(server->door, mg_get_request_info(connection)->remote_port);
  struct http_response response = {0};
  (void)message;
  mg_disable_connection_keep_alive(connection);
  if (!carrier) return 0;
  api_fail(&response, status, status == 404 ? "not_found" : "bad_request", "%s", reason_of(status));
  count(server->gateway, status);
  send_response(carrier, &response, false, true, false);
  http_response_fini(&response);
  door_leave(carrier, &(struct door_end){.reusable = false});
  return 0;
}

static int on_log(const struct mg_connection *connection, const char *message) {
  (void)connection;
  log_warn("http_server", "message=%s", LOG_TEXT(message, strlen(message)));
  return 1;
}

// CivetWeb on a port of its own, where only the door connects.
static uint16_t start_context(struct server *server) {
  const char *options[] = {"listening_ports",
                           "127.0.0.1:0",
                           "num_threads",
                           WORKERS_TEXT,
                           "connection_queue",
                           "64",
                           "enable_keep_alive",
                           "yes",
                           "keep_alive_timeout_ms",  // carriers stay
                           "2000000000",
                           "request_timeout_ms",
                           "10000",
                           "enable_directory_listing",
                           "no",
                           "cgi_pattern",
                           "",
                           "ssi_pattern",
                           "",
                           "access_control_allow_origin",
                           "",
                           NULL};
  struct mg_callbacks callbacks = {.begin_request = on_request, .http_error = on_error, .log_message = on_log};
  struct mg_server_port port;
  server->context = mg_start(&callbacks, server, options);
  bool known = server->context && mg_get_server_ports(server->context, 1, &port) == 1;
  return known ? (uint16_t)port.port : 0;
}

static void *stop_context(void *context) {
  mg_stop(context);
  return NULL;
}

// mg_stop alone takes up to 2 s, because its accepting thread sleeps for so long; connections wake it.
static void end_context(struct mg_context *context) {
  struct mg_server_port port;
  pthread_t thread;
  struct sockaddr_in to = {.sin_family = AF_INET};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (mg_get_server_ports(context, 1, &port) != 1 || pthread_create(&thread, NULL, stop_context, context) != 0) {
    mg_stop(context);
    return;
  }
  to.sin_port = htons((uint16_t)port.port);
  while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) (void)connect(fd, (const struct sockaddr *)&to, sizeof to);  // that it arrives is enough
    clock_sleep_ms(5);
    if (fd >= 0) close(fd);
  }
}

// ---- the self-test ----

static void make_test_secret(struct server *server) {
  unsigned char random[16];
  if (getrandom(random, sizeof random, 0) != sizeof random) abort();
  for (size_t i = 0; i < sizeof random; i++) snprintf(server->test + 2 * i, 3, "%02x", random[i]);
}

// Whether a client on a socket of its own gets this back for what it sends.
static bool gets(const struct server *server, const char *request, const char *answer) {
  struct timeval timeout = {.tv_sec = TEST_TIMEOUT_S};
  char got[512] = "";
  size_t len = 0;
  int fd = door_connect(server->door);
  bool sent = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
              send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request);
  for (ssize_t more = 1; sent && more > 0 && len<sizeof got - 1; len += more> 0 ? (size_t)more : 0) {
    more = recv(fd, got + len, sizeof got - 1 - len, 0);
  }
  if (fd >= 0) close(fd);
  return strncmp(got, answer, strlen(answer)) == 0;
}

// The hand-over rests on how CivetWeb reads heads and names its peers: so it is tried before anybody is let in. More
// requests than there are carriers, so that carriers are used again after one was taken from.
static const char *self_test(struct server *server) {
  char stream[128];
  snprintf(stream, sizeof stream, "GET / HTTP/1.1\r\nHost: localhost\r\n" TEST_HEADER ": %s\r\n\r\nearly",
           server->test);
  for (int i = 0; i < 2 * WORKERS; i++) {
    if (!gets(server, stream, "early")) return "a socket was not handed over with what the client had sent";
    if (!gets(server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ")) {
      return "a request was not answered after that";
    }
  }
  return NULL;
}

struct server *server_start(struct gateway *gateway) {
  struct server *server = calloc(1, sizeof *server);
  if (!server) abort();
  server->gateway = gateway;
  make_test_secret(server);
  server->door = door_open(&(struct door_options){.listen = gateway->config.listen,
                                                  .peers = &gateway->peers,
                                                  .guests = gateway->files.guests,
                                                  .carriers = WORKERS,
                                                  .patience_ms = PATIENCE_MS,
                                                  .metrics = &gateway->metrics.door});
  uint16_t port = server->door ? start_context(server) : 0;
  bool started = port && door_start(server->door, port);
  if (server->door && !started) log_error("cannot_start", "part=server");
  const char *fault = started ? self_test(server) : NULL;
  if (fault) log_error("self_test_failed", "fault=\"%s\" civetweb=%s", fault, mg_version());
  if (started && !fault) {
    log_info("listening", "addr=%s", gateway->config.listen);
    return server;
  }
  server_stop(server);
  return NULL;
}

void server_stop(struct server *server) {
  if (!server) return;
  if (server->door) door_stop(server->door);
  if (server->context) end_context(server->context);
  door_free(server->door);
  free(server);
}

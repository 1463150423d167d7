// The only file, with handoff.c, that knows CivetWeb.
#include "server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "routes.h"

struct server {
  struct mg_context *context;
  struct gateway *gateway;
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
  // No route reads a body: one that is sent is not waited for, and must not be taken for a next request.
  if (info->content_length > 0 || mg_get_header(connection, "Transfer-Encoding")) {
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

struct server *server_start(struct gateway *gateway) {
  // A connection owns a thread until it closes: so idle ones may stay only for a moment.
  const char *options[] = {"listening_ports",
                           gateway->config.listen,
                           "num_threads",
                           "8",
                           "connection_queue",
                           "256",
                           "listen_backlog",
                           "1024",
                           "enable_keep_alive",
                           "yes",
                           "keep_alive_timeout_ms",
                           "250",
                           "request_timeout_ms",
                           "10000",
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
  struct mg_callbacks callbacks = {.begin_request = on_request, .http_error = on_error, .log_message = on_log};
  struct server *server = calloc(1, sizeof *server);
  if (!server) abort();
  server->gateway = gateway;
  server->context = mg_start(&callbacks, server, options);
  if (server->context) {
    log_info("listening", "addr=%s", gateway->config.listen);
    return server;
  }
  log_error("cannot_listen", "addr=%s", gateway->config.listen);
  free(server);
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
  char host[64] = "";
  int port;
  if (!server) return;
  bool good = config_address(server->gateway->config.listen, host, sizeof host, &port);
  server_end(server->context, good && strcmp(host, "0.0.0.0") != 0 ? host : "127.0.0.1");
  free(server);
}

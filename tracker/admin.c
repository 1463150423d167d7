// Three GET routes on CivetWeb.
#include "admin.h"

#include <civetweb.h>
#include <stdlib.h>
#include <string.h>

struct admin {
  struct mg_context *civetweb;
  const struct metrics *metrics;
  const char *(*ready)(void *context);
  void *context;
};

static int answer(struct mg_connection *c, int status, const char *reason, const char *type, const void *body,
                  size_t len) {
  mg_printf(c, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n\r\n", status,
            reason, type, len);
  mg_write(c, body, len);
  return status;
}

static int answer_text(struct mg_connection *c, int status, const char *reason, const char *text) {
  return answer(c, status, reason, "text/plain; charset=utf-8", text, strlen(text));
}

static int answer_metrics(struct mg_connection *c, const struct metrics *metrics) {
  struct buffer body = {0};
  metrics_render(metrics, &body);
  int status = answer(c, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", body.data, body.len);
  buffer_fini(&body);
  return status;
}

static int on_request(struct mg_connection *c) {
  const struct mg_request_info *request = mg_get_request_info(c);
  struct admin *admin = request->user_data;
  const char *path = request->local_uri;
  if (strcmp(request->request_method, "GET") != 0) {
    return answer_text(c, 405, "Method Not Allowed", "only GET\n");
  }
  if (strcmp(path, "/healthz") == 0) return answer_text(c, 200, "OK", "ok\n");
  if (strcmp(path, "/metrics") == 0) return answer_metrics(c, admin->metrics);
  if (strcmp(path, "/readyz") != 0) return answer_text(c, 404, "Not Found", "/healthz, /readyz or /metrics\n");
  const char *why = admin->ready(admin->context);
  return why ? answer_text(c, 503, "Service Unavailable", why) : answer_text(c, 200, "OK", "ready\n");
}

struct admin *admin_start(const char *address, const struct metrics *metrics, const char *(*ready)(void *context),
                          void *context) {
  struct admin *admin = calloc(1, sizeof *admin);
  if (!admin) abort();
  admin->metrics = metrics;
  admin->ready = ready;
  admin->context = context;
  const char *options[] = {
      "listening_ports",          address, "num_threads", "2", "tcp_nodelay", "1", "request_timeout_ms", "5000",
      "enable_directory_listing", "no",    NULL};
  struct mg_callbacks callbacks;
  memset(&callbacks, 0, sizeof callbacks);
  callbacks.begin_request = on_request;
  admin->civetweb = mg_start(&callbacks, admin, options);
  if (admin->civetweb) return admin;
  free(admin);
  return NULL;
}

void admin_stop(struct admin *admin) {
  if (!admin) return;
  mg_stop(admin->civetweb);
  free(admin);
}

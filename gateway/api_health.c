// Liveness, readiness, metrics.
#include "api.h"

void api_healthz(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  (void)gateway;
  (void)request;
  response->type = "text/plain; charset=utf-8";
  buffer_append_string(&response->body, "ok\n");
}

void api_readyz(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  (void)request;
  bool nats = feed_connected(gateway->feed), postgres = join_database_answers(gateway->join);
  bool known = revoked_known(gateway->guard.revoked);
  response->type = "text/plain; charset=utf-8";
  if (nats && postgres && known && !gateway->draining) {
    buffer_append_string(&response->body, "ready\n");
    return;
  }
  response->status = 503;
  buffer_printf(&response->body, "not ready:%s%s%s%s\n", gateway->draining ? " draining" : "",
                nats ? "" : " NATS is not connected", postgres ? "" : " Postgres does not answer",
                known ? "" : " what is revoked is not known yet");
}

void api_metrics(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  (void)request;
  response->type = "text/plain; version=0.0.4; charset=utf-8";
  metrics_render(gateway->registry, &response->body);
}

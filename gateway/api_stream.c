// The handshake of a live view: all checks, then the socket goes to the fan-out, and this thread is free again.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "handoff.h"
#include "log.h"
#include "query.h"

#define INTERVAL_MAX_MS 60000
#define RETRY_MIN_MS 1000  // after a broken connection, browsers come back between these
#define RETRY_MAX_MS 4000

static bool read_query(const struct http_request *request, struct http_response *response, long *interval_ms) {
  struct query_pair pair;
  const char *rest = request->query;
  enum query_status status;
  while ((status = query_next(&rest, &pair)) == QUERY_PAIR) {
    if (strcmp(pair.name, "interval_ms") != 0) {
      api_fail_query(response, pair.name, "is unknown");
      return false;
    }
    if (!query_number(pair.value, 0, INTERVAL_MAX_MS, interval_ms)) {
      api_fail_query(response, pair.name, "must be a whole number from 0 to 60000");
      return false;
    }
  }
  if (status == QUERY_BAD) api_fail(response, 400, "bad_query", "the query is malformed");
  return status == QUERY_END;
}

// The head and the reconnection delay. A fresh socket takes so little at once, or it is broken.
static bool send_head(int fd) {
  static const char head[] =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n"
      "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n\r\n";
  char text[sizeof head + 32];
  unsigned random = 0;
  (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
  int len = snprintf(text, sizeof text, "%sretry: %u\n\n", head, RETRY_MIN_MS + random % (RETRY_MAX_MS - RETRY_MIN_MS));
  return send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len;
}

static bool can_serve(struct gateway *gateway, const struct http_request *request, struct http_response *response) {
  if (gateway->draining) {
    api_fail_unavailable(response, "this gateway is going away");
    return false;
  }
  if (feed_connected(gateway->feed)) return true;
  // A team that is held here can still be shown, and is said to be stale.
  if (fanout_holds(gateway->fanout, request->team)) return true;
  api_fail_unavailable(response, "NATS is out of reach");
  return false;
}

void api_stream(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  long interval_ms = gateway->config.interval_ms;
  if (!read_query(request, response, &interval_ms) || !api_team_allowed(gateway, request, response) ||
      !can_serve(gateway, request, response)) {
    return;
  }
  int fd = handoff_detach(request->connection);
  if (fd < 0) {
    log_warn("handoff_failed", "error=\"%s\"", strerror(errno));
    api_fail_unavailable(response, "this gateway has no room for another stream");
    return;
  }
  response->detached = true;
  response->status = 200;
  if (send_head(fd)) {
    struct arrival arrival = {
        .fd = fd, .protocol = VIEW_SSE, .filter = {.interval_ms = (unsigned)interval_ms}, .team = request->team};
    fanout_attach(gateway->fanout, &arrival);
  } else {
    close(fd);
  }
}

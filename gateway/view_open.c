// In the order of refusal: the query, the token, what can be shown, the limits.
#include "view_open.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door.h"
#include "jitter.h"
#include "query.h"

static bool read_pair(const struct query_pair *pair, struct http_response *response, struct view_filter *filter) {
  if (strcmp(pair->name, "interval_ms") == 0) {
    long interval_ms;
    if (query_number(pair->value, 0, VIEW_INTERVAL_MAX_MS, &interval_ms)) {
      filter->interval_ms = (unsigned)interval_ms;
      return true;
    }
    api_fail_query(response, pair->name, "must be a whole number from 0 to 60000");
    return false;
  }
  if (strcmp(pair->name, "bbox") == 0) {
    filter->has_box = view_box_parse(pair->value, &filter->box);
    if (!filter->has_box) api_fail_query(response, pair->name, "must be west,south,east,north in degrees");
    return filter->has_box;
  }
  api_fail_query(response, pair->name, "is unknown");
  return false;
}

bool view_open_query(const struct gateway *gateway, const struct http_request *request, struct http_response *response,
                     struct view_filter *out_filter) {
  struct query_pair pair;
  const char *rest = request->query;
  enum query_status status;
  *out_filter = (struct view_filter){.interval_ms = (unsigned)gateway->config.interval_ms};
  while ((status = query_next(&rest, &pair)) == QUERY_PAIR) {
    if (!read_pair(&pair, response, out_filter)) return false;
  }
  if (status == QUERY_BAD) api_fail(response, 400, "bad_query", "the query is malformed");
  return status == QUERY_END;
}

static bool can_show(struct gateway *gateway, const struct http_request *request, struct http_response *response) {
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

static void refuse(struct gateway *gateway, struct http_response *response, enum places_status status) {
  char seconds[16];
  snprintf(seconds, sizeof seconds, "%u", jitter_retry_after_s());
  http_header(response, "Retry-After", seconds);
  metric_add(gateway->metrics.viewers_refused[status - 1], 1);
  if (status == PLACES_TOKEN_FULL) {
    api_fail(response, 429, "too_many_views", "this token has as many live views open as one may have");
  } else if (status == PLACES_TEAM_FULL) {
    api_fail(response, 503, "team_full", "this gateway holds as many live views of this team as it may");
  } else {
    api_fail(response, 503, "full", "this gateway holds as many live views as it may");
  }
}

bool view_open_admit(struct gateway *gateway, const struct http_request *request, struct http_response *response,
                     struct place **out_place) {
  if (!api_team_allowed(gateway, request, response) || !can_show(gateway, request, response)) return false;
  enum places_status status = places_take(gateway->places, request->team, request->token_hash, out_place);
  if (status != PLACES_TAKEN) refuse(gateway, response, status);
  return status == PLACES_TAKEN;
}

void view_open_attach(struct gateway *gateway, const struct http_request *request, struct http_response *response,
                      const char *head, struct arrival *arrival) {
  arrival->team = request->team;
  arrival->worker = *request->token.worker ? request->token.worker : NULL;
  arrival->stamp = token_stamp_of(&request->token);
  arrival->fd = door_detach(request->carrier);
  response->detached = true;
  // A fresh socket takes so little at once, or it is broken.
  ssize_t len = (ssize_t)strlen(head);
  if (send(arrival->fd, head, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len) {
    fanout_attach(gateway->fanout, arrival);
  } else {
    close(arrival->fd);
    places_release(arrival->place);
  }
}

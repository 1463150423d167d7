// The track of a worker, or of all workers of a team, in a time range: everything that can be refused is refused here;
// then the socket and the open history go to a thread of tracks.c.
#include <string.h>

#include "api.h"
#include "door.h"
#include "query.h"
#include "time_text.h"

#define DAY_US 86400000000LL

static bool read_time(const struct query_pair *pair, struct http_response *response, int64_t *out_us) {
  if (time_text_parse(pair->value, out_us)) return true;
  api_fail_query(response, pair->name, "must be a time such as 2026-01-02T03:04:05Z, or Unix seconds");
  return false;
}

static bool read_pairs(const struct http_request *request, struct http_response *response,
                       struct history_range *range) {
  struct query_pair pair;
  const char *rest = request->query;
  enum query_status status;
  while ((status = query_next(&rest, &pair)) == QUERY_PAIR) {
    if (strcmp(pair.name, "from") == 0) {
      if (!read_time(&pair, response, &range->from_us)) return false;
    } else if (strcmp(pair.name, "to") == 0) {
      if (!read_time(&pair, response, &range->to_us)) return false;
    } else {
      api_fail_query(response, pair.name, "is unknown");
      return false;
    }
  }
  if (status == QUERY_BAD) api_fail(response, 400, "bad_query", "the query is malformed");
  return status == QUERY_END;
}

static bool read_range(const struct gateway *gateway, const struct http_request *request,
                       struct http_response *response, struct history_range *range) {
  range->from_us = range->to_us = -1;
  if (!read_pairs(request, response, range)) return false;
  if (range->from_us < 0) {
    api_fail_query(response, "from", "is missing");
  } else if (range->to_us < 0) {
    api_fail_query(response, "to", "is missing");
  } else if (range->from_us >= range->to_us) {
    api_fail_query(response, "to", "must be later than \"from\"");
  } else if (range->to_us - range->from_us > gateway->config.track_max_days * DAY_US) {
    api_fail(response, 400, "range_too_long", "the range is longer than %ld days", gateway->config.track_max_days);
  } else {
    return true;
  }
  return false;
}

// With a place taken, which goes on to the track or stays with the caller (false).
static bool start(struct gateway *gateway, struct http_request *request, struct http_response *response,
                  const struct history_range *range) {
  struct history *history;
  enum history_status status = history_open(gateway->config.database_url, range, &history);
  if (status == HISTORY_UNKNOWN) {
    api_fail(response, 404, "unknown_worker", "no worker \"%s\" of team \"%s\" is known", range->worker, range->team);
    return false;
  }
  if (status != HISTORY_OK) {
    api_fail_unavailable(response, "Postgres is out of reach");
    return false;
  }
  response->detached = true;
  struct token_stamp stamp = token_stamp_of(&request->token);
  tracks_send(gateway->tracks, history, door_detach(request->carrier), &stamp, http_request_keeps_tls(request));
  return true;
}

void api_track(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  const char *only = request->token.worker;  // of a share link: the team's track is that of this worker, then
  struct history_range range = {.team = request->team, .worker = *request->worker ? request->worker : NULL};
  if (!range.worker && *only) range.worker = only;
  if (!read_range(gateway, request, response, &range) || !api_team_allowed(gateway, request, response)) return;
  if (range.worker && !token_may_see_worker(&request->token, range.worker)) {
    api_fail(response, 403, "forbidden", "the token is not for the worker \"%s\"", range.worker);
    return;
  }
  if (!tracks_take_place(gateway->tracks)) {
    http_header(response, "Retry-After", "5");
    api_fail(response, 503, "busy", "this gateway is sending as many tracks as it may already");
    return;
  }
  if (!start(gateway, request, response, &range)) tracks_give_place(gateway->tracks);
}

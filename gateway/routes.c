// One table. Order of refusal: path, method, token, role, and then whatever the handler looks at.
#include "routes.h"

#include <string.h>
#include <strings.h>

#include "api.h"
#include "assets.h"
#include "clock.h"
#include "query.h"

enum access { OPEN, TOKEN };

struct route {
  const char *method;
  const char *pattern;  // may have one {team}
  enum access access;
  api_handler handler;
};

static const struct route routes[] = {
    {"GET", "/healthz", OPEN, api_healthz},
    {"GET", "/readyz", OPEN, api_readyz},
    {"GET", "/metrics", OPEN, api_metrics},
    {"GET", "/api/v1/config", OPEN, api_config},
    {"POST", "/api/v1/session", TOKEN, api_session_set},
    {"DELETE", "/api/v1/session", OPEN, api_session_clear},
    {"GET", "/api/v1/teams", TOKEN, api_teams},
    {"GET", "/api/v1/teams/{team}/positions", TOKEN, api_positions},
    {"GET", "/api/v1/teams/{team}/stream", TOKEN, api_stream},
    {"GET", "/api/v1/cluster", TOKEN, api_cluster},
};
#define ROUTES (sizeof routes / sizeof *routes)

// On a match, out_team is the part that stands for {team}; it is no id yet.
static bool matches(const char *pattern, const char *path, const char **out_team, size_t *out_len) {
  const char *hole = strstr(pattern, "{team}");
  *out_team = "";
  *out_len = 0;
  if (!hole) return strcmp(pattern, path) == 0;
  size_t before = (size_t)(hole - pattern);
  if (strncmp(pattern, path, before) != 0) return false;
  *out_team = path + before;
  *out_len = strcspn(*out_team, "/");
  return *out_len > 0 && strcmp(hole + strlen("{team}"), *out_team + *out_len) == 0;
}

static bool authorize(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  const char *text = "";
  size_t len = 0;
  if (request->authorization) {
    if (strncasecmp(request->authorization, "Bearer ", 7) == 0) {
      text = request->authorization + 7;
      text += strspn(text, " ");
      len = strlen(text);
    }
  } else if (!query_cookie(request->cookie, "muster_token", &text, &len)) {
    http_header(response, "WWW-Authenticate", "Bearer");
    api_fail(response, 401, "unauthorized", "no token was sent");
    return false;
  }
  enum token_status status =
      token_verify(gateway->config.token_key, text, len, clock_wall_us() / 1000000, &request->token);
  if (status != TOKEN_OK) {
    http_header(response, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
    api_fail(response, 401, "unauthorized", "%s", token_status_text(status));
    return false;
  }
  if (request->token.role == TOKEN_WORKER) {
    api_fail(response, 403, "forbidden", "a worker's token is for its device only");
    return false;
  }
  return true;
}

static void refuse_method(struct http_response *response, const char *allowed) {
  http_header(response, "Allow", allowed);
  api_fail(response, 405, "method_not_allowed", "this path answers %s", allowed);
}

static void answer_asset(struct gateway *gateway, const struct http_request *request, struct http_response *response) {
  size_t header_len = response->header.len;
  if (!assets_serve(gateway->content_policy, request, response)) {
    api_fail(response, 404, "not_found", "there is no such path");
    return;
  }
  if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0) return;
  response->header.len = header_len;
  response->fixed = NULL;
  refuse_method(response, "GET, HEAD");
}

static void answer_route(struct gateway *gateway, const struct route *route, struct http_request *request,
                         struct http_response *response, const char *team, size_t team_len) {
  if (route->access == TOKEN && !authorize(gateway, request, response)) return;
  if (strstr(route->pattern, "{team}")) {
    if (!ident_valid(team, team_len)) {
      api_fail(response, 404, "unknown_team", "a team's name is 1 to 64 letters, digits, '-' and '_'");
      return;
    }
    memcpy(request->team, team, team_len);
    request->team[team_len] = '\0';
  }
  route->handler(gateway, request, response);
}

void routes_answer(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  const char *team;
  size_t team_len;
  char allowed[32] = "";
  response->status = 200;
  // HEAD is answered as GET is; the server leaves the body out. A stream has no end, and so no head alone.
  const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
  for (size_t i = 0; i < ROUTES; i++) {
    if (!matches(routes[i].pattern, request->path, &team, &team_len)) continue;
    bool head_of_stream = method != request->method && routes[i].handler == api_stream;
    if (strcmp(routes[i].method, method) == 0 && !head_of_stream) {
      answer_route(gateway, &routes[i], request, response, team, team_len);
      return;
    }
    if (*allowed) strcat(allowed, ", ");
    strcat(allowed, routes[i].method);
  }
  if (*allowed) {
    refuse_method(response, allowed);
  } else {
    answer_asset(gateway, request, response);
  }
}

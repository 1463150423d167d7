// One table. Order of refusal: path, method, origin, token, role, and then whatever the handler looks at.
#include "routes.h"

#include <string.h>
#include <strings.h>

#include "api.h"
#include "assets.h"
#include "clock.h"
#include "hash.h"
#include "query.h"

enum access {
  OPEN,
  TOKEN,    // also of a share link
  MANAGER,  // of a manager or an admin
};

struct route {
  const char *method;
  const char *pattern;  // may have {team}, and {worker} or {share}
  enum access access;
  api_handler handler;
};

static const struct route routes[] = {
    {"GET", "/healthz", OPEN, api_healthz},
    {"GET", "/readyz", OPEN, api_readyz},
    {"GET", "/metrics", OPEN, api_metrics},
    {"GET", "/api/v1/config", OPEN, api_config},
    {"GET", "/api/v1/session", TOKEN, api_session_get},
    {"POST", "/api/v1/session", TOKEN, api_session_set},
    {"DELETE", "/api/v1/session", OPEN, api_session_clear},
    {"GET", "/api/v1/teams", TOKEN, api_teams},
    {"GET", "/api/v1/teams/{team}/positions", TOKEN, api_positions},
    {"GET", "/api/v1/teams/{team}/stream", TOKEN, api_stream},
    {"GET", "/api/v1/teams/{team}/socket", TOKEN, api_socket},
    {"GET", "/api/v1/teams/{team}/track", TOKEN, api_track},
    {"GET", "/api/v1/teams/{team}/workers/{worker}/track", TOKEN, api_track},
    {"GET", "/api/v1/teams/{team}/shares", MANAGER, api_shares_list},
    {"POST", "/api/v1/teams/{team}/shares", MANAGER, api_shares_make},
    {"DELETE", "/api/v1/teams/{team}/shares/{share}", MANAGER, api_shares_revoke},
    {"GET", "/api/v1/cluster", MANAGER, api_cluster},
};
#define API "/api/v1/"
#define ROUTES (sizeof routes / sizeof *routes)

// The parts of a path that stand for {team}, {worker} and {share}; they are no ids yet.
struct holes {
  struct slice team, worker, share;
};

static bool matches(const char *pattern, const char *path, struct holes *out_holes) {
  *out_holes = (struct holes){{"", 0}, {"", 0}, {"", 0}};
  while (*pattern) {
    if (*pattern != '{') {
      if (*pattern++ != *path++) return false;
      continue;
    }
    struct slice *hole = pattern[1] == 't'   ? &out_holes->team
                         : pattern[1] == 'w' ? &out_holes->worker
                                             : &out_holes->share;
    *hole = (struct slice){path, strcspn(path, "/")};
    if (hole->len == 0) return false;
    path += hole->len;
    pattern += strcspn(pattern, "}") + 1;
  }
  return !*path;
}

// The same routes are below SHARE_PATH, for the cookie of a share link.
static bool is_for(const struct route *route, const struct http_request *request, struct holes *out_holes) {
  if (!request->shared) return matches(route->pattern, request->path, out_holes);
  if (strncmp(route->pattern, API, strlen(API)) != 0) return false;
  return matches(route->pattern + strlen(API), request->path + strlen(SHARE_PATH), out_holes);
}

static bool check_role(const struct route *route, const struct http_request *request, struct http_response *response) {
  enum token_role role = request->token.role;
  if (role == TOKEN_WORKER) {
    api_fail(response, 403, "forbidden", "a worker's token is for its device only");
  } else if (role == TOKEN_VIEWER && route->access == MANAGER) {
    api_fail(response, 403, "forbidden", "a share link is for looking only");
  } else if (role != TOKEN_VIEWER && request->shared) {
    api_fail(response, 403, "forbidden", "these paths are for share links only");
  } else {
    return true;
  }
  return false;
}

static bool authorize(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  const char *text = "", *cookie = request->shared ? SHARE_COOKIE : SESSION_COOKIE;
  size_t len = 0;
  if (request->authorization) {
    if (strncasecmp(request->authorization, "Bearer ", 7) == 0) {
      text = request->authorization + 7;
      text += strspn(text, " ");
      len = strlen(text);
    }
  } else if (!query_cookie(request->cookie, cookie, &text, &len)) {
    http_header(response, "WWW-Authenticate", "Bearer");
    api_fail(response, 401, "token_missing", "no token was sent");
    return false;
  }
  enum token_status status = token_guard_admit(&gateway->guard, text, len, clock_wall_us() / 1000000, &request->token);
  if (status == TOKEN_UNKNOWN) {
    api_fail_unavailable(response, token_status_text(status));
    return false;
  }
  if (status != TOKEN_OK) {
    // RFC 6750 3.1; an example for scripts, which then need not look into the body.
    buffer_printf(&response->header, "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"%s\"\r\n",
                  token_status_text(status));
    api_fail(response, 401, token_status_code(status), "%s", token_status_text(status));
    return false;
  }
  request->token_hash = hash_bytes(text, len);
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

// Copies an id; false if it is none.
static bool take_id(struct slice id, char out[IDENT_MAX_BYTES + 1]) {
  if (!ident_valid(id.data, id.len)) return false;
  memcpy(out, id.data, id.len);
  out[id.len] = '\0';
  return true;
}

static void answer_route(struct gateway *gateway, const struct route *route, struct http_request *request,
                         struct http_response *response, const struct holes *holes) {
  if (strcmp(route->method, "GET") != 0 && !api_same_origin(request, response)) return;
  if (route->access != OPEN && !(authorize(gateway, request, response) && check_role(route, request, response))) return;
  if (holes->team.len && !take_id(holes->team, request->team)) {
    api_fail(response, 404, "unknown_team", "a team's name is 1 to 64 letters, digits, '-' and '_'");
  } else if (holes->worker.len && !take_id(holes->worker, request->worker)) {
    api_fail(response, 404, "unknown_worker", "a worker's name is 1 to 64 letters, digits, '-' and '_'");
  } else if (holes->share.len && !take_id(holes->share, request->share)) {
    api_fail(response, 404, "unknown_share", "a share link's id is 1 to 64 letters, digits, '-' and '_'");
  } else {
    route->handler(gateway, request, response);
  }
}

void routes_answer(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  struct holes holes;
  char allowed[32] = "";
  response->status = 200;
  request->shared = strncmp(request->path, SHARE_PATH, strlen(SHARE_PATH)) == 0;
  // HEAD is answered as GET is; the server leaves the body out. What is sent by
  // another thread than the server's, a stream or a track, has no head alone.
  const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
  for (size_t i = 0; i < ROUTES; i++) {
    if (!is_for(&routes[i], request, &holes)) continue;
    bool detaches =
        routes[i].handler == api_stream || routes[i].handler == api_socket || routes[i].handler == api_track;
    bool head_of_stream = method != request->method && detaches;
    if (strcmp(routes[i].method, method) == 0 && !head_of_stream) {
      answer_route(gateway, &routes[i], request, response, &holes);
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

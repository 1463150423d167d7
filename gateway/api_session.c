// The cookie: a browser's EventSource sends no headers, so the page trades its token for one that scripts cannot read.
// A share link has one of its own, so that whoever opens it stays signed in as they were.
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "api.h"
#include "clock.h"
#include "time_text.h"

static void set_cookie(const struct http_request *request, struct http_response *response, const char *value,
                       int64_t max_age_s) {
  buffer_printf(&response->header, "Set-Cookie: %s=%s; Max-Age=%" PRId64 "; Path=%s; HttpOnly; SameSite=Strict%s\r\n",
                request->shared ? SHARE_COOKIE : SESSION_COOKIE, value, max_age_s, request->shared ? SHARE_PATH : "/",
                http_request_by_tls(request) ? "; Secure" : "");
  response->status = 204;
}

void api_session_set(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  (void)gateway;
  if (!request->authorization) {
    api_fail(response, 401, "token_missing", "the Authorization header must carry the token");
    return;
  }
  if (!api_no_query(request, response)) return;
  // Checked already, so it has no character that a cookie could not hold.
  const char *token = request->authorization + strlen("Bearer ");
  token += strspn(token, " ");
  set_cookie(request, response, token, request->token.expires_s - clock_wall_us() / 1000000);
}

void api_session_clear(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  (void)gateway;
  if (api_no_query(request, response)) set_cookie(request, response, "", 0);
}

// What the page needs to know of the token that it cannot read.
void api_session_get(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  const struct token *token = &request->token;
  (void)gateway;
  if (!api_no_query(request, response)) return;
  cJSON *root = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "role", token_role_name(token->role));
  char expires_at[TIME_TEXT_BYTES];
  time_text_format(expires_at,
                   token->expires_s < TIME_TEXT_MAX_US / 1000000 ? token->expires_s * 1000000 : TIME_TEXT_MAX_US);
  cJSON_AddStringToObject(root, "expires_at", expires_at);
  if (token->role == TOKEN_VIEWER) cJSON_AddStringToObject(root, "team", token->teams[0]);
  if (*token->worker) cJSON_AddStringToObject(root, "worker", token->worker);
  api_answer(response, root);
}

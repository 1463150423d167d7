// The cookie: a browser's EventSource sends no headers, so the page trades its token for one that scripts cannot read.
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "clock.h"

static void set_cookie(const struct http_request *request, struct http_response *response, const char *value,
                       int64_t max_age_s) {
  bool secure = request->forwarded_proto && strcasecmp(request->forwarded_proto, "https") == 0;
  buffer_printf(&response->header,
                "Set-Cookie: muster_token=%s; Max-Age=%" PRId64 "; Path=/; HttpOnly; SameSite=Strict%s\r\n", value,
                max_age_s, secure ? "; Secure" : "");
  http_header(response, "Cache-Control", "no-store");
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

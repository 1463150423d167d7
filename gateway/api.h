// The handlers of the HTTP API (docs/http-api.md), one file each; routes.c says which path leads where. They run on the
// HTTP server's threads, which have stacks of 100 KiB.
#ifndef MUSTER_API_H
#define MUSTER_API_H

#include "gateway.h"
#include "http.h"

// Where a token is that no header names: of a session, and of a share link, below whose path the same routes are.
#define SESSION_COOKIE "muster_token"
#define SHARE_COOKIE "muster_share"
#define SHARE_PATH "/api/v1/shared/"

typedef void (*api_handler)(struct gateway *gateway, struct http_request *request, struct http_response *response);

void api_session_set(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_session_get(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_session_clear(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_config(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_teams(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_positions(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_socket(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_stream(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_track(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_shares_make(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_shares_list(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_shares_revoke(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_cluster(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_healthz(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_readyz(struct gateway *gateway, struct http_request *request, struct http_response *response);
void api_metrics(struct gateway *gateway, struct http_request *request, struct http_response *response);

struct cJSON;
// Appends the tree to the answer as JSON, and frees it.
void api_answer(struct http_response *response, struct cJSON *root);
// Answers with {"error": {"code", "message"}}; the message may hold anything.
void api_fail(struct http_response *response, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// 503 with Retry-After.
void api_fail_unavailable(struct http_response *response, const char *what);
// For routes without parameters: answers 400 and returns false if the query has any.
bool api_no_query(const struct http_request *request, struct http_response *response);
// Answers 403 and returns false if a page of another site asks.
bool api_same_origin(const struct http_request *request, struct http_response *response);
// Answers 400 that names the parameter.
void api_fail_query(struct http_response *response, const char *name, const char *wanted);

// What of a team a token's holder may know, if it is not for one worker only: answers 403, 404 or 503 and returns false
// if nothing.
bool api_team_allowed(struct gateway *gateway, const struct http_request *request, struct http_response *response);

#endif

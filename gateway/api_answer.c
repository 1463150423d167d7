// Answers in JSON, and errors, all of one shape.
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api.h"
#include "origin.h"
#include "query.h"

void api_answer(struct http_response *response, cJSON *root) {
  char *json = cJSON_PrintUnformatted(root);
  cJSON_Delete(root);
  if (!json) abort();
  buffer_append_string(&response->body, json);
  free(json);
  response->type = "application/json";
}

static void set_error(struct http_response *response, int status, const char *code, const char *message) {
  cJSON *root = cJSON_CreateObject(), *error = cJSON_AddObjectToObject(root, "error");
  cJSON_AddStringToObject(error, "code", code);
  cJSON_AddStringToObject(error, "message", message);
  response->status = status;
  response->body.len = 0;
  api_answer(response, root);
}

void api_fail(struct http_response *response, int status, const char *code, const char *format, ...) {
  char message[512];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  set_error(response, status, code, message);
}

void api_fail_unavailable(struct http_response *response, const char *what) {
  http_header(response, "Retry-After", "2");
  api_fail(response, 503, "unavailable", "%s", what);
}

bool api_same_origin(const struct http_request *request, struct http_response *response) {
  const char *origin = http_request_header(request, "Origin"), *host = http_request_header(request, "Host");
  if (origin_is_ours(origin, host, request->forwarded_proto)) return true;
  api_fail(response, 403, "foreign_origin", "a page of another site may not do this");
  return false;
}

void api_fail_query(struct http_response *response, const char *name, const char *wanted) {
  api_fail(response, 400, "bad_query", "the query parameter \"%s\" %s", name, wanted);
}

bool api_no_query(const struct http_request *request, struct http_response *response) {
  struct query_pair pair;
  const char *rest = request->query;
  enum query_status status = query_next(&rest, &pair);
  if (status == QUERY_END) return true;
  if (status == QUERY_BAD) {
    api_fail(response, 400, "bad_query", "the query is malformed");
  } else {
    api_fail_query(response, pair.name, "is unknown");
  }
  return false;
}

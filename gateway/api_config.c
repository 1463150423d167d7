// What the page needs to start.
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "api.h"
#include "version.h"

void api_config(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  if (!api_no_query(request, response)) return;
  cJSON *root = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "version", MUSTER_VERSION);
  cJSON_AddStringToObject(root, "style_url", gateway->config.style_url);
  char *json = cJSON_PrintUnformatted(root);
  cJSON_Delete(root);
  if (!json) abort();
  buffer_append_string(&response->body, json);
  free(json);
  response->type = "application/json";
}

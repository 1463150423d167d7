// What the page needs to start.
#include <cjson/cJSON.h>

#include "api.h"
#include "version.h"

void api_config(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  if (!api_no_query(request, response)) return;
  cJSON *root = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "version", MUSTER_VERSION);
  cJSON_AddStringToObject(root, "style_url", gateway->config.style_url);
  api_answer(response, root);
}

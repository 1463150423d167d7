// The replicas heard lately, and their load.
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "clock.h"

static void add_replica(cJSON *array, const struct replica *r) {
  cJSON *item = cJSON_CreateObject();
  bool tracker = strcmp(r->kind, "tracker") == 0;
  cJSON_AddStringToObject(item, "kind", r->kind);
  cJSON_AddStringToObject(item, "id", r->id);
  cJSON_AddStringToObject(item, "version", r->version);
  cJSON_AddNumberToObject(item, "started_at_us", (double)r->started_at_us);
  cJSON_AddNumberToObject(item, "at_us", (double)r->at_us);
  cJSON_AddNumberToObject(item, "connections", r->connections);
  cJSON_AddNumberToObject(item, "handled", (double)r->handled);
  if (tracker) cJSON_AddNumberToObject(item, "live_lost", (double)r->live_lost);
  if (tracker) cJSON_AddBoolToObject(item, "recorder", r->recorder);
  cJSON_AddItemToArray(array, item);
}

void api_cluster(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  size_t count;
  if (!api_no_query(request, response)) return;
  if (!feed_connected(gateway->feed)) {
    api_fail_unavailable(response, "NATS is out of reach");
    return;
  }
  struct replica *replicas = replicas_alive(gateway->replicas, clock_mono_us(), &count);
  cJSON *root = cJSON_CreateObject(), *array = cJSON_AddArrayToObject(root, "replicas");
  for (size_t i = 0; i < count; i++) add_replica(array, &replicas[i]);
  char *json = cJSON_PrintUnformatted(root);
  cJSON_Delete(root);
  free(replicas);
  if (!json) abort();
  buffer_append_string(&response->body, json);
  free(json);
  response->type = "application/json";
}

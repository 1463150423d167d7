// The replicas heard lately, and their load.
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "clock.h"
#include "view_json.h"

// cJSON keeps 15 digits of a number, and a stamp in microseconds has 16.
static void add_number(cJSON *item, const char *name, int64_t value) {
  char text[VIEW_JSON_INT_BYTES + 1];
  *view_json_int(text, value) = '\0';
  cJSON_AddRawToObject(item, name, text);
}

static void add_replica(cJSON *array, const struct replica *r) {
  cJSON *item = cJSON_CreateObject();
  bool tracker = strcmp(r->kind, "tracker") == 0;
  cJSON_AddStringToObject(item, "kind", r->kind);
  cJSON_AddStringToObject(item, "id", r->id);
  cJSON_AddStringToObject(item, "version", r->version);
  add_number(item, "started_at_us", r->started_at_us);
  add_number(item, "at_us", r->at_us);
  add_number(item, "connections", r->connections);
  add_number(item, "handled", (int64_t)r->handled);
  if (tracker) add_number(item, "live_lost", (int64_t)r->live_lost);
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
  free(replicas);
  api_answer(response, root);
}

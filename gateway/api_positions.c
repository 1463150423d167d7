// A team's snapshot as GeoJSON (RFC 7946), from the live state if the team is held here, else from Postgres.
#include <string.h>

#include "api.h"
#include "view_json.h"

struct collection {
  struct buffer *out;
  const struct token *token;
  bool more;
};

static void add_feature(void *context, const struct view_row *row) {
  struct collection *collection = context;
  char name[IDENT_MAX_BYTES + 1] = "";
  memcpy(name, row->worker.data, row->worker.len);
  if (!token_may_see_worker(collection->token, name)) return;
  if (collection->more) buffer_append(collection->out, ",", 1);
  collection->more = true;
  view_json_feature(collection->out, row);
}

void api_positions(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  if (!api_no_query(request, response) || !api_team_allowed(gateway, request, response)) return;
  bool partial = false;
  struct team *team = fanout_copy(gateway->fanout, request->team, &partial);
  if (!team && directory_load(gateway->directory, request->team, &team) != DIRECTORY_OK) {
    api_fail_unavailable(response, "Postgres is out of reach");
    return;
  }
  struct collection collection = {.out = &response->body, .token = &request->token};
  buffer_append_string(&response->body, "{\"type\":\"FeatureCollection\",\"features\":[");
  team_each(team, add_feature, &collection);
  buffer_append_string(&response->body, partial ? "],\"incomplete\":true}" : "]}");
  team_free(team);
  response->type = "application/geo+json";
}

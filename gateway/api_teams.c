// The teams that a token may see.
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

static void add_team(cJSON *array, const struct snapshot_team *counts) {
  cJSON *team = cJSON_CreateObject();
  cJSON_AddStringToObject(team, "team", counts->name);
  cJSON_AddNumberToObject(team, "workers", (double)counts->workers);
  cJSON_AddNumberToObject(team, "online", (double)counts->online);
  cJSON_AddNumberToObject(team, "stale", (double)counts->stale);
  cJSON_AddNumberToObject(team, "offline", (double)(counts->workers - counts->online - counts->stale));
  cJSON_AddItemToArray(array, team);
}

// A share link of one worker: how many others there are is not its holder's to know.
static void add_worker(cJSON *array, const struct token *token) {
  cJSON *team = cJSON_CreateObject();
  cJSON_AddStringToObject(team, "team", token->teams[0]);
  cJSON_AddStringToObject(team, "worker", token->worker);
  cJSON_AddItemToArray(array, team);
}

static int compare(const void *a, const void *b) {
  return strcmp(((const struct snapshot_team *)a)->name, ((const struct snapshot_team *)b)->name);
}

// What Postgres knows and the token may see, and what the token names, sorted and each once. The caller frees it.
static struct snapshot_team *select_teams(const struct token *token, const struct snapshot_team *known, size_t count,
                                          size_t *out_count) {
  struct snapshot_team *chosen = calloc(count + token->team_count + 1, sizeof *chosen);
  if (!chosen) abort();
  size_t n = 0;
  for (size_t i = 0; i < count; i++) {
    if (token_may_see(token, known[i].name)) chosen[n++] = known[i];
  }
  size_t of_known = n;
  for (size_t i = 0; i < token->team_count; i++) {
    struct snapshot_team named = {0};
    strncpy(named.name, token->teams[i], IDENT_MAX_BYTES);
    if (!bsearch(&named, chosen, of_known, sizeof named, compare)) chosen[n++] = named;
  }
  qsort(chosen, n, sizeof *chosen, compare);
  *out_count = n;
  return chosen;
}

void api_teams(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  struct snapshot_team *known;
  size_t known_count, count;
  if (!api_no_query(request, response)) return;
  cJSON *root = cJSON_CreateObject(), *array = cJSON_AddArrayToObject(root, "teams");
  if (*request->token.worker) {
    add_worker(array, &request->token);
    api_answer(response, root);
    return;
  }
  if (directory_teams(gateway->directory, &known, &known_count) != DIRECTORY_OK) {
    cJSON_Delete(root);
    api_fail_unavailable(response, "Postgres is out of reach");
    return;
  }
  struct snapshot_team *teams = select_teams(&request->token, known, known_count, &count);
  for (size_t i = 0; i < count; i++) {
    bool repeated = i > 0 && compare(&teams[i - 1], &teams[i]) == 0;  // a token may name a team twice
    if (!repeated) add_team(array, &teams[i]);
  }
  free(teams);
  free(known);
  api_answer(response, root);
}

bool api_team_allowed(struct gateway *gateway, const struct http_request *request, struct http_response *response) {
  const char *team = request->team;
  if (!token_may_see(&request->token, team)) {
    api_fail(response, 403, "forbidden", "the token is not for the team \"%s\"", team);
    return false;
  }
  if (token_names_team(&request->token, team)) return true;
  bool known = false;
  if (directory_knows(gateway->directory, team, &known) != DIRECTORY_OK) {
    return true;  // nobody can say that it is unknown, and its state may still be had from the log
  }
  if (known) return true;
  bool partial;
  struct team *live = fanout_copy(gateway->fanout, team, &partial);
  known = live && team_count(live) > 0;
  team_free(live);
  if (!known) api_fail(response, 404, "unknown_team", "no team \"%s\" is known", team);
  return known;
}

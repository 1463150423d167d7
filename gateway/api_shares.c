// Share links: made, listed and revoked by the managers of a team. A link is the page's address with a token of role
// viewer in its fragment (docs/decisions/011-share-links.md).
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api.h"
#include "clock.h"
#include "log.h"
#include "query.h"
#include "time_text.h"
#include "ws.h"

#define DAY_S 86400
#define SHORTEST_S 10
#define ID_BYTES 16  // random ones: nobody guesses them, and none comes twice

// ---- what is wanted ----

struct order {
  long seconds;
  struct share_link link;
};

static bool take_label(const char *text, struct share_link *link) {
  if (strlen(text) >= sizeof link->label || !ws_is_text(text, strlen(text))) return false;
  strcpy(link->label, text);
  return true;
}

static bool read_pair(const struct query_pair *pair, long longest_s, struct http_response *response,
                      struct order *order) {
  if (strcmp(pair->name, "worker") == 0) {
    if (ident_valid(pair->value, strlen(pair->value))) return strcpy(order->link.worker, pair->value), true;
    api_fail_query(response, "worker", "must be 1 to 64 letters, digits, '-' and '_'");
  } else if (strcmp(pair->name, "expires_in_s") == 0) {
    if (query_number(pair->value, SHORTEST_S, longest_s, &order->seconds)) return true;
    api_fail(response, 400, "bad_query", "the query parameter \"expires_in_s\" must be a whole number from %d to %ld",
             SHORTEST_S, longest_s);
  } else if (strcmp(pair->name, "label") == 0) {
    if (take_label(pair->value, &order->link)) return true;
    api_fail_query(response, "label", "must be text of 127 bytes at most");
  } else {
    api_fail_query(response, pair->name, "is unknown");
  }
  return false;
}

static bool read_order(const struct gateway *gateway, const struct http_request *request,
                       struct http_response *response, struct order *order) {
  struct query_pair pair;
  const char *rest = request->query;
  enum query_status status;
  long longest_s = gateway->config.share_max_days * DAY_S;
  *order = (struct order){.seconds = longest_s < DAY_S ? longest_s : DAY_S};
  while ((status = query_next(&rest, &pair)) == QUERY_PAIR) {
    if (!read_pair(&pair, longest_s, response, order)) return false;
  }
  if (status == QUERY_BAD) api_fail(response, 400, "bad_query", "the query is malformed");
  return status == QUERY_END;
}

// ---- a link as it is answered ----

// Signed anew each time, by the newest key; the caller frees it. NULL if there is no key to sign with.
static char *sign(struct gateway *gateway, const struct share_link *link) {
  const char *teams[] = {link->team};
  char kid[IDENT_MAX_BYTES + 1];
  char *secret = token_keys_secret(gateway->guard.keys, kid);
  if (!secret) return NULL;
  struct token_signer signer = {TOKEN_HS256, kid, secret};
  struct token_order order = {.subject = link->made_by,
                              .id = link->id,
                              .role = TOKEN_VIEWER,
                              .teams = teams,
                              .team_count = 1,
                              .issued_s = link->created_s,
                              .expires_s = link->expires_s,
                              .worker = *link->worker ? link->worker : NULL};
  char *token = token_sign(&signer, &order);
  token_keys_wipe(secret);
  return token;
}

static void add_time(cJSON *item, const char *name, int64_t at_s) {
  char text[TIME_TEXT_BYTES];
  time_text_format(text, at_s * 1000000);
  cJSON_AddStringToObject(item, name, text);
}

// url: against the API's own address, because that is what the client knows better than we do.
static cJSON *describe(const struct share_link *link, const char *token) {
  struct buffer url = {0};
  cJSON *item = cJSON_CreateObject();
  cJSON_AddStringToObject(item, "id", link->id);
  if (token) {
    buffer_printf(&url, "/#share=%s", token);
    buffer_append(&url, "", 1);
    cJSON_AddStringToObject(item, "url", (const char *)url.data);
    buffer_fini(&url);
  }
  if (*link->worker) cJSON_AddStringToObject(item, "worker", link->worker);
  if (*link->label) cJSON_AddStringToObject(item, "label", link->label);
  cJSON_AddStringToObject(item, "made_by", link->made_by);
  add_time(item, "created_at", link->created_s);
  add_time(item, "expires_at", link->expires_s);
  return item;
}

static void fail(struct http_response *response, enum share_status status) {
  if (status == SHARE_UNKNOWN) {
    api_fail(response, 404, "unknown_share", "this team has no such share link");
  } else if (status == SHARE_FULL) {
    api_fail(response, 409, "too_many_shares", "this team has %d share links, which is as many as it may",
             SHARE_TEAM_MAX);
  } else {
    api_fail_unavailable(response, "NATS is out of reach");
  }
}

// ---- the routes ----

static void make_id(char out[IDENT_MAX_BYTES + 1]) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  unsigned char random[ID_BYTES];
  if (getrandom(random, sizeof random, 0) != sizeof random) abort();
  size_t len = 0;
  unsigned value = 0, bits = 0;
  for (size_t i = 0; i < sizeof random; i++) {
    value = value << 8 | random[i];
    for (bits += 8; bits >= 6; bits -= 6) out[len++] = alphabet[value >> (bits - 6) & 63];
  }
  out[len++] = alphabet[value & 63];
  out[len] = '\0';
}

static bool can_make(struct gateway *gateway, struct http_response *response) {
  char kid[IDENT_MAX_BYTES + 1];
  char *secret = token_keys_secret(gateway->guard.keys, kid);
  bool can = secret && gateway->config.share_max_days > 0;
  token_keys_wipe(secret);
  if (!secret) {
    api_fail(response, 501, "no_shares", "the gateway has no key of HS256 to sign share links with");
  } else if (!can) {
    api_fail(response, 501, "no_shares", "share links are switched off");
  }
  return can;
}

void api_shares_make(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  struct order order;
  struct share_link *link = &order.link;
  if (!api_team_allowed(gateway, request, response) || !can_make(gateway, response)) return;
  if (!read_order(gateway, request, response, &order)) return;
  make_id(link->id);
  strcpy(link->team, request->team);
  strcpy(link->made_by, request->token.subject);
  link->created_s = clock_wall_us() / 1000000;
  link->expires_s = link->created_s + order.seconds;
  char *token = sign(gateway, link);
  if (!token) {  // the keys were read again in between
    api_fail_unavailable(response, "there is no key to sign with");
    return;
  }
  enum share_status status = share_log_add(gateway->shares, link);
  if (status == SHARE_OK) {
    log_info("share_made", "team=%s id=%s worker=%s by=%s expires_s=%lld", link->team, link->id, link->worker,
             LOG_TEXT(link->made_by, strlen(link->made_by)), (long long)link->expires_s);
    api_answer(response, describe(link, token));
    response->status = 201;
  } else {
    fail(response, status);
  }
  free(token);
}

static int by_age(const void *a, const void *b) {
  const struct share_link *x = a, *y = b;
  if (x->created_s != y->created_s) return x->created_s < y->created_s ? 1 : -1;
  return strcmp(x->id, y->id);
}

void api_shares_list(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  struct share_link *links;
  size_t count;
  if (!api_no_query(request, response) || !api_team_allowed(gateway, request, response)) return;
  enum share_status status = share_log_list(gateway->shares, request->team, clock_wall_us() / 1000000, &links, &count);
  if (status != SHARE_OK) {
    fail(response, status);
    return;
  }
  if (count) qsort(links, count, sizeof *links, by_age);
  cJSON *root = cJSON_CreateObject(), *array = cJSON_AddArrayToObject(root, "shares");
  for (size_t i = 0; i < count; i++) {
    char *token = sign(gateway, &links[i]);
    cJSON_AddItemToArray(array, describe(&links[i], token));
    free(token);
  }
  free(links);
  api_answer(response, root);
}

// The token first: a link that is listed though it is good no more hurts nobody.
void api_shares_revoke(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  char fault[REVOCATION_FAULT_BYTES];
  struct share_link link;
  if (!api_no_query(request, response) || !api_team_allowed(gateway, request, response)) return;
  enum share_status status = share_log_find(gateway->shares, request->team, request->share, &link);
  if (status == SHARE_OK) {
    struct revocation r = {.until_s = link.expires_s + DAY_S, .at_us = clock_wall_us(), .reason = "share link revoked"};
    strcpy(r.id, link.id);
    if (!revocation_log_add(gateway->revocations, &r, fault)) {
      log_warn("share_not_revoked", "team=%s id=%s fault=\"%s\"", link.team, link.id, fault);
      status = SHARE_UNAVAILABLE;
    }
  }
  if (status == SHARE_OK) status = share_log_remove(gateway->shares, link.team, link.id);
  if (status != SHARE_OK) {
    fail(response, status);
    return;
  }
  log_info("share_revoked", "team=%s id=%s by=%s", link.team, link.id,
           LOG_TEXT(request->token.subject, strlen(request->token.subject)));
  response->status = 204;
}

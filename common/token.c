// JWT through libjwt 1.10, which parses header and claims. Its traps: its numbers are C longs, and what is no number
// reads as 0 without a fault; its arrays come as JSON text; of a name given twice the last counts; and without a key it
// says of every token that its algorithm is "none", so that is read from the header.
#include "token.h"

#include <cjson/cJSON.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token_scan.h"

static const jwt_alg_t algorithms[TOKEN_ALGORITHMS] = {JWT_ALG_HS256, JWT_ALG_RS256, JWT_ALG_ES256};
static const char *const roles[] = {"worker", "manager", "admin", "viewer"};
#define ROLES (sizeof roles / sizeof *roles)

// ---- claims ----

static bool add_team(struct token *token, const char *team) {
  if (!team || !ident_valid(team, strlen(team))) return false;
  memcpy(token->teams[token->team_count++], team, strlen(team) + 1);
  return true;
}

// Reads claim "team", or "teams", an array of texts.
static bool read_teams(jwt_t *jwt, struct token *token) {
  const char *team = jwt_get_grant(jwt, "team");
  char *json = team ? NULL : jwt_get_grants_json(jwt, "teams");
  cJSON *array = json ? cJSON_Parse(json) : NULL;
  bool good = team || token->role == TOKEN_ADMIN || cJSON_IsArray(array);
  size_t count = team ? 1 : cJSON_IsArray(array) ? (size_t)cJSON_GetArraySize(array) : 0;
  token->teams = calloc(count + 1, sizeof *token->teams);
  if (!token->teams) abort();
  if (team) good = add_team(token, team);
  cJSON *item;
  cJSON_ArrayForEach(item, array) good = good && add_team(token, cJSON_GetStringValue(item));
  cJSON_Delete(array);
  free(json);
  return good;
}

// A time that need not be there: 0 then. False if it is there and no whole number of seconds since 1970.
static bool read_time(jwt_t *jwt, const char *name, int64_t *out) {
  char *json = jwt_get_grants_json(jwt, name);
  *out = 0;
  if (!json) return true;
  bool good = *json && json[strspn(json, "0123456789")] == '\0';
  if (good) *out = jwt_get_grant_int(jwt, name);
  free(json);
  return good;
}

// The same of a jti. One that is no id could not be revoked, so its token is not taken.
static bool read_id(jwt_t *jwt, char out[IDENT_MAX_BYTES + 1]) {
  char *json = jwt_get_grants_json(jwt, "jti");
  const char *id = jwt_get_grant(jwt, "jti");
  bool good = !json || (id && ident_valid(id, strlen(id)));
  snprintf(out, IDENT_MAX_BYTES + 1, "%s", json && good ? id : "");
  free(json);
  return good;
}

// Only a viewer's token can be for one worker: on any other it would not be kept, and somebody might believe in it.
static bool read_worker(jwt_t *jwt, struct token *token) {
  char *json = jwt_get_grants_json(jwt, "worker");
  const char *worker = jwt_get_grant(jwt, "worker");
  bool good = !json || (token->role == TOKEN_VIEWER && worker && ident_valid(worker, strlen(worker)));
  snprintf(token->worker, sizeof token->worker, "%s", json && good ? worker : "");
  free(json);
  return good;
}

static bool read_claims(jwt_t *jwt, struct token *token) {
  const char *role = jwt_get_grant(jwt, "role");
  const char *subject = jwt_get_grant(jwt, "sub");
  unsigned i = 0;
  if (!role || !subject) return false;
  while (i < ROLES && strcmp(role, roles[i]) != 0) i++;
  if (i == ROLES) return false;
  token->role = (enum token_role)i;
  snprintf(token->subject, sizeof token->subject, "%s", subject);
  if (!read_time(jwt, "exp", &token->expires_s) || token->expires_s <= 0) return false;
  if (!read_time(jwt, "iat", &token->issued_s) || !read_time(jwt, "nbf", &token->not_before_s)) return false;
  if (!read_id(jwt, token->id) || !read_teams(jwt, token) || !read_worker(jwt, token)) return false;
  if (token->role == TOKEN_VIEWER) return token->team_count == 1;
  return token->role != TOKEN_WORKER || (token->team_count == 1 && ident_valid(subject, strlen(subject)));
}

enum token_status token_time_status(int64_t not_before_s, int64_t expires_s, int64_t now_s) {
  if (now_s - TOKEN_LATE_S >= expires_s) return TOKEN_EXPIRED;
  return now_s + TOKEN_EARLY_S < not_before_s ? TOKEN_EARLY : TOKEN_OK;
}

// ---- checking ----

// Parses without looking at the signature. NULL if there is no header or no claims in it.
static jwt_t *parse(const char *text, size_t len) {
  char *copy = strndup(text, len);
  jwt_t *jwt = NULL;
  if (!copy) abort();
  int error = jwt_decode(&jwt, copy, NULL, 0);
  free(copy);
  return error ? NULL : jwt;
}

static bool has_header(jwt_t *jwt, const char *name) {
  char *json = jwt_get_headers_json(jwt, name);
  free(json);
  return json != NULL;
}

// The token names key and algorithm, but it chooses neither: a key has the one algorithm that it was made for, so that
// "none" and every confusion of keys end here.
static enum token_status check_signature(struct token_keys *keys, jwt_t *jwt, const char *text,
                                         const struct token_parts *parts) {
  uint8_t signature[TOKEN_SIGNATURE_MAX_BYTES];
  size_t len;
  enum token_algorithm algorithm;
  const char *kid = jwt_get_header(jwt, "kid"), *name = jwt_get_header(jwt, "alg");
  if (!kid && has_header(jwt, "kid")) return TOKEN_MALFORMED;
  if (has_header(jwt, "crit")) return TOKEN_MALFORMED;  // RFC 7515 4.1.11: not to be passed over
  if (!name || !token_algorithm_parse(name, &algorithm)) return TOKEN_SIGNATURE;
  if (strcmp(name, token_algorithm_name(algorithm)) != 0) return TOKEN_SIGNATURE;  // "hs256" is none
  if (!token_scan_decode(text + parts->signature_at, parts->signature_len, signature, sizeof signature, &len)) {
    return TOKEN_SIGNATURE;
  }
  bool good = token_keys_verify(keys, algorithm, kid, text, parts->signed_len, signature, len);
  return good ? TOKEN_OK : TOKEN_SIGNATURE;
}

static bool scan(const char *text, size_t len, struct token_parts *out) {
  return len > 0 && len <= TOKEN_MAX_BYTES && token_scan(text, len, out);
}

enum token_status token_verify(struct token_keys *keys, const char *text, size_t text_len, int64_t now_s,
                               struct token *out_token) {
  struct token_parts parts;
  struct token token = {0};
  if (!scan(text, text_len, &parts)) return TOKEN_MALFORMED;
  jwt_t *jwt = parse(text, text_len);
  if (!jwt) return TOKEN_SIGNATURE;  // an algorithm that libjwt does not know, too
  enum token_status status = check_signature(keys, jwt, text, &parts);
  if (status == TOKEN_OK && !read_claims(jwt, &token)) status = TOKEN_MALFORMED;
  if (status == TOKEN_OK) status = token_time_status(token.not_before_s, token.expires_s, now_s);
  jwt_free(jwt);
  if (status == TOKEN_OK) {
    *out_token = token;
  } else {
    token_fini(&token);
  }
  return status;
}

void token_fini(struct token *token) {
  free(token->teams);
  token->teams = NULL;
  token->team_count = 0;
}

enum token_status token_read(const char *text, size_t text_len, struct token *out_token) {
  struct token_parts parts;
  struct token token = {0};
  jwt_t *jwt = scan(text, text_len, &parts) ? parse(text, text_len) : NULL;
  bool good = jwt && read_claims(jwt, &token);
  jwt_free(jwt);
  if (good) {
    *out_token = token;
  } else {
    token_fini(&token);
  }
  return good ? TOKEN_OK : TOKEN_MALFORMED;
}

char *token_json(const char *text, size_t text_len, bool header) {
  struct token_parts parts;
  jwt_t *jwt = scan(text, text_len, &parts) ? parse(text, text_len) : NULL;
  char *json = !jwt ? NULL : header ? jwt_get_headers_json(jwt, NULL) : jwt_get_grants_json(jwt, NULL);
  jwt_free(jwt);
  return json;
}

// ---- what it may, and how it is named ----

bool token_names_team(const struct token *token, const char *team) {
  for (size_t i = 0; i < token->team_count; i++) {
    if (strcmp(token->teams[i], team) == 0) return true;
  }
  return false;
}

bool token_may_see(const struct token *token, const char *team) {
  if (token->role == TOKEN_WORKER) return false;
  return token->role == TOKEN_ADMIN || token_names_team(token, team);
}

bool token_may_see_worker(const struct token *token, const char *worker) {
  return !*token->worker || strcmp(token->worker, worker) == 0;
}

void token_holder(const struct token *token, char out[TOKEN_HOLDER_BYTES]) {
  bool worker = token->role == TOKEN_WORKER;
  snprintf(out, TOKEN_HOLDER_BYTES, "%s%s%s", worker ? token->teams[0] : "", worker ? "/" : "", token->subject);
}

uint64_t token_hash(const char *name, size_t len) {
  uint8_t digest[TOKEN_DIGEST_BYTES];
  uint64_t hash;
  token_digest(name, len, digest);
  memcpy(&hash, digest, sizeof hash);
  return hash ? hash : 1;
}

struct token_stamp token_stamp_of(const struct token *token) {
  char holder[TOKEN_HOLDER_BYTES];
  token_holder(token, holder);
  return (struct token_stamp){.expires_s = token->expires_s,
                              .issued_s = token->issued_s,
                              .id = *token->id ? token_hash(token->id, strlen(token->id)) : 0,
                              .holder = token_hash(holder, strlen(holder))};
}

// ---- signing ----

static bool add_teams(jwt_t *jwt, const struct token_order *order) {
  if (order->team_count == 0) return true;
  if (order->team_count == 1) return jwt_add_grant(jwt, "team", order->teams[0]) == 0;
  cJSON *claims = cJSON_CreateObject();
  cJSON_AddItemToObject(claims, "teams",
                        cJSON_CreateStringArray((const char *const *)order->teams, (int)order->team_count));
  char *json = cJSON_PrintUnformatted(claims);
  bool good = json && jwt_add_grants_json(jwt, json) == 0;
  free(json);
  cJSON_Delete(claims);
  return good;
}

static bool add_grants(jwt_t *jwt, const struct token_order *order) {
  if (jwt_add_grant(jwt, "sub", order->subject) || jwt_add_grant(jwt, "role", roles[order->role]) ||
      jwt_add_grant_int(jwt, "iat", (long)order->issued_s) || jwt_add_grant_int(jwt, "exp", (long)order->expires_s)) {
    return false;
  }
  if (order->not_before_s && jwt_add_grant_int(jwt, "nbf", (long)order->not_before_s)) return false;
  if (*order->id && jwt_add_grant(jwt, "jti", order->id)) return false;
  if (order->worker && jwt_add_grant(jwt, "worker", order->worker)) return false;
  return add_teams(jwt, order);
}

char *token_sign(const struct token_signer *signer, const struct token_order *order) {
  jwt_t *jwt = NULL;
  if (jwt_new(&jwt)) return NULL;
  char *text = NULL;
  bool named = !*signer->kid || jwt_add_header(jwt, "kid", signer->kid) == 0;
  if (named && add_grants(jwt, order) &&
      jwt_set_alg(jwt, algorithms[signer->algorithm], (const unsigned char *)signer->key, (int)strlen(signer->key)) ==
          0) {
    text = jwt_encode_str(jwt);
  }
  jwt_free(jwt);
  return text;
}

char *token_mint(const char *key, const char *subject, enum token_role role, const char *const *teams,
                 size_t team_count, int64_t now_s, int64_t expires_s) {
  return token_sign(&(struct token_signer){TOKEN_HS256, "", key}, &(struct token_order){.subject = subject,
                                                                                        .id = "",
                                                                                        .role = role,
                                                                                        .teams = teams,
                                                                                        .team_count = team_count,
                                                                                        .issued_s = now_s,
                                                                                        .expires_s = expires_s});
}

// ---- words ----

const char *token_status_text(enum token_status status) {
  static const char *const texts[TOKEN_STATUSES] = {"ok",
                                                    "the token is malformed",
                                                    "the token is not signed by our key",
                                                    "the token has expired",
                                                    "the token is not valid yet, or clocks differ",
                                                    "the token was revoked",
                                                    "what is revoked is not known yet"};
  return texts[status];
}

const char *token_status_code(enum token_status status) {
  static const char *const codes[TOKEN_STATUSES] = {
      "ok", "token_malformed", "token_signature", "token_expired", "token_early", "token_revoked", "unavailable"};
  return codes[status];
}

const char *token_role_name(enum token_role role) {
  return roles[role];
}

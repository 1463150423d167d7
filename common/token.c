// JWT through libjwt 1.10: its numbers are C longs, its arrays come as JSON text.
#include "token.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool read_claims(jwt_t *jwt, struct token *token) {
  const char *role = jwt_get_grant(jwt, "role");
  const char *subject = jwt_get_grant(jwt, "sub");
  if (!role || !subject) return false;
  if (strcmp(role, "worker") == 0) {
    token->role = TOKEN_WORKER;
  } else if (strcmp(role, "manager") == 0) {
    token->role = TOKEN_MANAGER;
  } else if (strcmp(role, "admin") == 0) {
    token->role = TOKEN_ADMIN;
  } else {
    return false;
  }
  snprintf(token->subject, sizeof token->subject, "%s", subject);
  token->expires_s = jwt_get_grant_int(jwt, "exp");
  if (token->expires_s <= 0 || !read_teams(jwt, token)) return false;
  return token->role != TOKEN_WORKER || (token->team_count == 1 && ident_valid(subject, strlen(subject)));
}

static int base64url_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-' || c == '+') return 62;
  return c == '_' || c == '/' ? 63 : -1;
}

// How deep JSON nests, as far as it has been read. Brackets inside strings do not count.
struct nesting {
  int depth;
  bool in_string, escaped;
};

static void nesting_take(struct nesting *nesting, char c) {
  if (nesting->in_string) {
    if (c == '"' && !nesting->escaped) nesting->in_string = false;
    nesting->escaped = c == '\\' && !nesting->escaped;
  } else if (c == '"') {
    nesting->in_string = true;
  } else if (c == '[' || c == '{') {
    nesting->depth++;
  } else if ((c == ']' || c == '}') && nesting->depth > 0) {
    nesting->depth--;
  }
}

// libjwt parses header and claims, by recursion, before it checks the signature, and CivetWeb's threads have stacks of
// 100 KiB: a stranger's deeply nested "token" must not get that far. True if no part nests deeper than a token of ours.
static bool is_shallow(const char *text, size_t len) {
  struct nesting nesting = {0};
  int bits = 0;
  unsigned value = 0;
  for (size_t i = 0; i < len; i++) {
    int six = base64url_value(text[i]);
    if (six < 0) {  // the dot between two parts, or padding
      nesting = (struct nesting){0};
      bits = 0;
      continue;
    }
    value = value << 6 | (unsigned)six;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    nesting_take(&nesting, (char)(value >> bits & 0xff));
    if (nesting.depth > 8) return false;
  }
  return true;
}

enum token_status token_verify(const char *key, const char *text, size_t text_len, int64_t now_s,
                               struct token *out_token) {
  if (text_len == 0 || text_len > TOKEN_MAX_BYTES || memchr(text, '\0', text_len) || !is_shallow(text, text_len)) {
    return TOKEN_MALFORMED;
  }
  char *copy = strndup(text, text_len);
  if (!copy) abort();
  jwt_t *jwt = NULL;
  int error = jwt_decode(&jwt, copy, (const unsigned char *)key, (int)strlen(key));
  free(copy);
  if (error) {
    // libjwt says EINVAL for a bad signature as well as for bad syntax; three parts make it look like a token.
    const char *dot = memchr(text, '.', text_len);
    bool parts = dot && memchr(dot + 1, '.', text_len - (size_t)(dot + 1 - text));
    return parts ? TOKEN_SIGNATURE : TOKEN_MALFORMED;
  }
  struct token token = {0};
  enum token_status status = TOKEN_OK;
  // Only the one algorithm: "none" and every confusion of keys end here.
  if (jwt_get_alg(jwt) != JWT_ALG_HS256) {
    status = TOKEN_SIGNATURE;
  } else if (!read_claims(jwt, &token)) {
    status = TOKEN_MALFORMED;
  } else if (token.expires_s <= now_s) {
    status = TOKEN_EXPIRED;
  }
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

static bool add_grants(jwt_t *jwt, const char *subject, enum token_role role, const char *const *teams,
                       size_t team_count, int64_t now_s, int64_t expires_s) {
  static const char *const roles[] = {"worker", "manager", "admin"};
  if (jwt_add_grant(jwt, "sub", subject) || jwt_add_grant(jwt, "role", roles[role]) ||
      jwt_add_grant_int(jwt, "iat", (long)now_s) || jwt_add_grant_int(jwt, "exp", (long)expires_s)) {
    return false;
  }
  if (team_count == 0) return true;
  if (team_count == 1) return jwt_add_grant(jwt, "team", teams[0]) == 0;
  cJSON *claims = cJSON_CreateObject();
  cJSON_AddItemToObject(claims, "teams", cJSON_CreateStringArray((const char *const *)teams, (int)team_count));
  char *json = cJSON_PrintUnformatted(claims);
  bool good = json && jwt_add_grants_json(jwt, json) == 0;
  free(json);
  cJSON_Delete(claims);
  return good;
}

char *token_mint(const char *key, const char *subject, enum token_role role, const char *const *teams,
                 size_t team_count, int64_t now_s, int64_t expires_s) {
  jwt_t *jwt = NULL;
  if (jwt_new(&jwt)) return NULL;
  char *text = NULL;
  if (add_grants(jwt, subject, role, teams, team_count, now_s, expires_s) &&
      jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)key, (int)strlen(key)) == 0) {
    text = jwt_encode_str(jwt);
  }
  jwt_free(jwt);
  return text;
}

const char *token_status_text(enum token_status status) {
  static const char *const texts[] = {"ok", "the token is malformed", "the token is not signed by our key",
                                      "the token has expired"};
  return texts[status];
}

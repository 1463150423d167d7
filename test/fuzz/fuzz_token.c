// token.c and token_scan.c: a text is taken for a token only if it is one that was signed with the key, whole and as it
// was; and what is read from signed claims keeps the rules of docs/http-api.md. The first byte says what the others
// are: 't' a token, 'h' its header and 'c' its claims, which are signed here.
#include "token.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "fuzz.h"
#include "token_scan.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define NOW_S 1700000000
#define INPUT_MAX 1024

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static struct token_keys *keys;
static char *good_token;

static void check_text(const char *text, size_t len);

static void set_up(void) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  static const char *const teams[] = {"north", "south"};
  if (keys) return;
  keys = token_keys_new(KEY, "", fault);
  good_token = token_mint(KEY, "boss", TOKEN_MANAGER, teams, 2, NOW_S - 10, NOW_S + 10);
  fuzz_check(keys && good_token);
  check_text(good_token, strlen(good_token));
}

// ---- base64url, plainly ----

static size_t encode(const uint8_t *bytes, size_t len, char *to) {
  char *start = to;
  for (size_t i = 0; i < len; i += 3) {
    unsigned value = bytes[i] * 65536u + (i + 1 < len ? bytes[i + 1] * 256u : 0) + (i + 2 < len ? bytes[i + 2] : 0);
    size_t chars = len - i >= 3 ? 4 : len - i + 1;
    for (size_t c = 0; c < chars; c++) *to++ = alphabet[value >> (18 - 6 * c) & 63];
  }
  return (size_t)(to - start);
}

// False if it is not as encode() writes it.
static bool decode(const char *text, size_t len, uint8_t *to, size_t *out_len) {
  static char again[2 * INPUT_MAX];
  size_t bits = 0, n = 0;
  unsigned value = 0;
  for (size_t i = 0; i < len; i++) {
    const char *at = memchr(alphabet, text[i], sizeof alphabet - 1);
    if (!at) return false;
    value = value << 6 | (unsigned)(at - alphabet);
    bits += 6;
    if (bits >= 8) to[n++] = (uint8_t)(value >> (bits -= 8));
  }
  *out_len = n;
  return encode(to, n, again) == len && memcmp(again, text, len) == 0;
}

// ---- any text ----

// How deep brackets nest outside of strings.
static int depth_of(const uint8_t *json, size_t len) {
  int depth = 0, deepest = 0;
  bool text = false;
  for (size_t i = 0; i < len; i++) {
    if (text && json[i] == '\\') {
      i++;
    } else if (json[i] == '"') {
      text = !text;
    } else if (!text && (json[i] == '[' || json[i] == '{')) {
      depth++;
    } else if (!text && (json[i] == ']' || json[i] == '}')) {
      depth -= depth > 0;
    }
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}

static bool plain_scan(const char *text, size_t len) {
  static uint8_t bytes[INPUT_MAX];
  const char *end = text + len;
  for (int part = 0; part < 3; part++) {
    const char *dot = part < 2 ? memchr(text, '.', (size_t)(end - text)) : end;
    size_t decoded;
    if (!dot || !decode(text, (size_t)(dot - text), bytes, &decoded)) return false;
    if (part < 2 && depth_of(bytes, decoded) > 8) return false;
    text = dot + 1;
  }
  return true;
}

static void check_text(const char *text, size_t len) {
  struct token_parts parts;
  struct token token, read;
  bool scanned = token_scan(text, len, &parts);
  fuzz_check(scanned == plain_scan(text, len));
  bool is_good = len == strlen(good_token) && memcmp(text, good_token, len) == 0;
  enum token_status status = token_verify(keys, text, len, NOW_S, &token);
  fuzz_check(is_good == (status == TOKEN_OK));
  fuzz_check(*token_status_text(status) && *token_status_code(status));
  if (status == TOKEN_OK) token_fini(&token);
  if (token_read(text, len, &read) == TOKEN_OK) {
    fuzz_check(scanned);
    token_fini(&read);
  }
}

// ---- signed ----

// The text must have room for it. Returns its length.
static size_t sign(const uint8_t *header, size_t header_len, const uint8_t *claims, size_t claims_len, char *text) {
  uint8_t signature[EVP_MAX_MD_SIZE];
  unsigned signature_len;
  size_t len = encode(header, header_len, text);
  text[len++] = '.';
  len += encode(claims, claims_len, text + len);
  HMAC(EVP_sha256(), KEY, (int)strlen(KEY), (uint8_t *)text, len, signature, &signature_len);
  text[len++] = '.';
  return len + encode(signature, signature_len, text + len);
}

static void check_token(const struct token *token, enum token_status status) {
  fuzz_check(token->expires_s > 0 && token->issued_s >= 0 && token->not_before_s >= 0);
  bool expired = token->expires_s <= NOW_S - TOKEN_LATE_S, early = token->not_before_s > NOW_S + TOKEN_EARLY_S;
  fuzz_check(status == (expired ? TOKEN_EXPIRED : early ? TOKEN_EARLY : TOKEN_OK));
  fuzz_check(!*token->id || ident_valid(token->id, strlen(token->id)));
  for (size_t i = 0; i < token->team_count; i++) fuzz_check(ident_valid(token->teams[i], strlen(token->teams[i])));
  if (token->role == TOKEN_WORKER) {
    fuzz_check(token->team_count == 1 && ident_valid(token->subject, strlen(token->subject)));
  }
  if (token->role == TOKEN_VIEWER) fuzz_check(token->team_count == 1);
  if (*token->worker) fuzz_check(token->role == TOKEN_VIEWER && ident_valid(token->worker, strlen(token->worker)));
  fuzz_check(token_may_see(token, "no-such-team") == (token->role == TOKEN_ADMIN) ||
             token_names_team(token, "no-such-team"));
}

static enum token_status check_signed(const char *text, size_t len, bool header_is_good) {
  struct token token, read;
  enum token_status status = token_verify(keys, text, len, NOW_S, &token);
  bool readable = token_read(text, len, &read) == TOKEN_OK;
  if (status == TOKEN_OK) {
    fuzz_check(readable);
    token_fini(&token);
  }
  if (!readable) return status;
  if (header_is_good || (status != TOKEN_SIGNATURE && status != TOKEN_MALFORMED)) check_token(&read, status);
  token_fini(&read);
  return status;
}

// NULL also if there are several of that name: which one counts is libjwt's to say.
static const cJSON *only(const cJSON *object, const char *name) {
  const cJSON *item, *found = NULL;
  cJSON_ArrayForEach(item, object) {
    if (strcmp(item->string, name) != 0) continue;
    if (found) return NULL;
    found = item;
  }
  return found;
}

static void check_time(const cJSON *claims, const char *name, int64_t value_s) {
  const cJSON *item = only(claims, name);
  if (item) fuzz_check(cJSON_IsNumber(item) && item->valuedouble == (double)value_s);
}

static void check_teams(const cJSON *claims, const struct token *token) {
  const cJSON *team = only(claims, "team"), *teams = only(claims, "teams"), *item;
  if (cJSON_IsString(team)) fuzz_check(token->team_count == 1 && !strcmp(token->teams[0], team->valuestring));
  if (cJSON_GetObjectItemCaseSensitive(claims, "team") || !cJSON_IsArray(teams)) return;
  size_t i = 0;
  cJSON_ArrayForEach(item, teams) {
    fuzz_check(i < token->team_count && cJSON_IsString(item) && !strcmp(token->teams[i], item->valuestring));
    i++;
  }
  fuzz_check(i == token->team_count);
}

// Claims of a token that was read, held against another reader of JSON.
static void check_claims(const uint8_t *bytes, size_t len, const struct token *token) {
  cJSON *claims = cJSON_ParseWithLength((const char *)bytes, len);
  const cJSON *role = only(claims, "role"), *subject = only(claims, "sub"), *id = only(claims, "jti");
  const cJSON *worker = only(claims, "worker");
  fuzz_check(cJSON_IsObject(claims));
  if (role) fuzz_check(cJSON_IsString(role) && !strcmp(role->valuestring, token_role_name(token->role)));
  if (subject) fuzz_check(cJSON_IsString(subject) && !strncmp(subject->valuestring, token->subject, IDENT_MAX_BYTES));
  if (id) fuzz_check(cJSON_IsString(id) && !strcmp(id->valuestring, token->id));
  if (worker) fuzz_check(cJSON_IsString(worker) && !strcmp(worker->valuestring, token->worker));
  if (!cJSON_GetObjectItemCaseSensitive(claims, "worker")) fuzz_check(!*token->worker);
  check_time(claims, "exp", token->expires_s);
  check_time(claims, "iat", token->issued_s);
  check_time(claims, "nbf", token->not_before_s);
  check_teams(claims, token);
  cJSON_Delete(claims);
}

// Of a header that led to a token.
static void check_header(const uint8_t *header, size_t len) {
  cJSON *json = cJSON_ParseWithLength((const char *)header, len);
  bool algorithm = false;
  const cJSON *item;
  fuzz_check(cJSON_IsObject(json));
  cJSON_ArrayForEach(item, json) {
    fuzz_check(strcmp(item->string, "crit") != 0 && strcmp(item->string, "kid") != 0);
    if (strcmp(item->string, "alg") == 0) algorithm |= cJSON_IsString(item) && !strcmp(item->valuestring, "HS256");
  }
  fuzz_check(algorithm);
  cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  static const char claims[] = "{\"sub\":\"w1\",\"role\":\"worker\",\"team\":\"north\",\"exp\":1700000100}";
  static char text[2 * INPUT_MAX + 512];
  if (len == 0 || len > INPUT_MAX) return 0;
  set_up();
  const uint8_t *rest = bytes + 1;
  len--;
  if (bytes[0] == 't') check_text((const char *)rest, len);
  if (bytes[0] == 'c') {
    struct token token;
    size_t text_len = sign((const uint8_t *)header, sizeof header - 1, rest, len, text);
    check_signed(text, text_len, true);
    if (token_read(text, text_len, &token) == TOKEN_OK) {
      check_claims(rest, len, &token);
      char *json = token_json(text, text_len, false);
      check_claims((const uint8_t *)json, strlen(json), &token);
      free(json);
      token_fini(&token);
    }
  }
  if (bytes[0] == 'h') {
    size_t text_len = sign(rest, len, (const uint8_t *)claims, sizeof claims - 1, text);
    if (check_signed(text, text_len, false) == TOKEN_OK) check_header(rest, len);
  }
  return 0;
}

// token.c: what is minted is taken, and nothing else is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "token.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define OTHER_KEY "0123456789abcdef0123456789abcdeF"
#define NOW 1784370000

static const char *const two_teams[] = {"team-1", "team_2"};

static struct token_keys *keys;  // one key, as a small installation has it

static enum token_status verify_at(const char *text, size_t len, int64_t now_s, struct token *out) {
  return token_verify(keys, text, len, now_s, out);
}

static enum token_status verify(const char *text, struct token *out) {
  return verify_at(text, strlen(text), NOW, out);
}

// The status of a token that this library did not mint: these claims, as JSON, signed with our key or another.
static enum token_status verify_claims(const char *key, jwt_alg_t algorithm, const char *json) {
  jwt_t *jwt;
  struct token token;
  assert_int_equal(jwt_new(&jwt), 0);
  assert_int_equal(jwt_add_grants_json(jwt, json), 0);
  assert_int_equal(jwt_set_alg(jwt, algorithm, algorithm == JWT_ALG_NONE ? NULL : (const unsigned char *)key,
                               algorithm == JWT_ALG_NONE ? 0 : (int)strlen(key)),
                   0);
  char *text = jwt_encode_str(jwt);
  enum token_status status = verify(text, &token);
  if (status == TOKEN_OK) token_fini(&token);
  free(text);
  jwt_free(jwt);
  return status;
}

#define GOOD_CLAIMS "{\"sub\":\"van-7\",\"role\":\"worker\",\"team\":\"team-1\",\"exp\":1784370001}"

static void a_minted_token_says_who_it_speaks_for(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(KEY, "anna b", TOKEN_MANAGER, two_teams, 2, NOW, NOW + 60);
  assert_int_equal(verify(text, &token), TOKEN_OK);
  assert_string_equal(token.subject, "anna b");
  assert_int_equal(token.role, TOKEN_MANAGER);
  assert_int_equal(token.expires_s, NOW + 60);
  assert_int_equal(token.team_count, 2);
  assert_string_equal(token.teams[1], "team_2");
  assert_true(token_names_team(&token, "team-1") && token_may_see(&token, "team_2"));
  assert_false(token_names_team(&token, "team-") || token_may_see(&token, "team-11") || token_may_see(&token, ""));
  token_fini(&token);
  free(text);
}

static void a_workers_token_sees_no_view_and_an_admins_sees_every_team(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  assert_int_equal(verify(text, &token), TOKEN_OK);
  assert_int_equal(token.role, TOKEN_WORKER);
  assert_true(token_names_team(&token, "team-1"));
  assert_false(token_may_see(&token, "team-1"));
  token_fini(&token);
  free(text);
  text = token_mint(KEY, "ops", TOKEN_ADMIN, NULL, 0, NOW, NOW + 60);
  assert_int_equal(verify(text, &token), TOKEN_OK);
  assert_false(token_names_team(&token, "team-1"));
  assert_true(token_may_see(&token, "team-1"));
  token_fini(&token);
  free(text);
}

static void a_viewers_token_sees_one_team_or_one_worker_of_it(void **state) {
  (void)state;
  struct token token;
  struct token_order order = {"anna", "share-1", TOKEN_VIEWER, two_teams, 1, NOW, 0, NOW + 60, "van-7"};
  for (int i = 0; i < 2; i++) {
    char *text = token_sign(&(struct token_signer){TOKEN_HS256, "", KEY}, &order);
    assert_int_equal(verify(text, &token), TOKEN_OK);
    assert_int_equal(token.role, TOKEN_VIEWER);
    assert_true(token_may_see(&token, two_teams[0]));
    assert_false(token_may_see(&token, two_teams[1]));
    assert_true(token_may_see_worker(&token, "van-7"));
    assert_true(token_may_see_worker(&token, "van-8") == !order.worker);
    assert_string_equal(token.worker, order.worker ? "van-7" : "");
    token_fini(&token);
    free(text);
    order.worker = NULL;
  }
}

static void a_token_for_one_worker_is_a_viewers_and_of_one_team(void **state) {
  (void)state;
  static const struct {
    const char *claims;
    enum token_status status;
  } tries[] = {{"\"viewer\",\"team\":\"a\"", TOKEN_OK},
               {"\"viewer\",\"team\":\"a\",\"worker\":\"v\"", TOKEN_OK},
               {"\"viewer\",\"team\":\"a\",\"worker\":\"\"", TOKEN_MALFORMED},
               {"\"viewer\",\"team\":\"a\",\"worker\":\"v v\"", TOKEN_MALFORMED},
               {"\"viewer\",\"team\":\"a\",\"worker\":7", TOKEN_MALFORMED},
               {"\"viewer\",\"team\":\"a\",\"worker\":null", TOKEN_MALFORMED},
               {"\"viewer\",\"team\":\"a\",\"worker\":[\"v\"]", TOKEN_MALFORMED},
               {"\"viewer\",\"teams\":[\"a\"],\"worker\":\"v\"", TOKEN_OK},
               {"\"viewer\",\"teams\":[\"a\",\"b\"]", TOKEN_MALFORMED},
               {"\"viewer\",\"teams\":[]", TOKEN_MALFORMED},
               {"\"viewer\"", TOKEN_MALFORMED},
               {"\"manager\",\"team\":\"a\",\"worker\":\"v\"", TOKEN_MALFORMED},
               {"\"admin\",\"worker\":\"v\"", TOKEN_MALFORMED},
               {"\"worker\",\"team\":\"a\",\"worker\":\"v\"", TOKEN_MALFORMED}};
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    char json[256];
    snprintf(json, sizeof json, "{\"sub\":\"v\",\"exp\":%lld,\"role\":%s}", (long long)NOW + 60, tries[i].claims);
    assert_int_equal(verify_claims(KEY, JWT_ALG_HS256, json), tries[i].status);
  }
}

static void a_token_needs_no_nul_at_its_end(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  size_t len = strlen(text);
  char *exact = malloc(len);  // so that a sanitizer sees an overrun
  memcpy(exact, text, len);
  assert_int_equal(verify_at(exact, len, NOW, &token), TOKEN_OK);
  token_fini(&token);
  free(exact);
  free(text);
}

// ---- forged ----

static void another_key_is_not_ours(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(OTHER_KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  assert_int_equal(verify(text, &token), TOKEN_SIGNATURE);
  free(text);
}

static void every_changed_byte_is_noticed(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  for (size_t i = 0; text[i]; i++) {
    char was = text[i];
    for (int c = 1; c < 256; c += i % 8 ? 17 : 1) {
      if ((char)c == was) continue;
      text[i] = (char)c;
      if (verify(text, &token) == TOKEN_OK) fail_msg("byte %zu as %d was taken", i, c);
    }
    text[i] = was;
  }
  free(text);
}

static void every_shorter_or_longer_token_is_refused(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  size_t len = strlen(text);
  for (size_t cut = 0; cut < len; cut++) assert_int_not_equal(verify_at(text, cut, NOW, &token), TOKEN_OK);
  char *longer = malloc(len + 3);
  snprintf(longer, len + 3, "%s.", text);
  assert_int_not_equal(verify(longer, &token), TOKEN_OK);
  snprintf(longer, len + 3, "%sA", text);
  assert_int_not_equal(verify(longer, &token), TOKEN_OK);
  assert_int_equal(verify_at(text, len + 1, NOW, &token), TOKEN_MALFORMED);  // with its NUL
  free(longer);
  free(text);
}

static void other_algorithms_are_refused_though_signed_with_our_key(void **state) {
  (void)state;
  assert_int_equal(verify_claims(KEY, JWT_ALG_HS256, GOOD_CLAIMS), TOKEN_OK);
  assert_int_equal(verify_claims(KEY, JWT_ALG_HS384, GOOD_CLAIMS), TOKEN_SIGNATURE);
  assert_int_equal(verify_claims(KEY, JWT_ALG_HS512, GOOD_CLAIMS), TOKEN_SIGNATURE);
  assert_int_equal(verify_claims(KEY, JWT_ALG_NONE, GOOD_CLAIMS), TOKEN_SIGNATURE);
}

static void tokens_without_a_signature_are_refused_however_they_say_so(void **state) {
  (void)state;
  // {"alg":"none"}, {"alg":"None","typ":"JWT"}, {"typ":"JWT"}, {"alg":"RS256"} and {"alg":"HS256"}, each with the
  // claims
  // {"sub":"ops","role":"admin","exp":4102444800} and nothing behind the second dot.
#define ADMIN ".eyJzdWIiOiJvcHMiLCJyb2xlIjoiYWRtaW4iLCJleHAiOjQxMDI0NDQ4MDB9."
  static const char *const forged[] = {
      "eyJhbGciOiJub25lIn0" ADMIN,  "eyJhbGciOiJOb25lIiwidHlwIjoiSldUIn0" ADMIN,
      "eyJ0eXAiOiJKV1QifQ" ADMIN,   "eyJhbGciOiJSUzI1NiJ9" ADMIN,
      "eyJhbGciOiJIUzI1NiJ9" ADMIN, "eyJhbGciOiJIUzI1NiJ9" ADMIN "AAAA",
  };
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    struct token token;
    assert_int_equal(verify(forged[i], &token), TOKEN_SIGNATURE);
  }
}

static void garbage_is_malformed(void **state) {
  (void)state;
  static const char *const garbage[] = {"", "x", ".", "a.b", "Bearer", "not a token"};
  struct token token;
  for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
    assert_int_equal(verify(garbage[i], &token), TOKEN_MALFORMED);
  }
  char *longest = malloc(TOKEN_MAX_BYTES + 1);
  memset(longest, 'a', TOKEN_MAX_BYTES + 1);
  assert_int_equal(verify_at(longest, TOKEN_MAX_BYTES + 1, NOW, &token), TOKEN_MALFORMED);
  assert_int_equal(verify_at(longest, TOKEN_MAX_BYTES, NOW, &token), TOKEN_MALFORMED);
  free(longest);
}

// ---- claims ----

static void ends_a_moment_after_the_second_it_names(void **state) {
  (void)state;
  struct token token;
  char *text = token_mint(KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  assert_int_equal(verify_at(text, strlen(text), NOW + 59 + TOKEN_LATE_S, &token), TOKEN_OK);
  token_fini(&token);
  assert_int_equal(verify_at(text, strlen(text), NOW + 60 + TOKEN_LATE_S, &token), TOKEN_EXPIRED);
  free(text);
  assert_int_equal(verify_claims(KEY, JWT_ALG_HS256, "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":1}"), TOKEN_EXPIRED);
}

static void claims_that_are_missing_or_impossible_are_malformed(void **state) {
  (void)state;
  static const char *const bad[] = {
      "{}",
      "{\"role\":\"admin\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"admin\"}",
      "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":0}",
      "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":-1}",
      "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":\"1784370001\"}",
      "{\"sub\":7,\"role\":\"admin\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"root\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"Admin\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":[\"admin\"],\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"teams\":\"team-1\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"teams\":{\"0\":\"team-1\"},\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"team\":\"a.b\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"team\":\"*\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"team\":\"\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"teams\":[\"ok\",\"a>b\"],\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"teams\":[\"ok\",7],\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"manager\",\"teams\":[null],\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"worker\",\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"worker\",\"teams\":[],\"exp\":1784370001}",
      "{\"sub\":\"a\",\"role\":\"worker\",\"teams\":[\"t\",\"u\"],\"exp\":1784370001}",
      "{\"sub\":\"a.b\",\"role\":\"worker\",\"team\":\"t\",\"exp\":1784370001}",
      "{\"sub\":\"\",\"role\":\"worker\",\"team\":\"t\",\"exp\":1784370001}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    enum token_status status = verify_claims(KEY, JWT_ALG_HS256, bad[i]);
    if (status != TOKEN_MALFORMED) fail_msg("%s is %s", bad[i], token_status_text(status));
  }
}

static void a_token_counts_from_a_moment_before_its_nbf(void **state) {
  (void)state;
  char json[200];
  for (int early = 0; early < 3; early++) {
    int64_t not_before_s = NOW + TOKEN_EARLY_S + early;
    snprintf(json, sizeof json, "{\"sub\":\"a\",\"role\":\"admin\",\"nbf\":%lld,\"exp\":1784379999}",
             (long long)not_before_s);
    assert_int_equal(verify_claims(KEY, JWT_ALG_HS256, json), early ? TOKEN_EARLY : TOKEN_OK);
  }
}

static void times_and_ids_that_are_none_are_malformed(void **state) {
  (void)state;
  static const char *const bad[] = {"\"nbf\":\"1\"",  "\"nbf\":-1",      "\"nbf\":1.5",     "\"nbf\":null",
                                    "\"nbf\":[1]",    "\"iat\":\"now\"", "\"iat\":true",    "\"jti\":7",
                                    "\"jti\":\"\"",   "\"jti\":\"a.b\"", "\"jti\":\"a b\"", "\"jti\":null",
                                    "\"jti\":[\"a\"]"};
  char json[200];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(json, sizeof json, "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":1784379999,%s}", bad[i]);
    if (verify_claims(KEY, JWT_ALG_HS256, json) != TOKEN_MALFORMED) fail_msg("%s was taken", bad[i]);
  }
  assert_int_equal(
      verify_claims(KEY, JWT_ALG_HS256,
                    "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":1784379999,\"nbf\":0,\"iat\":0,\"jti\":\"A-z_9\"}"),
      TOKEN_OK);
}

static void the_farthest_times_overflow_nothing(void **state) {
  (void)state;
  assert_int_equal(verify_claims(KEY, JWT_ALG_HS256, "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":9223372036854775807}"),
                   TOKEN_OK);
  assert_int_equal(verify_claims(KEY, JWT_ALG_HS256,
                                 "{\"sub\":\"a\",\"role\":\"admin\",\"exp\":9223372036854775807,"
                                 "\"nbf\":9223372036854775807}"),
                   TOKEN_EARLY);
}

// The status of a token with this header, signed with our key.
static enum token_status verify_header(const char *header);

static void headers_that_are_not_understood_are_refused(void **state) {
  (void)state;
  assert_int_equal(verify_header("{\"alg\":\"HS256\"}"), TOKEN_OK);
  assert_int_equal(verify_header("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"x\":1}"), TOKEN_OK);
  assert_int_equal(verify_header("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}"), TOKEN_MALFORMED);
  assert_int_equal(verify_header("{\"alg\":\"HS256\",\"kid\":7}"), TOKEN_MALFORMED);
  assert_int_equal(verify_header("{\"alg\":\"HS256\",\"kid\":null}"), TOKEN_MALFORMED);
  assert_int_equal(verify_header("{\"alg\":\"HS256\",\"kid\":\"\"}"), TOKEN_SIGNATURE);
  assert_int_equal(verify_header("{\"alg\":\"hs256\"}"), TOKEN_SIGNATURE);
  assert_int_equal(verify_header("{\"alg\":[\"HS256\"]}"), TOKEN_SIGNATURE);
  assert_int_equal(verify_header("{\"alg\":\"HS256\",\"alg\":\"none\"}"), TOKEN_SIGNATURE);
}

static void a_workers_id_is_never_cut_to_fit(void **state) {
  (void)state;
  char json[256], id[67];
  memset(id, 'x', 66);
  id[66] = '\0';
  for (size_t len = 64; len <= 66; len++) {
    snprintf(json, sizeof json, "{\"sub\":\"%.*s\",\"role\":\"worker\",\"team\":\"t\",\"exp\":1784370001}", (int)len,
             id);
    assert_int_equal(verify_claims(KEY, JWT_ALG_HS256, json), len == 64 ? TOKEN_OK : TOKEN_MALFORMED);
  }
}

// ---- deep nesting: must not reach a parser that recurses ----

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *encode(char *to, const char *text, size_t len) {
  uint32_t value = 0;
  int bits = 0;
  for (size_t i = 0; i < len; i++) {
    value = value << 8 | (uint8_t)text[i];
    for (bits += 8; bits >= 6; bits -= 6) *to++ = base64[value >> (bits - 6) & 63];
  }
  if (bits) *to++ = base64[value << (6 - bits) & 63];
  return to;
}

// Brackets in strings close nothing, nor do strings end at an escaped quote.
#define NESTED_START "{\"]]]]]]]]]]]]\\\"]]]]]]]]]]]]\":"

// A token whose header or claims are `depth` brackets deep.
static char *nested(size_t depth, bool header, const char *bracket) {
  char *inside = malloc(depth + 64), *text = calloc(1, depth * 2 + 256), *at = text;
  size_t start = sizeof NESTED_START - 1, len = start + depth;
  memcpy(inside, NESTED_START, start);
  memset(inside + start, *bracket, depth);
  static const char plain[] = "{\"alg\":\"HS256\"}";
  at = header ? encode(at, inside, len) : encode(at, plain, sizeof plain - 1);
  *at++ = '.';
  at = header ? encode(at, plain, sizeof plain - 1) : encode(at, inside, len);
  memcpy(at, ".AAAA", 5);
  free(inside);
  return text;
}

static void deep_nesting_is_malformed(void **state) {
  (void)state;
  for (size_t depth = 8; depth < 5000; depth = depth * 3 / 2) {
    for (int kind = 0; kind < 4; kind++) {
      struct token token;
      char *text = nested(depth, kind & 1, kind & 2 ? "{" : "[");
      assert_int_equal(verify(text, &token), TOKEN_MALFORMED);
      free(text);
    }
  }
}

static enum token_status verify_header(const char *header) {
  static const char claims[] = GOOD_CLAIMS;
  uint8_t signature[32];
  unsigned len = sizeof signature;
  char *text = calloc(1, 1024), *at = encode(text, header, strlen(header));
  *at++ = '.';
  at = encode(at, claims, sizeof claims - 1);
  HMAC(EVP_sha256(), KEY, sizeof KEY - 1, (const uint8_t *)text, (size_t)(at - text), signature, &len);
  *at++ = '.';
  encode(at, (const char *)signature, len);
  struct token token;
  enum token_status status = verify(text, &token);
  if (status == TOKEN_OK) token_fini(&token);
  free(text);
  return status;
}

static void random_tokens_are_never_taken(void **state) {
  (void)state;
  srand(1);
  char *good = token_mint(KEY, "van-7", TOKEN_WORKER, two_teams, 1, NOW, NOW + 60);
  size_t len = strlen(good);
  for (int i = 0; i < 20000; i++) {
    struct token token;
    char *text = strdup(good);
    size_t changes = (size_t)rand() % 4 + 1;
    for (size_t k = 0; k < changes; k++) text[(size_t)rand() % len] = base64[rand() % 64];
    if (strcmp(text, good) != 0) assert_int_not_equal(verify(text, &token), TOKEN_OK);
    free(text);
  }
  free(good);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_minted_token_says_who_it_speaks_for),
      cmocka_unit_test(a_workers_token_sees_no_view_and_an_admins_sees_every_team),
      cmocka_unit_test(a_viewers_token_sees_one_team_or_one_worker_of_it),
      cmocka_unit_test(a_token_for_one_worker_is_a_viewers_and_of_one_team),
      cmocka_unit_test(a_token_needs_no_nul_at_its_end),
      cmocka_unit_test(another_key_is_not_ours),
      cmocka_unit_test(every_changed_byte_is_noticed),
      cmocka_unit_test(every_shorter_or_longer_token_is_refused),
      cmocka_unit_test(other_algorithms_are_refused_though_signed_with_our_key),
      cmocka_unit_test(tokens_without_a_signature_are_refused_however_they_say_so),
      cmocka_unit_test(garbage_is_malformed),
      cmocka_unit_test(ends_a_moment_after_the_second_it_names),
      cmocka_unit_test(claims_that_are_missing_or_impossible_are_malformed),
      cmocka_unit_test(a_token_counts_from_a_moment_before_its_nbf),
      cmocka_unit_test(times_and_ids_that_are_none_are_malformed),
      cmocka_unit_test(the_farthest_times_overflow_nothing),
      cmocka_unit_test(headers_that_are_not_understood_are_refused),
      cmocka_unit_test(a_workers_id_is_never_cut_to_fit),
      cmocka_unit_test(deep_nesting_is_malformed),
      cmocka_unit_test(random_tokens_are_never_taken),
  };
  char fault[TOKEN_KEYS_FAULT_BYTES];
  keys = token_keys_new(KEY, "", fault);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  token_keys_free(keys);
  return failed;
}

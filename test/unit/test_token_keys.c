// token_keys.c and token_key.c: which key a token is checked with, and that it is never the token's choice.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "key_pairs.h"
#include "token.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER_SECRET "0123456789abcdef0123456789abcdeF"
#define NOW 1784370000

static struct key_pair rsa, other_rsa, small_rsa, ec, other_ec, p384;
static char folder[64];

// ---- a folder ----

static void path_of(const char *name, char out[256]) {
  snprintf(out, 256, "%s/%s", folder, name);
}

static void put(const char *name, const char *text) {
  char path[256];
  path_of(name, path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void take_away(const char *name) {
  char path[256];
  path_of(name, path);
  assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/muster-keys-XXXXXX");
  return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state) {
  char command[128];
  (void)state;
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static struct token_keys *keys_of(const char *plain, const char *path) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  struct token_keys *keys = token_keys_new(plain, path, fault);
  if (!keys) fail_msg("%s", fault);
  return keys;
}

static char *sign(enum token_algorithm algorithm, const char *kid, const char *key) {
  static const char *const teams[] = {"team-1"};
  struct token_signer signer = {algorithm, kid, key};
  struct token_order order = {"anna", "id-1", TOKEN_MANAGER, teams, 1, NOW, 0, NOW + 60, NULL};
  char *token = token_sign(&signer, &order);
  assert_non_null(token);
  return token;
}

// Frees the token.
static enum token_status verify(struct token_keys *keys, char *text) {
  struct token token;
  enum token_status status = token_verify(keys, text, strlen(text), NOW, &token);
  if (status == TOKEN_OK) token_fini(&token);
  free(text);
  return status;
}

// ---- one key ----

static void each_algorithm_takes_what_its_key_has_signed(void **state) {
  (void)state;
  put("a.hs256", SECRET "\n");
  put("b.rs256", rsa.public);
  put("c.ES256.pem", ec.public);
  struct token_keys *keys = keys_of("", folder);
  assert_int_equal(token_keys_count(keys), 3);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "a", SECRET)), TOKEN_OK);
  assert_int_equal(verify(keys, sign(TOKEN_RS256, "b", rsa.private)), TOKEN_OK);
  assert_int_equal(verify(keys, sign(TOKEN_ES256, "c", ec.private)), TOKEN_OK);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "a", OTHER_SECRET)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_RS256, "b", other_rsa.private)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_ES256, "c", other_ec.private)), TOKEN_SIGNATURE);
  token_keys_free(keys);
}

static void signs_with_the_last_secret_by_name(void **state) {
  (void)state;
  char kid[IDENT_MAX_BYTES + 1] = "untouched";
  put("z.rs256", rsa.public);
  struct token_keys *keys = keys_of("", folder);
  assert_null(token_keys_secret(keys, kid));
  assert_string_equal(kid, "untouched");
  token_keys_free(keys);
  keys = keys_of(SECRET, folder);
  char *secret = token_keys_secret(keys, kid);
  assert_string_equal(secret, SECRET);
  assert_string_equal(kid, "");
  token_keys_wipe(secret);
  token_keys_free(keys);
  put("2026-11.hs256", OTHER_SECRET);
  put("2026-10.hs256", SECRET);
  keys = keys_of(SECRET, folder);
  secret = token_keys_secret(keys, kid);
  assert_string_equal(secret, OTHER_SECRET);
  assert_string_equal(kid, "2026-11");
  assert_int_equal(verify(keys, sign(TOKEN_HS256, kid, secret)), TOKEN_OK);
  token_keys_wipe(secret);
  token_keys_free(keys);
}

static void a_kid_means_one_key_and_none_means_the_one_without(void **state) {
  (void)state;
  put("a.hs256", OTHER_SECRET);
  struct token_keys *keys = keys_of(SECRET, folder);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "", SECRET)), TOKEN_OK);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "a", OTHER_SECRET)), TOKEN_OK);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "", OTHER_SECRET)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "a", SECRET)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "b", SECRET)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "no-kid", SECRET)), TOKEN_SIGNATURE);
  token_keys_free(keys);
  put("no-kid.hs256", SECRET);
  keys = keys_of("", folder);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "", SECRET)), TOKEN_OK);
  token_keys_free(keys);
}

static void a_public_key_is_no_secret_to_sign_with(void **state) {
  (void)state;
  put("b.rs256", rsa.public);
  put("c.es256", ec.public);
  struct token_keys *keys = keys_of("", folder);
  char trimmed[1024];
  snprintf(trimmed, sizeof trimmed, "%.*s", (int)strlen(rsa.public) - 1, rsa.public);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "b", rsa.public)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "b", trimmed)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "c", ec.public)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_ES256, "b", ec.private)), TOKEN_SIGNATURE);
  assert_int_equal(verify(keys, sign(TOKEN_RS256, "c", rsa.private)), TOKEN_SIGNATURE);
  token_keys_free(keys);
}

static void a_signature_can_be_written_in_one_way_only(void **state) {
  (void)state;
  static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=";
  put("b.rs256", rsa.public);
  put("c.es256", ec.public);
  struct token_keys *keys = keys_of("", folder);
  for (int i = 0; i < 2; i++) {
    char *good = i ? sign(TOKEN_RS256, "b", rsa.private) : sign(TOKEN_ES256, "c", ec.private);
    for (const char *c = base64; *c; c++) {
      char *text = strdup(good), *last = text + strlen(text) - 1;
      bool same = *last == *c;
      *last = *c;
      assert_int_equal(verify(keys, text) == TOKEN_OK, same);
    }
    free(good);
  }
  token_keys_free(keys);
}

// ---- stacks ----

#define HTTP_STACK_BYTES (100 * 1024)  // CivetWeb's

struct errand {
  struct token_keys *keys;
  char *text;
  enum token_status status;
};

static void *run_errand(void *context) {
  struct errand *errand = context;
  struct token token;
  errand->status = token_verify(errand->keys, errand->text, strlen(errand->text), NOW, &token);
  if (errand->status == TOKEN_OK) token_fini(&token);
  return NULL;
}

static void the_largest_key_fits_on_the_stack_of_an_http_thread(void **state) {
  static struct key_pair largest;
  pthread_attr_t small;
  pthread_t thread;
  (void)state;
  key_pair_rsa(TOKEN_RSA_MAX_BITS, &largest);
  put("a.rs256", largest.public);
  put("b.es256", ec.public);
  struct token_keys *keys = keys_of("", folder);
  struct errand errands[] = {{.keys = keys, .text = sign(TOKEN_RS256, "a", largest.private)},
                             {.keys = keys, .text = sign(TOKEN_ES256, "b", ec.private)}};
  pthread_attr_init(&small);
  assert_int_equal(pthread_attr_setstacksize(&small, HTTP_STACK_BYTES), 0);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_create(&thread, &small, run_errand, &errands[i]), 0);
    pthread_join(thread, NULL);
    assert_int_equal(errands[i].status, TOKEN_OK);
    free(errands[i].text);
  }
  pthread_attr_destroy(&small);
  token_keys_free(keys);
}

// ---- folders that are wrong ----

static void what_is_no_good_key_is_refused_by_name(void **state) {
  (void)state;
  const struct {
    const char *name, *text, *fault;
  } bad[] = {
      {"short.hs256", "0123456789abcdef", "32 bytes"},
      {"pem.hs256", rsa.public, "PEM"},
      {"small.rs256", small_rsa.public, "2048"},
      {"p384.es256", p384.public, "P-256"},
      {"ec.rs256", ec.public, "RSA"},
      {"rsa.es256", rsa.public, "P-256"},
      {"private.rs256", rsa.private, "private"},
      {"text.rs256", "hello", "PEM"},
      {"empty.es256", "", "PEM"},
      {"README", "hello", "named"},
      {"a.hs512", SECRET, "named"},
      {"a b.hs256", SECRET, "named"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char fault[TOKEN_KEYS_FAULT_BYTES] = "";
    put("good.hs256", SECRET);
    put(bad[i].name, bad[i].text);
    assert_null(token_keys_new("", folder, fault));
    if (!strstr(fault, bad[i].name) || !strstr(fault, bad[i].fault)) fail_msg("%s: \"%s\"", bad[i].name, fault);
    assert_null(strstr(fault, "0123456789"));
    take_away(bad[i].name);
  }
}

static void two_keys_of_one_kid_are_refused(void **state) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  (void)state;
  put("a.hs256", SECRET);
  put("a.es256", ec.public);
  assert_null(token_keys_new("", folder, fault));
  take_away("a.es256");
  put("no-kid.hs256", SECRET);
  assert_null(token_keys_new(SECRET, folder, fault));
}

static void hidden_files_are_passed_over_and_no_key_is_a_fault(void **state) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  (void)state;
  put(".swp", "x");
  assert_null(token_keys_new("", folder, fault));
  assert_null(token_keys_new("", "/nowhere", fault));
  assert_null(token_keys_new("", "", fault));
  put("a.hs256", SECRET);
  token_keys_free(keys_of("", folder));
}

static void a_single_file_will_do(void **state) {
  char path[256];
  (void)state;
  put("a.hs256", SECRET);
  path_of("a.hs256", path);
  struct token_keys *keys = keys_of("", path);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "a", SECRET)), TOKEN_OK);
  token_keys_free(keys);
}

// ---- rotation ----

static void keys_are_read_again_and_kept_if_the_new_ones_are_wrong(void **state) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  (void)state;
  put("old.hs256", SECRET);
  struct token_keys *keys = keys_of("", folder);
  put("new.hs256", OTHER_SECRET);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "new", OTHER_SECRET)), TOKEN_SIGNATURE);
  assert_true(token_keys_reload(keys, fault));
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "new", OTHER_SECRET)), TOKEN_OK);
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "old", SECRET)), TOKEN_OK);
  take_away("old.hs256");
  put("bad.rs256", "x");
  assert_false(token_keys_reload(keys, fault));
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "old", SECRET)), TOKEN_OK);
  take_away("bad.rs256");
  assert_true(token_keys_reload(keys, fault));
  assert_int_equal(verify(keys, sign(TOKEN_HS256, "old", SECRET)), TOKEN_SIGNATURE);
  take_away("new.hs256");
  assert_false(token_keys_reload(keys, fault));
  assert_int_equal(token_keys_count(keys), 1);
  token_keys_free(keys);
}

static void *check_again_and_again(void *context) {
  struct errand *errand = context;
  errand->status = TOKEN_OK;
  for (int i = 0; i < 2000 && errand->status == TOKEN_OK; i++) run_errand(errand);
  return NULL;
}

static void keys_change_under_those_who_check(void **state) {
  pthread_t threads[2];
  char fault[TOKEN_KEYS_FAULT_BYTES];
  (void)state;
  put("a.hs256", SECRET);
  struct token_keys *keys = keys_of("", folder);
  struct errand errands[2];
  for (int i = 0; i < 2; i++) {
    errands[i] = (struct errand){.keys = keys, .text = sign(TOKEN_HS256, "a", SECRET)};
    assert_int_equal(pthread_create(&threads[i], NULL, check_again_and_again, &errands[i]), 0);
  }
  for (int i = 0; i < 200; i++) assert_true(token_keys_reload(keys, fault));
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(errands[i].status, TOKEN_OK);
    free(errands[i].text);
  }
  token_keys_free(keys);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {
      TEST(each_algorithm_takes_what_its_key_has_signed),
      TEST(signs_with_the_last_secret_by_name),
      TEST(a_kid_means_one_key_and_none_means_the_one_without),
      TEST(a_public_key_is_no_secret_to_sign_with),
      TEST(a_signature_can_be_written_in_one_way_only),
      TEST(the_largest_key_fits_on_the_stack_of_an_http_thread),
      TEST(what_is_no_good_key_is_refused_by_name),
      TEST(two_keys_of_one_kid_are_refused),
      TEST(hidden_files_are_passed_over_and_no_key_is_a_fault),
      TEST(a_single_file_will_do),
      TEST(keys_are_read_again_and_kept_if_the_new_ones_are_wrong),
      TEST(keys_change_under_those_who_check),
  };
  key_pair_rsa(2048, &rsa);
  key_pair_rsa(2048, &other_rsa);
  key_pair_rsa(1024, &small_rsa);
  key_pair_ec("P-256", &ec);
  key_pair_ec("P-256", &other_ec);
  key_pair_ec("P-384", &p384);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

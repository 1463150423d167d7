// revoked.c and token_guard.c: who is refused, and from when on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "token_guard.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define NOW 1784370000
#define DAY 86400

static struct token_guard guard;

static int setup(void **state) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  (void)state;
  return token_guard_open(&guard, KEY, "", fault) ? 0 : 1;
}

static int teardown(void **state) {
  (void)state;
  token_guard_close(&guard);
  return 0;
}

static enum token_status admit(enum token_role role, const char *subject, const char *id, int64_t issued_s,
                               struct token_stamp *out_stamp) {
  static const char *const teams[] = {"team-1"};
  struct token_signer signer = {TOKEN_HS256, "", KEY};
  struct token_order order = {.subject = subject,
                              .id = id,
                              .role = role,
                              .teams = teams,
                              .team_count = 1,
                              .issued_s = issued_s,
                              .expires_s = NOW + 100};
  char *text = token_sign(&signer, &order);
  struct token token;
  enum token_status status = token_guard_admit(&guard, text, strlen(text), NOW, &token);
  if (status == TOKEN_OK && out_stamp) *out_stamp = token_stamp_of(&token);
  if (status == TOKEN_OK) token_fini(&token);
  free(text);
  return status;
}

static void revoke_id(const char *id, int64_t until_s) {
  struct revocation r = {.until_s = until_s};
  strcpy(r.id, id);
  revoked_add(guard.revoked, &r);
}

static void revoke_holder(const char *holder, int64_t issued_until_s) {
  struct revocation r = {.issued_until_s = issued_until_s};
  strcpy(r.holder, holder);
  revoked_add(guard.revoked, &r);
}

static void nobody_comes_in_before_it_is_known_who_may(void **state) {
  (void)state;
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW, NULL), TOKEN_UNKNOWN);
  revoke_id("b", 0);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW, NULL), TOKEN_UNKNOWN);
  revoked_set_known(guard.revoked);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW, NULL), TOKEN_OK);
}

static void a_revoked_id_is_refused_and_no_other(void **state) {
  (void)state;
  revoked_set_known(guard.revoked);
  revoke_id("a", NOW + 100);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW, NULL), TOKEN_REVOKED);
  assert_int_equal(admit(TOKEN_WORKER, "van-7", "a", NOW, NULL), TOKEN_REVOKED);
  assert_int_equal(admit(TOKEN_MANAGER, "a", "b", NOW, NULL), TOKEN_OK);
  assert_int_equal(admit(TOKEN_MANAGER, "a", "", NOW, NULL), TOKEN_OK);
  assert_int_equal(revoked_count(guard.revoked), 1);
}

static void a_holders_tokens_are_refused_up_to_the_time_of_issue(void **state) {
  (void)state;
  revoked_set_known(guard.revoked);
  revoke_holder("anna", NOW - 10);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW - 10, NULL), TOKEN_REVOKED);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW - 9, NULL), TOKEN_OK);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "", 0, NULL), TOKEN_REVOKED);
  assert_int_equal(admit(TOKEN_MANAGER, "ann", "a", NOW - 10, NULL), TOKEN_OK);
  revoke_holder("anna", NOW - 20);  // heard late: it takes nothing back
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW - 10, NULL), TOKEN_REVOKED);
  revoke_holder("anna", NOW);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW - 9, NULL), TOKEN_REVOKED);
}

static void a_worker_is_one_of_its_team(void **state) {
  (void)state;
  revoked_set_known(guard.revoked);
  revoke_holder("van-7", NOW);
  revoke_holder("team-2/van-7", NOW);
  assert_int_equal(admit(TOKEN_WORKER, "van-7", "a", NOW, NULL), TOKEN_OK);
  revoke_holder("team-1/van-7", NOW);
  assert_int_equal(admit(TOKEN_WORKER, "van-7", "a", NOW, NULL), TOKEN_REVOKED);
}

static void a_long_name_is_cut_alike_everywhere(void **state) {
  (void)state;
  char name[100] = "", holder[TOKEN_HOLDER_BYTES] = "";
  memset(name, 'x', sizeof name - 1);
  memset(holder, 'x', IDENT_MAX_BYTES);
  revoked_set_known(guard.revoked);
  assert_int_equal(admit(TOKEN_MANAGER, name, "a", NOW, NULL), TOKEN_OK);
  revoke_holder(holder, NOW);
  assert_int_equal(admit(TOKEN_MANAGER, name, "a", NOW, NULL), TOKEN_REVOKED);
}

static void who_is_in_is_looked_for_once_after_each_revocation(void **state) {
  (void)state;
  struct token_stamp stamp;
  revoked_set_known(guard.revoked);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW, &stamp), TOKEN_OK);
  uint64_t looked = revoked_version(guard.revoked);
  assert_int_equal(token_guard_look(&guard, &stamp, NOW, looked), TOKEN_OK);
  revoke_id("a", 0);
  assert_int_equal(token_guard_look(&guard, &stamp, NOW, looked), TOKEN_REVOKED);
  assert_int_equal(token_guard_look(&guard, &stamp, NOW, revoked_version(guard.revoked)), TOKEN_OK);
  assert_int_equal(token_guard_look(&guard, &stamp, NOW, UINT64_MAX), TOKEN_REVOKED);
}

static void who_is_in_goes_with_the_token(void **state) {
  (void)state;
  struct token_stamp stamp;
  revoked_set_known(guard.revoked);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "a", NOW, &stamp), TOKEN_OK);
  assert_int_equal(token_guard_look(&guard, &stamp, NOW + 99 + TOKEN_LATE_S, 0), TOKEN_OK);
  assert_int_equal(token_guard_look(&guard, &stamp, NOW + 100 + TOKEN_LATE_S, 0), TOKEN_EXPIRED);
  assert_true(TOKEN_LATE_S <= 3);  // with a second for the look and one for the message, within 5 s
}

static void what_has_expired_long_ago_is_forgotten(void **state) {
  (void)state;
  revoked_set_known(guard.revoked);
  revoke_id("a", NOW);
  revoke_id("b", 0);
  revoke_id("c", NOW);
  revoke_id("c", NOW + 10 * DAY);
  revoked_tidy(guard.revoked, NOW + DAY - 1);
  assert_int_equal(revoked_count(guard.revoked), 3);
  revoked_tidy(guard.revoked, NOW + DAY);
  assert_int_equal(revoked_count(guard.revoked), 2);
  revoked_tidy(guard.revoked, NOW + 100 * DAY);
  assert_int_equal(revoked_count(guard.revoked), 1);
  assert_int_equal(admit(TOKEN_MANAGER, "anna", "b", NOW, NULL), TOKEN_REVOKED);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(nobody_comes_in_before_it_is_known_who_may),
      TEST(a_revoked_id_is_refused_and_no_other),
      TEST(a_holders_tokens_are_refused_up_to_the_time_of_issue),
      TEST(a_worker_is_one_of_its_team),
      TEST(a_long_name_is_cut_alike_everywhere),
      TEST(who_is_in_is_looked_for_once_after_each_revocation),
      TEST(who_is_in_goes_with_the_token),
      TEST(what_has_expired_long_ago_is_forgotten),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

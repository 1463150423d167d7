// common/nats_url
#include "nats_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const char *servers, const char *user, const char *password, const char *wanted) {
  char *url = NULL;
  const char *fault = NULL;
  assert_true(nats_url_login(servers, user, password, &url, &fault));
  assert_string_equal(url, wanted);
  assert_null(fault);
  free(url);
}

static void expect_fault(const char *servers, const char *user, const char *password) {
  char *url = NULL;
  const char *fault = NULL;
  assert_false(nats_url_login(servers, user, password, &url, &fault));
  assert_null(url);
  assert_non_null(fault);
}

static void test_without_a_login_addresses_stay_as_they_are(void **state) {
  (void)state;
  expect("nats://127.0.0.1:4222", "", "", "nats://127.0.0.1:4222");
  expect("nats://a:1,nats://b:2", "", "", "nats://a:1,nats://b:2");
}

static void test_every_server_gets_the_login(void **state) {
  (void)state;
  expect("nats://127.0.0.1:4222", "tracker", "s3", "nats://tracker:s3@127.0.0.1:4222");
  expect("nats://a:1,b:2,tls://c", "u", "p", "nats://u:p@a:1,u:p@b:2,tls://u:p@c");
}

static void test_a_password_is_not_encoded(void **state) {
  (void)state;
  expect("nats://h:1", "u", "a+b/c=:@#%?", "nats://u:a+b/c=:@#%?@h:1");
}

static void test_an_address_must_not_hold_a_login(void **state) {
  (void)state;
  expect_fault("nats://u:p@h:1", "", "");
  expect_fault("nats://a:1,nats://u:p@b:2", "u", "p");
}

static void test_what_nats_would_split_is_refused(void **state) {
  (void)state;
  expect_fault("nats://h:1", "u:v", "p");
  expect_fault("nats://h:1", "u", "p,q");
  expect_fault("nats://h:1", "u", "p q");
  expect_fault("nats://h:1", "u", "p\n");
}

static void test_user_and_password_come_together(void **state) {
  (void)state;
  expect_fault("nats://h:1", "u", "");
  expect_fault("nats://h:1", "", "p");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_without_a_login_addresses_stay_as_they_are),
      cmocka_unit_test(test_every_server_gets_the_login),
      cmocka_unit_test(test_a_password_is_not_encoded),
      cmocka_unit_test(test_an_address_must_not_hold_a_login),
      cmocka_unit_test(test_what_nats_would_split_is_refused),
      cmocka_unit_test(test_user_and_password_come_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

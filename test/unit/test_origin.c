// Whose page it is that asks.
#include "../../gateway/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void our_own_pages_are_ours(void **state) {
  (void)state;
  assert_true(origin_is_ours("http://map.example", "map.example", NULL));
  assert_true(origin_is_ours("https://map.example", "map.example", NULL));
  assert_true(origin_is_ours("https://map.example", "map.example", "https"));
  assert_true(origin_is_ours("http://127.0.0.1:8080", "127.0.0.1:8080", "http"));
  assert_true(origin_is_ours("https://[::1]:8443", "[::1]:8443", "https"));
  assert_true(origin_is_ours("https://MAP.example", "map.Example", "HTTPS"));
}

static void who_is_no_browser_says_nothing(void **state) {
  (void)state;
  assert_true(origin_is_ours(NULL, "map.example", "https"));
  assert_true(origin_is_ours(NULL, NULL, NULL));
}

static void others_are_not(void **state) {
  (void)state;
  static const char *const others[] = {"",
                                       "null",
                                       "map.example",
                                       "://map.example",
                                       "https://",
                                       "https://map.example.evil.example",
                                       "https://evil.example/map.example",
                                       "https://evil.example",
                                       "https://map.example:8443",
                                       "https://sub.map.example",
                                       "https://map.example/",
                                       "https://map.exampl",
                                       "https://map.example, https://evil.example",
                                       "file://map.example",
                                       "httpss://map.example",
                                       "xhttps://map.example"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_false(origin_is_ours(others[i], "map.example", NULL));
    assert_false(origin_is_ours(others[i], "map.example", "https"));
  }
  assert_false(origin_is_ours("https://map.example", NULL, NULL));
  assert_false(origin_is_ours("https://", "", NULL));
}

static void a_page_without_tls_is_not_ours_where_there_is_tls(void **state) {
  (void)state;
  assert_false(origin_is_ours("http://map.example", "map.example", "https"));
  assert_false(origin_is_ours("https://map.example", "map.example", "http"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(our_own_pages_are_ours),
      cmocka_unit_test(who_is_no_browser_says_nothing),
      cmocka_unit_test(others_are_not),
      cmocka_unit_test(a_page_without_tls_is_not_ours_where_there_is_tls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

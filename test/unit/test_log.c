// common/log: what strangers can cause is logged so often and no more.
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000)

static unsigned passed(struct log_limit *limit, unsigned times, int64_t now_us) {
  unsigned count = 0;
  for (unsigned i = 0; i < times; i++) count += log_limit_pass(limit, now_us);
  return count;
}

static void test_so_many_lines_pass_in_a_second(void **state) {
  (void)state;
  struct log_limit limit = {0};
  assert_int_equal(passed(&limit, 1, 100 * S), 1);
  assert_int_equal(passed(&limit, 1000, 100 * S + 1), LOG_LIMIT_PER_S - 1);
  assert_int_equal(passed(&limit, 1000, 101 * S - 1), 0);
}

static void test_and_as_many_in_the_next(void **state) {
  (void)state;
  struct log_limit limit = {0};
  for (int64_t second = 100; second < 200; second++) {
    assert_int_equal(passed(&limit, 1000, second * S + second), LOG_LIMIT_PER_S);
  }
}

static void test_text_from_outside_is_quoted(void **state) {
  (void)state;
  assert_string_equal(LOG_TEXT("a\"b\\c\nd\x80", 8), "\"a\\\"b\\\\c\\x0ad\\x80\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_so_many_lines_pass_in_a_second),
      cmocka_unit_test(test_and_as_many_in_the_next),
      cmocka_unit_test(test_text_from_outside_is_quoted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

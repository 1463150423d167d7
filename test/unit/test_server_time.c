// server_time.c: server time under a system clock that is stepped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tracker/server_time.h"

#define WALL INT64_C(1700000000000000)
#define HOUR INT64_C(3600000000)

static void it_is_the_wall_clock(void **state) {
  (void)state;
  struct server_time time = {0};
  assert_int_equal(server_time_read(&time, WALL, 5), WALL);
  assert_int_equal(server_time_read(&time, WALL + 1000, 1005), WALL + 1000);
}

static void it_follows_a_step_forward(void **state) {
  (void)state;
  struct server_time time = {0};
  server_time_read(&time, WALL, 0);
  assert_int_equal(server_time_read(&time, WALL + HOUR, 1000), WALL + HOUR);
}

static void it_never_goes_back_and_walks_off_what_it_is_ahead(void **state) {
  (void)state;
  struct server_time time = {0};
  int64_t before = server_time_read(&time, WALL, 0), mono;
  for (mono = 1000000; mono <= 20 * HOUR; mono += 1000000) {
    int64_t wall = WALL - HOUR + mono;
    int64_t now = server_time_read(&time, wall, mono);
    assert_true(now > before);
    assert_true(now >= wall);
    if (mono < 9 * HOUR) assert_true(now > wall);
    if (mono > 11 * HOUR) assert_int_equal(now, wall);
    before = now;
  }
}

static void asking_often_does_not_keep_it_ahead(void **state) {
  (void)state;
  struct server_time time = {0};
  server_time_read(&time, WALL, 0);
  int64_t now = 0;
  for (int64_t mono = 1; mono <= 2000000; mono++) now = server_time_read(&time, WALL - 1000000 + mono, mono);
  assert_in_range(now - (WALL - 1000000 + 2000000), 800000, 801000);  // of a second, a tenth of two was walked off
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_the_wall_clock),
      cmocka_unit_test(it_follows_a_step_forward),
      cmocka_unit_test(asking_often_does_not_keep_it_ahead),
      cmocka_unit_test(it_never_goes_back_and_walks_off_what_it_is_ahead),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// rounds.c under a load of the test's own.
#include "../../tracker/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LEAST 4000
#define MOST 32000
#define START 1000000

static struct rounds start(int64_t least_us, int64_t most_us) {
  struct rounds rounds;
  rounds_init(&rounds, least_us, most_us);
  return rounds;
}

// Runs it for a while at so many updates a second, as the loop does: rounds that bring something are length_us apart at
// least. Returns the updates per round in the second half.
static double run(struct rounds *rounds, double per_s, int64_t *now_us, int count) {
  double due = 0, brought = 0;
  int64_t second_half = 0;
  for (int i = 0; i < count; i++) {
    int64_t begun_us = *now_us;
    do {
      *now_us += due < 1 ? 1 + (int64_t)((1 - due) / per_s * 1e6) : 0;
      if (*now_us < begun_us + rounds->length_us) *now_us = begun_us + rounds->length_us;
      due += (double)(*now_us - begun_us) * per_s / 1e6;
    } while (due < 1);
    rounds_brought(rounds, (uint32_t)due, *now_us);
    if (i >= count / 2) brought += (uint32_t)due, second_half++;
    due -= (uint32_t)due;
  }
  return brought / (double)second_half;
}

static void a_busy_tracker_has_the_shortest_rounds(void **state) {
  (void)state;
  int64_t now_us = START;
  struct rounds rounds = start(LEAST, MOST);
  run(&rounds, 20000, &now_us, 100);
  assert_int_equal(rounds.length_us, LEAST);
}

static void with_less_to_do_a_round_brings_as_many(void **state) {
  (void)state;
  for (double per_s = 4000; per_s >= 500; per_s /= 2) {
    int64_t now_us = START;
    struct rounds rounds = start(LEAST, MOST);
    double brought = run(&rounds, per_s, &now_us, 400);
    assert_true(brought > ROUND_UPDATES * 0.85 && brought < ROUND_UPDATES * 1.15);
  }
}

static void with_little_to_do_no_round_is_longer_than_the_most(void **state) {
  (void)state;
  int64_t now_us = START;
  struct rounds rounds = start(LEAST, MOST);
  run(&rounds, 200, &now_us, 100);
  assert_int_equal(rounds.length_us, MOST);
}

static void where_waiting_would_save_nothing_rounds_are_short(void **state) {
  (void)state;
  for (double per_s = 1; per_s < 100; per_s *= 2) {
    int64_t now_us = START;
    struct rounds rounds = start(LEAST, MOST);
    run(&rounds, per_s, &now_us, 100);
    assert_int_equal(rounds.length_us, LEAST);
  }
}

static void what_goes_with_rounds_is_stretched_like_them(void **state) {
  (void)state;
  int64_t now_us = START;
  struct rounds rounds = start(LEAST, MOST);
  run(&rounds, 20000, &now_us, 100);
  assert_int_equal(rounds_stretch_ms(&rounds, 20), 20);
  run(&rounds, 200, &now_us, 100);
  assert_int_equal(rounds_stretch_ms(&rounds, 20), 160);
}

static void it_is_quick_to_notice_the_end_of_a_silence(void **state) {
  (void)state;
  int64_t now_us = START;
  struct rounds rounds = start(LEAST, MOST);
  run(&rounds, 1, &now_us, 100);
  now_us += 3600000000;
  int64_t begun_us = now_us;
  for (int i = 0; i < 30; i++) run(&rounds, 20000, &now_us, 1);
  assert_int_equal(rounds.length_us, LEAST);
  assert_true(now_us - begun_us < 500000);
}

static void the_least_may_be_nothing_and_the_most_the_least(void **state) {
  (void)state;
  int64_t now_us = START;
  struct rounds rounds = start(0, MOST);  // none at all
  run(&rounds, 1000, &now_us, 100);
  assert_int_equal(rounds.length_us, 0);
  assert_int_equal(rounds_stretch_ms(&rounds, 20), 20);
  rounds = start(LEAST, 0);
  run(&rounds, 100, &now_us, 100);
  assert_int_equal(rounds.length_us, LEAST);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_busy_tracker_has_the_shortest_rounds),
      cmocka_unit_test(with_less_to_do_a_round_brings_as_many),
      cmocka_unit_test(with_little_to_do_no_round_is_longer_than_the_most),
      cmocka_unit_test(where_waiting_would_save_nothing_rounds_are_short),
      cmocka_unit_test(what_goes_with_rounds_is_stretched_like_them),
      cmocka_unit_test(it_is_quick_to_notice_the_end_of_a_silence),
      cmocka_unit_test(the_least_may_be_nothing_and_the_most_the_least),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

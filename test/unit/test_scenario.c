// scenario.c: what named scenarios do, by a clock that is only a number; what is refused; that plans are kept exactly.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/scenario.h"

#define SECOND INT64_C(1000000)

static struct scenario read_text(const char *text) {
  struct scenario scenario;
  unsigned line;
  assert_non_null(text);
  const char *fault = scenario_parse(text, strlen(text), &scenario, &line);
  if (fault) fail_msg("line %u of \"%s\": %s", line, text, fault);
  return scenario;
}

static struct scenario named(const char *name) {
  return read_text(scenario_named(name));
}

// How many positions of each of 1,000 workers, at one a second, are planned from one second to another.
static double rate(const struct scenario *s, int64_t from_s, int64_t until_s) {
  uint32_t count = 0;
  for (uint64_t n = 0;; n++) {
    int64_t us = scenario_planned_us(s, SECOND, (double)n / 1000);
    if (us >= until_s * SECOND) return count / 1000.0;
    count += us >= from_s * SECOND;
  }
}

#define ABOUT(value, expected) assert_true(fabs((value) - (expected)) <= 0.0011 + (expected) / 1000)

static void steady_is_the_interval_to_the_microsecond(void **state) {
  (void)state;
  const struct scenario s = named("steady");
  assert_true(s.seconds <= 0);
  for (int64_t round = 0; round < 100000; round += 997) {
    for (int64_t place = 0; place < 1000; place += 7) {
      int64_t exact = round * SECOND + place * SECOND / 1000;
      assert_int_equal(scenario_planned_us(&s, SECOND, (double)round + (double)place / 1000), exact);
    }
  }
}

static void spike_goes_to_five_times_in_ten_seconds_and_back(void **state) {
  (void)state;
  const struct scenario s = named("spike");
  assert_true(fabs(s.seconds - 60) < 1e-9);
  ABOUT(rate(&s, 0, 10), 10);
  ABOUT(rate(&s, 10, 20), 30);
  ABOUT(rate(&s, 14, 16), 6);
  ABOUT(rate(&s, 20, 30), 50);
  ABOUT(rate(&s, 30, 40), 30);
  ABOUT(rate(&s, 40, 60), 20);
  ABOUT(rate(&s, 100, 110), 10);  // goes on as it ended
}

static void halve_jumps_to_half_and_back(void **state) {
  (void)state;
  const struct scenario s = named("halve");
  ABOUT(rate(&s, 19, 20), 1);
  ABOUT(rate(&s, 20, 40), 10);
  ABOUT(rate(&s, 40, 41), 1);
}

static void season_is_a_day_in_four_minutes(void **state) {
  (void)state;
  const struct scenario s = named("season");
  assert_true(fabs(s.seconds - 240) < 1e-9);
  assert_true(rate(&s, 30, 50) < rate(&s, 75, 95) / 5);
  assert_true(rate(&s, 110, 130) < rate(&s, 155, 175));
}

static void plans_never_go_back(void **state) {
  (void)state;
  static const char *const names[] = {"spike", "halve", "season"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const struct scenario s = named(names[i]);
    int64_t last = -1;
    for (double n = 0; n < 400; n += 0.001) {
      int64_t us = scenario_planned_us(&s, SECOND, n);
      assert_true(us > last);
      last = us;
    }
  }
}

static void a_stretched_scenario_is_the_same_in_another_time(void **state) {
  (void)state;
  struct scenario s = read_text("rate 0 1\nrate 10 5\nrate 20 1\ncut 5 1\n");
  scenario_stretch(&s, 10);
  assert_true(fabs(s.seconds - 10) < 1e-9);
  ABOUT(rate(&s, 0, 5), 15);
  ABOUT(rate(&s, 5, 10), 15);
  assert_int_equal(scenario_cuts(&s, 8, 2400000, 2500000), 8);
  struct scenario steady = named("steady");
  scenario_stretch(&steady, 10);
  assert_true(steady.seconds <= 0);
  ABOUT(rate(&steady, 0, 20), 20);
}

static void storm_cuts_all_twice(void **state) {
  (void)state;
  const struct scenario s = named("storm");
  uint32_t count = 0, times = 0;
  for (int64_t us = 0; us < 60 * SECOND; us += 7000) {
    uint32_t cuts = scenario_cuts(&s, 333, us, us + 7000);
    times += cuts > 0;
    count += cuts;
  }
  assert_int_equal(count, 2 * 333);
  assert_int_equal(times, 2);
  ABOUT(rate(&s, 0, 60), 60);
}

static void a_cut_may_be_at_once(void **state) {
  (void)state;
  const struct scenario s = read_text("cut 0 0.5\nchurn 0.5\n");
  assert_int_equal(scenario_cuts(&s, 10, -1, 0), 5);
  assert_int_equal(scenario_cuts(&s, 10, 0, SECOND), 5);
}

static void churn_cuts_its_share_each_second_however_often_it_is_asked(void **state) {
  (void)state;
  const struct scenario s = named("churn");
  for (int64_t step = 1000; step <= 100000; step *= 10) {
    uint32_t count = 0;
    for (int64_t us = 0; us < 100 * SECOND; us += step) count += scenario_cuts(&s, 30, us, us + step);
    assert_int_equal(count, 150);
  }
  assert_int_equal(scenario_cuts(&s, 30, 0, 1000 * SECOND), 30);  // nobody twice at once
}

static void skew_gives_each_team_half_of_the_one_before(void **state) {
  (void)state;
  enum { WORKERS = 4000 };
  for (uint32_t teams = 1; teams <= 40; teams += 3) {
    static bool taken[40][WORKERS];
    uint32_t members[40] = {0};
    memset(taken, 0, sizeof taken);
    const struct scenario s = named("skew");
    for (uint32_t i = 0; i < WORKERS; i++) {
      struct scenario_place place = scenario_place(&s, i, teams);
      assert_true(place.team < teams && place.member < WORKERS);
      assert_false(taken[place.team][place.member]);
      taken[place.team][place.member] = true;
      members[place.team]++;
    }
    assert_int_equal(members[0], teams == 1 ? WORKERS : WORKERS / 2);
    if (teams > 2) assert_int_equal(members[1], WORKERS / 4);
  }
}

static void without_skew_teams_are_alike(void **state) {
  (void)state;
  const struct scenario s = named("steady");
  struct scenario_place place = scenario_place(&s, 23, 10);
  assert_int_equal(place.team, 3);
  assert_int_equal(place.member, 2);
}

static void a_tenth_of_the_viewers_is_slow(void **state) {
  (void)state;
  const struct scenario s = named("slow-viewers"), steady = named("steady");
  uint32_t slow = 0;
  for (uint32_t i = 0; i < 1000; i++) {
    slow += scenario_is_slow(&s, i);
    assert_false(scenario_is_slow(&steady, i));
  }
  assert_int_equal(slow, 100);
  assert_int_equal(named("duplicates").repeat_every, 10);
}

static void a_file_may_say_all_of_it_with_remarks(void **state) {
  (void)state;
  const struct scenario s = read_text("# evening\r\n\n  rate 0 2 # twice\nskewed\nchurn 0.1\nseconds 30\nslow 1");
  assert_true(s.skewed && s.point_count == 1 && s.cut_count == 0);
  assert_true(fabs(s.churn - 0.1) < 1e-9 && fabs(s.seconds - 30) < 1e-9 && fabs(s.slow - 1) < 1e-9);
  ABOUT(rate(&s, 0, 10), 20);
}

static void what_is_wrong_is_refused_with_its_line(void **state) {
  (void)state;
  static const char *const bad[] = {
      "rate 1",    "rate 0 0",  "rate 0 nan",    "rate -1 1", "rate 0 1 2",  "cut 1",    "cut 1 1.5",
      "churn",     "churn -1",  "churn 0.1 0.2", "repeat 0",  "repeat x",    "skewed 1", "slow 2",
      "seconds 0", "reconnect", "rate 0x",       "cut 1 1 x", "seconds inf",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[64];
    struct scenario scenario;
    unsigned line;
    snprintf(text, sizeof text, "skewed\n%s\nskewed\n", bad[i]);
    const char *fault = scenario_parse(text, strlen(text), &scenario, &line);
    if (!fault) fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(line, 2);
  }
  struct scenario scenario;
  unsigned line;
  static const char disorder[] = "rate 5 1\nrate 4 1\n";
  assert_non_null(scenario_parse(disorder, sizeof disorder - 1, &scenario, &line));
  assert_null(scenario_named("spikes"));
}

static void too_many_of_anything_is_refused(void **state) {
  (void)state;
  static const char *const words[] = {"rate", "cut"};
  for (size_t w = 0; w < 2; w++) {
    char text[4096] = "";
    struct scenario scenario;
    unsigned line;
    for (unsigned i = 0; i < SCENARIO_POINTS + 1; i++) {
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s %u 1\n", words[w], i);
    }
    assert_non_null(scenario_parse(text, strlen(text), &scenario, &line));
    assert_int_equal(line, SCENARIO_POINTS + 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steady_is_the_interval_to_the_microsecond),
      cmocka_unit_test(spike_goes_to_five_times_in_ten_seconds_and_back),
      cmocka_unit_test(halve_jumps_to_half_and_back),
      cmocka_unit_test(season_is_a_day_in_four_minutes),
      cmocka_unit_test(plans_never_go_back),
      cmocka_unit_test(a_stretched_scenario_is_the_same_in_another_time),
      cmocka_unit_test(storm_cuts_all_twice),
      cmocka_unit_test(a_cut_may_be_at_once),
      cmocka_unit_test(churn_cuts_its_share_each_second_however_often_it_is_asked),
      cmocka_unit_test(skew_gives_each_team_half_of_the_one_before),
      cmocka_unit_test(without_skew_teams_are_alike),
      cmocka_unit_test(a_tenth_of_the_viewers_is_slow),
      cmocka_unit_test(a_file_may_say_all_of_it_with_remarks),
      cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
      cmocka_unit_test(too_many_of_anything_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

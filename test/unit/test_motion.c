// motion.c: movement that could be real.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "../../simulator/motion.h"

#define S INT64_C(1000000)
#define LATITUDE 473769000
#define LONGITUDE 85417000
#define RADIUS_M 3000.0

static struct motion_area area;

static int setup(void **state) {
  (void)state;
  area = motion_area(LATITUDE, LONGITUDE, RADIUS_M);
  return 0;
}

static double metres(const struct position *a, const struct position *b) {
  double north = (double)(a->latitude_e7 - b->latitude_e7) / 1e7 * 111320;
  double east = (double)(a->longitude_e7 - b->longitude_e7) / 1e7 * 111320 * cos(LATITUDE / 1e7 * M_PI / 180);
  return hypot(north, east);
}

static void the_same_seed_goes_the_same_way(void **state) {
  (void)state;
  struct motion a, b, c;
  struct position at_a, at_b, at_c;
  motion_init(&a, &area, MOTION_BIKE, 7);
  motion_init(&b, &area, MOTION_BIKE, 7);
  motion_init(&c, &area, MOTION_BIKE, 8);
  for (int i = 0; i < 600; i++) {
    motion_advance(&a, &area, S), motion_advance(&b, &area, S), motion_advance(&c, &area, S);
  }
  motion_position(&a, &area, &at_a), motion_position(&b, &area, &at_b), motion_position(&c, &area, &at_c);
  assert_memory_equal(&at_a, &at_b, sizeof at_a);
  assert_true(metres(&at_a, &at_c) > 1);
}

// Follows one worker for an hour; returns how many seconds it moved, stood and the longest way in a second.
static void follow(enum motion_kind kind, uint64_t seed, int *out_moved, int *out_stood, double *out_fastest) {
  struct motion motion;
  struct position before, now;
  const struct position centre = {.latitude_e7 = LATITUDE, .longitude_e7 = LONGITUDE};
  motion_init(&motion, &area, kind, seed);
  motion_position(&motion, &area, &before);
  for (int i = 0; i < 3600; i++) {
    motion_advance(&motion, &area, S);
    motion_position(&motion, &area, &now);
    now.taken_at_us = 1;
    now.has |= POSITION_HAS_TAKEN_AT;
    assert_int_equal(position_check(&now, 0, 2), POSITION_GOOD);
    assert_true(metres(&now, &centre) < RADIUS_M + 250);
    double way = metres(&now, &before);
    *(way > 0.05 ? out_moved : out_stood) += 1;
    if (way > *out_fastest) *out_fastest = way;
    before = now;
  }
}

static void all_move_at_their_pace_stop_at_times_and_stay_in_the_area(void **state) {
  (void)state;
  // A turn from one side of a street to the other adds a few metres to a second's way.
  static const double at_most_m[MOTION_KINDS] = {1.7 + 16, 6.0 + 8, 12.5 + 6};
  for (int kind = 0; kind < MOTION_KINDS; kind++) {
    int moved = 0, stood = 0;
    double fastest = 0;
    for (uint64_t seed = 0; seed < 40; seed++) follow((enum motion_kind)kind, seed, &moved, &stood, &fastest);
    assert_true(moved > stood);
    assert_true(stood > 40 * 30);
    assert_true(fastest < at_most_m[kind]);
  }
}

static void the_speed_it_tells_is_the_speed_it_goes(void **state) {
  (void)state;
  double told_m = 0, gone_m = 0;
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct motion motion;
    struct position before, now;
    motion_init(&motion, &area, MOTION_VAN, seed);
    motion_position(&motion, &area, &before);
    for (int i = 0; i < 1000; i++) {
      motion_advance(&motion, &area, S);
      motion_position(&motion, &area, &now);
      told_m += now.speed_cm_s / 100.0;
      gone_m += metres(&now, &before);
      before = now;
    }
  }
  assert_true(told_m / gone_m > 0.85 && told_m / gone_m < 1.15);
}

static void brakes_before_it_stops(void **state) {
  (void)state;
  int stops = 0;
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct motion motion;
    struct position before, now;
    motion_init(&motion, &area, MOTION_VAN, seed);
    motion_position(&motion, &area, &before);
    for (int i = 0; i < 1000; i++, before = now) {
      motion_advance(&motion, &area, S);
      motion_position(&motion, &area, &now);
      if (i < 3 || now.speed_cm_s > 0 || before.speed_cm_s == 0) continue;
      assert_true(before.speed_cm_s < 600);
      stops++;
    }
  }
  assert_true(stops > 100);
}

static void its_heading_is_where_it_goes(void **state) {
  (void)state;
  struct motion motion;
  struct position before, now;
  int compared = 0;
  motion_init(&motion, &area, MOTION_VAN, 3);
  motion_position(&motion, &area, &before);
  for (int i = 0; i < 2000; i++, before = now) {
    motion_advance(&motion, &area, S);
    motion_position(&motion, &area, &now);
    if (now.heading_cdeg != before.heading_cdeg || metres(&now, &before) < 5) continue;
    double north = now.latitude_e7 - before.latitude_e7;
    double east = (now.longitude_e7 - before.longitude_e7) * cos(LATITUDE / 1e7 * M_PI / 180);
    double way = fmod(atan2(east, north) * 180 / M_PI + 360, 360);
    double off = fabs(way - now.heading_cdeg / 100.0);
    assert_true(off < 1 || off > 359);
    compared++;
  }
  assert_true(compared > 500);
}

static void a_minute_at_once_is_as_good_as_sixty_seconds(void **state) {
  (void)state;
  struct motion motion;
  struct position before, now;
  motion_init(&motion, &area, MOTION_WALK, 5);
  motion_position(&motion, &area, &before);
  motion_advance(&motion, &area, 60 * S);
  motion_position(&motion, &area, &now);
  assert_true(metres(&now, &before) < 60 * 1.7 + 16);
  motion_advance(&motion, &area, INT64_C(1) << 60);  // ends
}

static void the_ends_of_the_earth_are_no_edge(void **state) {
  (void)state;
  static const int32_t places[][2] = {{899999999, 0}, {-900000000, 5}, {0, 1799999999}, {100, -1800000000}};
  for (size_t i = 0; i < 4; i++) {
    struct motion_area edge = motion_area(places[i][0], places[i][1], 2000);
    for (uint64_t seed = 0; seed < 50; seed++) {
      struct motion motion;
      struct position position;
      motion_init(&motion, &edge, MOTION_VAN, seed);
      motion_advance(&motion, &edge, 300 * S);
      motion_position(&motion, &edge, &position);
      position.has |= POSITION_HAS_TAKEN_AT;
      assert_int_equal(position_check(&position, 0, 1), POSITION_GOOD);
    }
  }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_same_seed_goes_the_same_way),
      TEST(all_move_at_their_pace_stop_at_times_and_stay_in_the_area),
      TEST(the_speed_it_tells_is_the_speed_it_goes),
      TEST(brakes_before_it_stops),
      TEST(its_heading_is_where_it_goes),
      TEST(a_minute_at_once_is_as_good_as_sixty_seconds),
      TEST(the_ends_of_the_earth_are_no_edge),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// Places against a naive count: whoever comes and goes in whatever order, the limits hold exactly.
#include "../../gateway/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEAMS 5
#define TOKENS 7
#define VIEWERS 60

struct viewer {
  struct place *place;  // NULL: not there
  unsigned team, token;
};

static unsigned count(const struct viewer *viewers, int team, int token) {
  unsigned n = 0;
  for (int i = 0; i < VIEWERS; i++) {
    bool here = viewers[i].place && (team < 0 || viewers[i].team == (unsigned)team);
    if (here && (token < 0 || viewers[i].token == (unsigned)token)) n++;
  }
  return n;
}

static enum places_status expected(const struct viewer *viewers, unsigned team, unsigned token,
                                   const struct places_limits *limits) {
  if (limits->process && count(viewers, -1, -1) >= limits->process) return PLACES_FULL;
  if (limits->token && count(viewers, -1, (int)token) >= limits->token) return PLACES_TOKEN_FULL;
  if (limits->team && count(viewers, (int)team, -1) >= limits->team) return PLACES_TEAM_FULL;
  return PLACES_TAKEN;
}

static void walk(const struct places_limits *limits, unsigned seed) {
  struct places *places = places_new(limits);
  struct viewer viewers[VIEWERS] = {0};
  srand(seed);
  for (int step = 0; step < 5000; step++) {
    struct viewer *viewer = &viewers[rand() % VIEWERS];
    if (viewer->place) {
      places_release(viewer->place);
      viewer->place = NULL;
      continue;
    }
    unsigned team = (unsigned)rand() % TEAMS, token = (unsigned)rand() % TOKENS;
    char name[16];
    struct place *place = NULL;
    snprintf(name, sizeof name, "team-%u", team);
    enum places_status want = expected(viewers, team, token, limits);
    assert_int_equal(places_take(places, name, token, &place), want);
    assert_int_equal(place != NULL, want == PLACES_TAKEN);
    *viewer = (struct viewer){place, team, token};
  }
  for (int i = 0; i < VIEWERS; i++) places_release(viewers[i].place);
  places_free(places);
}

static void test_limits_hold_exactly(void **state) {
  (void)state;
  walk(&(struct places_limits){.process = 20, .team = 6, .token = 4}, 1);
  walk(&(struct places_limits){.process = 25, .team = 6}, 2);
  walk(&(struct places_limits){.token = 3}, 3);
  walk(&(struct places_limits){0}, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_limits_hold_exactly)};
  return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}

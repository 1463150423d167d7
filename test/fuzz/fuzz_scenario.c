// scenario.c: what is taken keeps its limits, and what is planned by it never goes back.
#include "../../simulator/scenario.h"

#include <math.h>
#include <string.h>

#include "fuzz.h"

#define CONNECTIONS 1000

static bool is_within(double value, double least, double most) {
  return value >= least && value <= most;
}

static void check_limits(const struct scenario *s) {
  fuzz_check(s->point_count <= SCENARIO_POINTS && s->cut_count <= SCENARIO_CUTS);
  fuzz_check(is_within(s->seconds, 0, 1e7) && is_within(s->churn, 0, 1) && is_within(s->slow, 0, 1));
  for (unsigned i = 0; i < s->point_count; i++) {
    fuzz_check(is_within(s->points[i].factor, 0.001, 1000) && is_within(s->points[i].area_s, 0, 1e10));
    if (i > 0) fuzz_check(s->points[i].at_s >= s->points[i - 1].at_s);
    if (i > 0) fuzz_check(s->points[i].area_s >= s->points[i - 1].area_s);
  }
  for (unsigned i = 0; i < s->cut_count; i++) fuzz_check(is_within(s->cuts[i].share, 0, 1));
}

static void check_plan(const struct scenario *s) {
  int64_t before_us = 0;
  for (double positions = 0; positions < 1e6; positions = positions * 3 + 1) {
    int64_t us = scenario_planned_us(s, 1000000, positions);
    fuzz_check(us >= before_us);
    before_us = us;
  }
  uint64_t cuts = 0;
  for (int64_t from_us = -1, until_us = 0; until_us < 100000000; from_us = until_us, until_us += 7000000) {
    uint32_t count = scenario_cuts(s, CONNECTIONS, from_us, until_us);
    fuzz_check(count <= CONNECTIONS);
    cuts += count;
  }
  if (s->churn == 0 && s->cut_count == 0) fuzz_check(cuts == 0);
  uint32_t slow = 0;
  for (uint32_t i = 0; i < 64; i++) slow += scenario_is_slow(s, i);
  fuzz_check(slow == (uint32_t)floor(64 * s->slow));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  static struct scenario scenario;
  unsigned line = 0;
  if (scenario_parse((const char *)bytes, len, &scenario, &line)) return 0;
  check_limits(&scenario);
  check_plan(&scenario);
  double seconds = scenario.seconds;
  scenario_stretch(&scenario, 30);
  fuzz_check(scenario.seconds == (seconds > 0 ? 30 : 0));
  check_plan(&scenario);
  return 0;
}

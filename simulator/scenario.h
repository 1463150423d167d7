// What happens in a run of live load: how the rate of positions goes up and down, when connections are cut, and what is
// odd about workers and viewers. A scenario is a few lines of text; those that have a name are in scenario.c, and
// docs/simulator.md tells the words. Pure.
#ifndef MUSTER_SCENARIO_H
#define MUSTER_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_POINTS 64
#define SCENARIO_CUTS 64

struct scenario_point {
  double at_s, factor;  // of the usual rate; a straight line leads from point to point
  double area_s;        // under the line up to here
};

struct scenario_cut {
  double at_s, share;  // of all connections
};

// Seconds are counted from the first planned position.
struct scenario {
  double seconds;  // how long it is by itself; 0: no length of its own
  struct scenario_point points[SCENARIO_POINTS];
  struct scenario_cut cuts[SCENARIO_CUTS];
  unsigned point_count, cut_count;
  double churn;           // share of the connections that is cut each second, all the time
  bool skewed;            // half of the workers and viewers are of the first team, a quarter of the second, …
  uint32_t repeat_every;  // each so many-th report is sent twice; 0: none
  double slow;            // share of the viewers that read slowly
};

// The text of a scenario that has a name; NULL if none is called so.
const char *scenario_named(const char *name);

// Reads a scenario. NULL, or what is wrong with the line *out_line.
const char *scenario_parse(const char *text, size_t len, struct scenario *out, unsigned *out_line)
    __attribute__((warn_unused_result));

// Stretches all times so that it is so long; one without a length of its own is left as it is.
void scenario_stretch(struct scenario *scenario, double seconds);

// When, after the start, each worker should have taken so many positions, on average.
int64_t scenario_planned_us(const struct scenario *scenario, int64_t interval_us, double positions);

// How many of so many connections are to be cut after from_us (-1 at first), until until_us at the latest.
uint32_t scenario_cuts(const struct scenario *scenario, uint32_t connections, int64_t from_us, int64_t until_us);

// Where the number-th worker or viewer belongs.
struct scenario_place {
  uint32_t team, member;  // both from 0; no two have the same
};
struct scenario_place scenario_place(const struct scenario *scenario, uint32_t number, uint32_t teams);

bool scenario_is_slow(const struct scenario *scenario, uint32_t viewer);

#endif

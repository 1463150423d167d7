// Text to numbers, and what follows from them.
#include "scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name, *text;
} named[] = {
    {"steady", ""},
    {"spike", "rate 0 1\nrate 10 1\nrate 20 5\nrate 30 5\nrate 40 1\nrate 60 1\n"},
    {"halve", "rate 0 1\nrate 20 1\nrate 20 0.5\nrate 40 0.5\nrate 40 1\nrate 60 1\n"},
    // A day in four minutes, ten seconds to the hour: few at night, most in the morning and the late afternoon.
    {"season",
     "rate 0 0.2\nrate 40 0.1\nrate 60 0.3\nrate 80 1\nrate 95 0.8\nrate 120 0.7\nrate 140 0.8\nrate 165 1\n"
     "rate 190 0.6\nrate 220 0.3\nrate 240 0.2\n"},
    {"storm", "seconds 60\ncut 20 1\ncut 40 1\n"},
    {"churn", "churn 0.05\n"},
    {"skew", "skewed\n"},
    {"duplicates", "repeat 10\n"},
    {"slow-viewers", "slow 0.1\n"},
};

const char *scenario_named(const char *name) {
  for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
    if (strcmp(named[i].name, name) == 0) return named[i].text;
  }
  return NULL;
}

// ---- reading ----

static bool is_between(double value, double least, double most) {
  return value >= least && value <= most;  // false for what is no number, too
}

static const char *add_point(struct scenario *s, double at_s, double factor) {
  if (s->point_count == SCENARIO_POINTS) return "there are too many rates";
  if (!is_between(at_s, 0, 1e7) || !is_between(factor, 0.001, 1000)) return "a rate is SECONDS and a factor from 0.001";
  struct scenario_point *point = &s->points[s->point_count++];
  *point = (struct scenario_point){.at_s = at_s, .factor = factor, .area_s = at_s * factor};
  if (s->point_count > 1) {
    const struct scenario_point *before = point - 1;
    if (before->at_s > at_s) return "rates are not in the order of time";
    point->area_s = before->area_s + (at_s - before->at_s) * (before->factor + factor) / 2;
  }
  if (at_s > s->seconds) s->seconds = at_s;
  return NULL;
}

static const char *add_cut(struct scenario *s, double at_s, double share) {
  if (s->cut_count == SCENARIO_CUTS) return "there are too many cuts";
  if (!is_between(at_s, 0, 1e7) || !is_between(share, 0, 1)) return "a cut is SECONDS and a share from 0 to 1";
  s->cuts[s->cut_count++] = (struct scenario_cut){at_s, share};
  if (at_s > s->seconds) s->seconds = at_s;
  return NULL;
}

static const char *parse_line(char *line, struct scenario *s) {
  char word[16];
  double a = NAN, b = NAN;
  int end = 0;
  line[strcspn(line, "#")] = '\0';
  int got = sscanf(line, "%15s%n%lf%n%lf%n", word, &end, &a, &end, &b, &end);
  if (got < 1) return NULL;
  if (line[end + (int)strspn(line + end, " \t\r")]) return "something follows that is not a number";
  if (strcmp(word, "rate") == 0) return add_point(s, a, b);
  if (strcmp(word, "cut") == 0) return add_cut(s, a, b);
  if (got > 2) return "one number is enough";
  if (strcmp(word, "seconds") == 0) return s->seconds = a, is_between(a, 0.001, 1e7) ? NULL : "this is no time";
  if (strcmp(word, "churn") == 0) return s->churn = a, is_between(a, 0, 1) ? NULL : "churn is a share from 0 to 1";
  if (strcmp(word, "slow") == 0) return s->slow = a, is_between(a, 0, 1) ? NULL : "slow is a share from 0 to 1";
  if (strcmp(word, "repeat") == 0) {
    if (!is_between(a, 1, 1e6)) return "repeat is a number from 1";
    s->repeat_every = (uint32_t)a;
    return NULL;
  }
  if (strcmp(word, "skewed") == 0) return s->skewed = true, got == 1 ? NULL : "skewed has no number";
  return "the words are rate, cut, seconds, churn, slow, repeat and skewed";
}

const char *scenario_parse(const char *text, size_t len, struct scenario *out, unsigned *out_line) {
  const char *fault = NULL;
  *out = (struct scenario){0};
  for (*out_line = 0; len > 0 && !fault;) {
    const char *newline = memchr(text, '\n', len);
    size_t line_len = newline ? (size_t)(newline - text) : len;
    char line[128];
    ++*out_line;
    if (line_len >= sizeof line || memchr(text, '\0', line_len)) return "the line is too long, or no text";
    memcpy(line, text, line_len);
    line[line_len] = '\0';
    fault = parse_line(line, out);
    if (newline) line_len++;
    text += line_len;
    len -= line_len;
  }
  return fault;
}

void scenario_stretch(struct scenario *s, double seconds) {
  if (s->seconds <= 0) return;
  double stretch = seconds / s->seconds;
  for (unsigned i = 0; i < s->point_count; i++) {
    s->points[i].at_s *= stretch;
    s->points[i].area_s *= stretch;
  }
  for (unsigned i = 0; i < s->cut_count; i++) s->cuts[i].at_s *= stretch;
  s->seconds = seconds;
}

// ---- the rate ----

// The time at which the area under the rate's line is so large: the line's integral, turned round.
static double time_of_area(const struct scenario *s, double area_s) {
  if (s->point_count == 0) return area_s;
  const struct scenario_point *first = s->points, *last = s->points + s->point_count - 1, *to = first;
  if (area_s <= first->area_s) return area_s / first->factor;
  if (area_s >= last->area_s) return last->at_s + (area_s - last->area_s) / last->factor;
  while (to->area_s <= area_s) to++;
  const struct scenario_point *from = to - 1;
  double slope = (to->factor - from->factor) / (to->at_s - from->at_s), area = area_s - from->area_s;
  // factor * t + slope * t^2 / 2 = area, in the form that does not cancel
  return from->at_s + 2 * area / (from->factor + sqrt(from->factor * from->factor + 2 * slope * area));
}

int64_t scenario_planned_us(const struct scenario *s, int64_t interval_us, double positions) {
  double us = positions * (double)interval_us;
  return llround(s->point_count ? time_of_area(s, us / 1e6) * 1e6 : us);
}

// ---- cuts ----

uint32_t scenario_cuts(const struct scenario *s, uint32_t connections, int64_t from_us, int64_t until_us) {
  double from_s = (double)from_us / 1e6, until_s = (double)until_us / 1e6, all = connections;
  double count = floor(s->churn * all * until_s) - floor(s->churn * all * (from_s > 0 ? from_s : 0));
  for (unsigned i = 0; i < s->cut_count; i++) {
    if (s->cuts[i].at_s > from_s && s->cuts[i].at_s <= until_s) count += ceil(s->cuts[i].share * all);
  }
  return count < all ? (uint32_t)count : connections;
}

// ---- places ----

struct scenario_place scenario_place(const struct scenario *s, uint32_t number, uint32_t teams) {
  if (!s->skewed) return (struct scenario_place){number % teams, number / teams};
  // Of 1, 2, 3 … every second is odd, every fourth is twice an odd number, and so on; the last team has the rest.
  uint32_t n = number + 1, team = (uint32_t)__builtin_ctz(n);
  if (team < teams - 1) return (struct scenario_place){team, n >> (team + 1)};
  team = teams - 1 < 31 ? teams - 1 : 31;
  return (struct scenario_place){team, (n >> team) - 1};
}

bool scenario_is_slow(const struct scenario *s, uint32_t viewer) {
  return floor((viewer + 1) * s->slow) > floor(viewer * s->slow);
}

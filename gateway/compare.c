// At most one team is under suspicion at a time; its state in Postgres is kept until the second look.
#include "compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

// By then a tracker that fell silent counts as dead, and the heal for that (replicas.h) has begun.
#define AGAIN_US (REPLICA_ALIVE_US + 4000000)
#define POSTPONE_US 1000000
#define GIVE_UP_US 300000000
#define LOGGED_MAX 10

struct held {
  struct held *next;
  char team[IDENT_MAX_BYTES + 1];
};

struct compare {
  struct compare_options options;
  struct held *first, **last;  // the next to be looked at comes first
  size_t count;
  int64_t next_us;
  struct team *theirs;  // of the team under suspicion, or NULL
  uint64_t mark;        // of the last heartbeat before it was
  int64_t suspected_us, again_us;
};

struct compare *compare_new(const struct compare_options *options) {
  struct compare *compare = calloc(1, sizeof *compare);
  if (!compare) abort();
  compare->options = *options;
  compare->last = &compare->first;
  return compare;
}

static void acquit(struct compare *compare) {
  team_free(compare->theirs);
  compare->theirs = NULL;
}

void compare_free(struct compare *compare) {
  if (!compare) return;
  for (struct held *held = compare->first, *next; held; held = next) {
    next = held->next;
    free(held);
  }
  acquit(compare);
  free(compare);
}

static void append(struct compare *compare, struct held *held) {
  held->next = NULL;
  *compare->last = held;
  compare->last = &held->next;
}

static struct held *take(struct compare *compare, struct held **link) {
  struct held *held = *link;
  *link = held->next;
  if (compare->last == &held->next) compare->last = link;
  return held;
}

static struct held **find(struct compare *compare, const char *team) {
  struct held **link = &compare->first;
  while (*link && strcmp((*link)->team, team) != 0) link = &(*link)->next;
  return link;
}

void compare_add(struct compare *compare, const char *team) {
  if (*find(compare, team)) return;
  struct held *held = calloc(1, sizeof *held);
  if (!held) abort();
  snprintf(held->team, sizeof held->team, "%s", team);
  if (!compare->first) compare->next_us = clock_mono_us() + compare->options.interval_us;
  append(compare, held);
  compare->count++;
}

void compare_remove(struct compare *compare, const char *team) {
  struct held **link = find(compare, team);
  if (!*link) return;
  free(take(compare, link));
  compare->count--;
  if (compare->theirs && strcmp(team_name(compare->theirs), team) == 0) acquit(compare);
}

int64_t compare_due_us(const struct compare *compare) {
  if (compare->theirs) return compare->again_us;
  return compare->first && compare->options.interval_us ? compare->next_us : INT64_MAX;
}

// ---- looking ----

struct findings {
  const char *team;
  size_t count;
  bool log;
};

static void note(void *context, const struct view_row *row) {
  struct findings *findings = context;
  if (findings->log && findings->count < LOGGED_MAX) {
    log_error("difference", "team=%s worker=%.*s taken_at_us=%lld", findings->team, (int)row->worker.len,
              row->worker.data, row->position ? (long long)row->position->taken_at_us : 0);
  }
  findings->count++;
}

// How many workers Postgres knew more of than is shown now; false if what is shown is not said to be true just now.
static bool look(struct compare *compare, bool log, size_t *out_count) {
  bool partial;
  struct team *ours = fanout_copy(compare->options.fanout, team_name(compare->theirs), &partial);
  struct findings findings = {.team = team_name(compare->theirs), .log = log};
  bool true_now = ours && !partial;
  if (true_now) team_each_ahead(compare->theirs, ours, note, &findings);
  team_free(ours);
  *out_count = findings.count;
  return true_now;
}

static void look_first(struct compare *compare, int64_t now_us) {
  struct held *held = take(compare, &compare->first);
  struct snapshot_point point;
  size_t count;
  append(compare, held);
  compare->next_us = now_us + compare->options.interval_us / (int64_t)compare->count;
  compare->theirs = team_new(held->team);
  bool loaded = snapshot_load(compare->options.snapshot, &compare->theirs, 1, &point);
  if (loaded) metric_add(compare->options.metrics->comparisons, 1);
  if (!loaded || !look(compare, false, &count) || count == 0 || !feed_echo(compare->options.feed, &compare->mark)) {
    acquit(compare);
    return;
  }
  compare->suspected_us = now_us;
  compare->again_us = now_us + AGAIN_US;
}

// A heartbeat follows what its tracker has sent live: so one of each since the first look says that all of that came.
static bool heard_all_since(struct compare *compare, int64_t now_us) {
  size_t count;
  bool all = true;
  struct replica *alive = replicas_alive(compare->options.replicas, now_us, &count);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(alive[i].kind, "tracker") == 0 && alive[i].heard_mark <= compare->mark) all = false;
  }
  free(alive);
  return all;
}

static bool is_followed(const struct compare *compare, const struct group *groups) {
  for (; groups; groups = groups->next) {
    for (size_t i = 0; i < groups->count; i++) {
      const struct group_member *member = &groups->members[i];
      if (member->state && strcmp(member->name, team_name(compare->theirs)) == 0) return true;
    }
  }
  return false;
}

static void look_again(struct compare *compare, const struct group *groups, int64_t now_us) {
  uint64_t mark;
  size_t count;
  if (now_us - compare->suspected_us > GIVE_UP_US) {
    acquit(compare);
    return;
  }
  // The echo came through the same queues as what is live: what was sent before it has been merged.
  if (is_followed(compare, groups) || !heard_all_since(compare, now_us) || !feed_echo(compare->options.feed, &mark)) {
    compare->again_us = now_us + POSTPONE_US;
    return;
  }
  if (look(compare, true, &count) && count > 0) {
    metric_add(compare->options.metrics->differences, (int64_t)count);
    fanout_heal_team(compare->options.fanout, team_name(compare->theirs), HEAL_DIFFERENCE);
  }
  acquit(compare);
}

void compare_step(struct compare *compare, const struct group *groups, int64_t now_us) {
  if (now_us < compare_due_us(compare)) return;
  if (compare->theirs) {
    look_again(compare, groups, now_us);
  } else {
    look_first(compare, now_us);
  }
}

// Targets are added as trackers are first heard; one that is no longer alive is not waited for, nor one that has
// stopped: it says so only when all that it had is stored.
#include "follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void follow_init(struct follow *follow, uint64_t mark, int64_t now_us) {
  *follow = (struct follow){.mark = mark, .started_us = now_us, .unheard = true};
}

void follow_fini(struct follow *follow) {
  free(follow->targets);
  follow->targets = NULL;
  follow->count = 0;
}

static struct follow_target *find(struct follow *follow, const struct replica *replica) {
  for (size_t i = 0; i < follow->count; i++) {
    struct follow_target *t = &follow->targets[i];
    if (t->started_at_us == replica->started_at_us && strcmp(t->tracker, replica->id) == 0) return t;
  }
  return NULL;
}

static void add(struct follow *follow, const struct replica *replica) {
  follow->targets = realloc(follow->targets, (follow->count + 1) * sizeof *follow->targets);
  if (!follow->targets) abort();
  struct follow_target *t = &follow->targets[follow->count++];
  *t = (struct follow_target){.started_at_us = replica->started_at_us,
                              .log_number = replica->log_number,
                              .alive = true,
                              .stored = replica->log_acked >= replica->log_number};
  snprintf(t->tracker, sizeof t->tracker, "%s", replica->id);
}

void follow_hear(struct follow *follow, const struct replica *alive, size_t count) {
  follow->unheard = false;
  for (size_t i = 0; i < follow->count; i++) follow->targets[i].alive = false;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(alive[i].kind, "tracker") != 0) continue;
    struct follow_target *known = find(follow, &alive[i]);
    if (known) {
      known->alive = true;
      known->stored = known->stored || alive[i].log_acked >= known->log_number;
    } else if (alive[i].heard_mark > follow->mark) {
      add(follow, &alive[i]);
    } else {
      follow->unheard = true;
    }
  }
}

enum follow_status follow_check(const struct follow *follow, int64_t now_us) {
  int64_t waited_us = now_us - follow->started_us;
  if (waited_us >= FOLLOW_BOUND_US) return FOLLOW_BOUNDED;
  if (follow->unheard || waited_us < FOLLOW_HEAR_US) return FOLLOW_ON;
  for (size_t i = 0; i < follow->count; i++) {
    if (follow->targets[i].alive && !follow->targets[i].stored) return FOLLOW_ON;
  }
  return FOLLOW_STORED;
}

// Two arrays of one capacity: all that were heard, and of these the living.
#include "roll.h"

#include <stdlib.h>
#include <string.h>

struct heard {
  struct roll_tracker tracker;
  int64_t at_us;
};

struct roll {
  const char *id;
  int64_t listening_since_us;  // without a gap
  bool listening;
  int64_t own_heard_us;  // or, if never, our start
  struct heard *heard;
  struct roll_tracker *living;
  size_t count, capacity, living_count;
};

struct roll *roll_new(const char *id, int64_t now_us) {
  struct roll *roll = calloc(1, sizeof *roll);
  if (!roll) abort();
  roll->id = id;
  roll->own_heard_us = now_us;
  return roll;
}

void roll_free(struct roll *roll) {
  if (!roll) return;
  free(roll->heard);
  free(roll->living);
  free(roll);
}

void roll_listen(struct roll *roll, int64_t now_us) {
  roll->listening = true;
  roll->listening_since_us = now_us;
}

void roll_deafen(struct roll *roll) {
  roll->listening = false;
}

static struct heard *place_of(struct roll *roll, const char *id) {
  for (size_t i = 0; i < roll->count; i++) {
    if (strcmp(roll->heard[i].tracker.id, id) == 0) return &roll->heard[i];
  }
  if (roll->count == roll->capacity) {
    roll->capacity = roll->capacity ? roll->capacity * 2 : 16;
    roll->heard = realloc(roll->heard, roll->capacity * sizeof *roll->heard);
    roll->living = realloc(roll->living, roll->capacity * sizeof *roll->living);
    if (!roll->heard || !roll->living) abort();
  }
  struct heard *heard = &roll->heard[roll->count++];
  *heard = (struct heard){0};
  strcpy(heard->tracker.id, id);  // a valid id fits
  return heard;
}

int64_t roll_hear(struct roll *roll, const char *id, int64_t started_at_us, int64_t now_us) {
  if (!ident_valid(id, strlen(id))) return 0;
  struct heard *heard = place_of(roll, id);
  if (started_at_us < heard->tracker.started_at_us) return 0;  // a late word of a process that was replaced
  heard->tracker.started_at_us = started_at_us;
  heard->at_us = now_us;
  if (strcmp(id, roll->id) != 0) return 0;
  int64_t silent_us = now_us - roll->own_heard_us;
  roll->own_heard_us = now_us;
  if (silent_us <= ROLL_UNHEARD_US) return 0;
  roll->listening_since_us = now_us;  // others may not have been heard for the same reason
  return silent_us;
}

void roll_call(struct roll *roll, int64_t now_us) {
  roll->living_count = 0;
  for (size_t i = 0; i < roll->count;) {
    int64_t silent_us = now_us - roll->heard[i].at_us;
    if (silent_us > ROLL_FORGET_US) {
      roll->heard[i] = roll->heard[--roll->count];
      continue;
    }
    if (silent_us <= ROLL_DEAD_US) roll->living[roll->living_count++] = roll->heard[i].tracker;
    i++;
  }
}

bool roll_living(const struct roll *roll, int64_t now_us, const struct roll_tracker **out, size_t *out_count) {
  *out = roll->living;
  *out_count = roll->living_count;
  return roll->listening && now_us - roll->listening_since_us > ROLL_DEAD_US &&
         now_us - roll->own_heard_us < ROLL_UNHEARD_US;
}

// The part of a team that a viewer with a bbox is shown: the box, and who it was last shown. That is a bit per worker,
// by the team's numbers, so that whoever leaves the box is known to leave it however much was skipped meanwhile. The
// fan-out's thread.
#ifndef MUSTER_WINDOW_H
#define MUSTER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view_filter.h"

struct window {
  struct view_box box;
  bool boxed;    // false: the whole team is wanted again, once more is shown than it was
  bool changed;  // the box is not the one that was last shown
  size_t words;
  uint64_t *shown;
};

struct window *window_new(const struct view_box *box);
void window_free(struct window *window);  // NULL is fine

void window_set(struct window *window, uint32_t number, bool shown);
void window_clear(struct window *window);

static inline bool window_shows(const struct window *window, uint32_t number) {
  return number / 64 < window->words && (window->shown[number / 64] >> (number % 64) & 1);
}

#endif

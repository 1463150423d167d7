// A bit set that grows.
#include "window.h"

#include <stdlib.h>
#include <string.h>

struct window *window_new(const struct view_box *box) {
  struct window *window = calloc(1, sizeof *window);
  if (!window) abort();
  window->box = *box;
  window->boxed = true;
  return window;
}

void window_free(struct window *window) {
  if (window) free(window->shown);
  free(window);
}

static void grow(struct window *window, size_t words) {
  words += words / 2;
  window->shown = realloc(window->shown, words * sizeof *window->shown);
  if (!window->shown) abort();
  memset(window->shown + window->words, 0, (words - window->words) * sizeof *window->shown);
  window->words = words;
}

void window_set(struct window *window, uint32_t number, bool shown) {
  size_t word = number / 64;
  uint64_t bit = (uint64_t)1 << (number % 64);
  if (word >= window->words) {
    if (!shown) return;
    grow(window, word + 1);
  }
  if (shown) {
    window->shown[word] |= bit;
  } else {
    window->shown[word] &= ~bit;
  }
}

void window_clear(struct window *window) {
  if (window->words) memset(window->shown, 0, window->words * sizeof *window->shown);
}

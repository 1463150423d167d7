// One process' part of many things that are numbered from 0: every count-th of them, beginning with its own number. So
// workers and viewers of a team are spread evenly, or, where the processes divide the teams, are all in one. Pure.
#ifndef MUSTER_SHARE_H
#define MUSTER_SHARE_H

#include <stdint.h>

struct share {
  uint32_t index, count;  // index < count
};

// How many of `total` are this process' own.
static inline uint32_t share_size(struct share share, uint32_t total) {
  return total > share.index ? (total - share.index - 1) / share.count + 1 : 0;
}

// The number, among all, of this process' n-th.
static inline uint32_t share_number(struct share share, uint32_t n) {
  return n * share.count + share.index;
}

#endif

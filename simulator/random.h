// Seeded random numbers (splitmix64: Steele, Lea and Flood 2014): 8 bytes of state, the same everywhere. Pure.
#ifndef MUSTER_RANDOM_H
#define MUSTER_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// From 0 to just below 1.
static inline double random_unit(uint64_t *state) {
  return (double)(random_next(state) >> 11) * 0x1p-53;
}

// A state for the index-th of many things that share a seed.
static inline uint64_t random_fork(uint64_t seed, uint64_t index) {
  uint64_t state = seed ^ (index * 0xd1342543de82ef95u);
  return random_next(&state);
}

#endif

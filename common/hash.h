// The hash of short names (worker ids, team names) for tables, 64 bits good to the last. Pure.
#ifndef MUSTER_HASH_H
#define MUSTER_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Both halves of the product, so that every bit of the word counts in the low bits, which tables take.
static inline uint64_t hash_mix(uint64_t hash, uint64_t word) {
  unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15u;  // 2^64 / the golden ratio
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Eight bytes at a time; the last eight may overlap those before them.
static inline uint64_t hash_bytes(const char *bytes, size_t len) {
  uint64_t hash = len, word = 0;
  const char *end = bytes + len;
  if (len < sizeof word) {
    while (bytes < end) word = word << 8 | (unsigned char)*bytes++;
    return hash_mix(hash, word);
  }
  for (; (size_t)(end - bytes) > sizeof word; bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = hash_mix(hash, word);
  }
  memcpy(&word, end - sizeof word, sizeof word);
  return hash_mix(hash, word);
}

#endif

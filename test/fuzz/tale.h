// What a reader told, by a hash of it: two readings of the same bytes are compared by their tales.
#ifndef MUSTER_TALE_H
#define MUSTER_TALE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct tale {
  uint64_t hash;
};

static inline void tell(struct tale *tale, int64_t what, const void *bytes, size_t len) {
  const uint8_t *at = bytes;
  tale->hash = (tale->hash ^ (uint64_t)what << 32 ^ len) * 0x100000001b3u;
  for (size_t i = 0; i < len; i++) tale->hash = (tale->hash ^ at[i]) * 0x100000001b3u;
}

// A copy that a reader may write to; it ends where memory ends, so a sanitizer sees who reads on. `from` is at most
// `max` bytes long, and *room, NULL at first, is kept.
static inline uint8_t *at_end(uint8_t **room, size_t max, const uint8_t *from, size_t len) {
  if (!*room) *room = malloc(max);
  if (!*room) abort();
  return memcpy(*room + max - len, from, len);
}

// The size of the next piece of a stream, 1 to `most` bytes, drawn from *seed.
static inline size_t next_piece(uint64_t *seed, size_t most, size_t left) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  size_t size = 1 + (*seed >> 33) % most;
  return size < left ? size : left;
}

#endif

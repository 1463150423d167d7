// The hash of short names (worker ids, team names) for the gateway's tables. Pure.
#ifndef MUSTER_HASH_H
#define MUSTER_HASH_H

#include <stddef.h>
#include <stdint.h>

// FNV-1a, with the high bits folded in because tables take the low ones.
static inline uint32_t hash_bytes(const char *bytes, size_t len) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return (uint32_t)(hash ^ hash >> 32);
}

#endif

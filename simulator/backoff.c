// Jittered exponential waiting.
#include "backoff.h"

#include "random.h"

int64_t backoff_jitter_us(int64_t us, uint64_t *random) {
  return us / 2 + (int64_t)((double)(us - us / 2) * random_unit(random));
}

int64_t backoff_us(unsigned failures, uint64_t *random) {
  int64_t wait = failures < 6 ? (int64_t)BACKOFF_FIRST_US << failures : BACKOFF_LAST_US;
  return backoff_jitter_us(wait < BACKOFF_LAST_US ? wait : BACKOFF_LAST_US, random);
}

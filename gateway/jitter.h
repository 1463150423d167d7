// Times at random, so that clients who are sent away together do not come back together. Any thread.
#ifndef MUSTER_JITTER_H
#define MUSTER_JITTER_H

#include <sys/random.h>

// From min to max.
static inline unsigned jitter(unsigned min, unsigned max) {
  unsigned random = 0;
  (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
  return min + random % (max - min + 1);
}

// For the header Retry-After, in seconds.
static inline unsigned jitter_retry_after_s(void) {
  return jitter(1, 5);
}

#endif

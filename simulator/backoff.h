// How long to wait before connecting again: 0.5 s doubling to 30 s, each shortened at random to between half and all
// of it, so that those who lost a server together don't come back together. Pure.
#ifndef MUSTER_BACKOFF_H
#define MUSTER_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_US 500000
#define BACKOFF_LAST_US 30000000

// failures: how many attempts have failed in a row, 0 for the first wait. random: a state of random.h.
int64_t backoff_us(unsigned failures, uint64_t *random);

// Between half and all of us, at random.
int64_t backoff_jitter_us(int64_t us, uint64_t *random);

#endif

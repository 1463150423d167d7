// A token bucket in one number, the time at which it will be full again (the "generic cell rate algorithm"): nothing
// has to fill it, so one that nobody takes from costs nothing. What has come is taken even if the bucket holds less; it
// is in debt then, and whoever takes from it must wait until rate_ready_us. Pure.
#ifndef MUSTER_RATE_H
#define MUSTER_RATE_H

#include <stdbool.h>
#include <stdint.h>

// Of one kind of bucket. All zero: there is no limit.
struct rate_limit {
  int64_t per_s;     // it fills at this rate
  int64_t burst_ns;  // what it holds, as the time in which that much comes in
};

// A bucket. All zero: a full one.
struct rate {
  int64_t full_at_ns;  // monotonic
};

// per_s: 0 for no limit. burst: what a bucket holds, 1 at least.
struct rate_limit rate_limit_make(int64_t per_s, int64_t burst);

// All counts: below 2^33. now_us: monotonic.
void rate_take(struct rate *rate, const struct rate_limit *limit, int64_t count, int64_t now_us);

// Makes its debt so small that it is paid in most_us.
void rate_forgive(struct rate *rate, const struct rate_limit *limit, int64_t most_us, int64_t now_us);

// From when on there is something in it, or at least no debt. Monotonic; long past if it has been so for long.
int64_t rate_ready_us(const struct rate *rate, const struct rate_limit *limit);

// Whether it holds `count` at least, for which slack_ns is rate_slack_ns of its limit.
int64_t rate_slack_ns(const struct rate_limit *limit, int64_t count);
static inline bool rate_holds(const struct rate *rate, int64_t slack_ns, int64_t now_us) {
  return rate->full_at_ns - now_us * 1000 <= slack_ns;
}

#endif

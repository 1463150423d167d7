// Nanoseconds, because at 1,000,000 per second one is worth a microsecond.
#include "rate.h"

#define S_NS INT64_C(1000000000)

// Rounded up: what is taken bit by bit must not come cheaper.
static int64_t worth_ns(const struct rate_limit *limit, int64_t count) {
  return (count * S_NS + limit->per_s - 1) / limit->per_s;
}

struct rate_limit rate_limit_make(int64_t per_s, int64_t burst) {
  struct rate_limit limit = {.per_s = per_s};
  if (per_s > 0) limit.burst_ns = worth_ns(&limit, burst);
  return limit;
}

void rate_take(struct rate *rate, const struct rate_limit *limit, int64_t count, int64_t now_us) {
  if (limit->per_s == 0 || count == 0) return;
  if (rate->full_at_ns < now_us * 1000) rate->full_at_ns = now_us * 1000;
  rate->full_at_ns += worth_ns(limit, count);
}

void rate_forgive(struct rate *rate, const struct rate_limit *limit, int64_t most_us, int64_t now_us) {
  int64_t most_ns = (now_us + most_us) * 1000 + limit->burst_ns;
  if (rate->full_at_ns > most_ns) rate->full_at_ns = most_ns;
}

int64_t rate_ready_us(const struct rate *rate, const struct rate_limit *limit) {
  if (limit->per_s == 0) return 0;
  return (rate->full_at_ns - limit->burst_ns + 999) / 1000;
}

int64_t rate_slack_ns(const struct rate_limit *limit, int64_t count) {
  if (limit->per_s == 0) return INT64_MAX;
  int64_t slack_ns = limit->burst_ns - worth_ns(limit, count);
  return slack_ns < 0 ? INT64_MIN : slack_ns;
}

// A wheel of slots of 10 ms. Who has to wait longer than a turn stays in its slot and is looked at once in each turn.
#include "pace.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hash.h"
#include "log.h"

#define SLOTS 512
#define SLOT_MS 10
#define SLOT_US (SLOT_MS * 1000)
#define KEPT_ROOM 64  // of an empty slot
#define DEBTORS 4096
#define POSITION_BYTES_MIN 2     // of an empty one, which is refused, but counts: so many bytes bring one at most
#define POSITION_BYTES 32        // about what one takes
#define SLOW_BYTES_MIN 256       // read at once of a device near its limit …
#define SLOW_BYTES_PROCESS 4096  // … and of all, when all together are
#define PROCESS_DEBT_US 5000000  // nobody waits longer for the others, however many they are
#define LOG_PROCESS_EVERY_US 10000000

struct waiting {
  struct batch_waiter who;
  int64_t until_us;
};

struct slot {
  struct waiting *waiting;
  uint32_t count, room;
};

// Who has gone. A table without chains: the later one of two takes the place, and the other is forgiven its debt.
struct debtor {
  uint64_t worker;
  struct rate positions, bytes;
};

struct pace {
  struct pace_limits limits;
  struct pace_events events;
  size_t slow_bytes;
  size_t most_bytes;
  // For each limit, how far from full a bucket may be that holds what one read may bring.
  int64_t device_positions_slack_ns, device_bytes_slack_ns, positions_slack_ns;
  struct rate positions;
  uv_timer_t timer;
  struct slot slots[SLOTS];
  int64_t turned_to;  // number of the last slot that was looked at, counted since the clock's start
  uint32_t waiting;   // in all slots, those who are gone, too
  int64_t log_process_at_us;
  struct debtor debtors[DEBTORS];
  struct metric *held, *holds_positions, *holds_bytes, *holds_process;
};

// ---- the wheel ----

static void look_at(struct pace *pace, struct slot *slot, int64_t now_us) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < slot->count; i++) {
    if (slot->waiting[i].until_us > now_us) {
      slot->waiting[kept++] = slot->waiting[i];
    } else {
      pace->events.release(pace->events.context, slot->waiting[i].who);
    }
  }
  pace->waiting -= slot->count - kept;
  slot->count = kept;
  if (kept == 0 && slot->room > KEPT_ROOM) {
    free(slot->waiting);
    *slot = (struct slot){0};
  }
}

static void on_timer(uv_timer_t *timer) {
  struct pace *pace = timer->data;
  int64_t now_us = clock_mono_us(), number = now_us / SLOT_US;
  if (number - pace->turned_to > SLOTS) pace->turned_to = number - SLOTS;
  while (pace->turned_to < number) look_at(pace, &pace->slots[++pace->turned_to % SLOTS], now_us);
  if (pace->waiting == 0) uv_timer_stop(timer);
}

static void wait_until(struct pace *pace, struct batch_waiter who, int64_t until_us, int64_t now_us) {
  if (pace->waiting++ == 0) {
    pace->turned_to = now_us / SLOT_US;
    uv_timer_start(&pace->timer, on_timer, SLOT_MS, SLOT_MS);
  }
  int64_t number = until_us / SLOT_US + 1;                      // in the next, it is due
  if (number <= pace->turned_to) number = pace->turned_to + 1;  // now_us may be a little old
  struct slot *slot = &pace->slots[number % SLOTS];
  if (slot->count == slot->room) {
    slot->room = slot->room ? 2 * slot->room : 4;
    slot->waiting = realloc(slot->waiting, slot->room * sizeof *slot->waiting);
    if (!slot->waiting) abort();
  }
  slot->waiting[slot->count++] = (struct waiting){who, until_us};
}

// ---- devices ----

static void tell(struct pace *pace, struct pace_device *device, const char *worker, bool own, int64_t now_us) {
  if (own) {
    if (!device->told) log_info("device_slowed", "worker=%s", worker ? worker : "?");
    device->told = true;
  } else if (now_us >= pace->log_process_at_us) {
    pace->log_process_at_us = now_us + LOG_PROCESS_EVERY_US;
    log_warn("tracker_slowed", "positions_per_s=%lld", (long long)pace->limits.positions.per_s);
  }
}

static inline bool is_near_own_limit(const struct pace *pace, const struct pace_device *device, int64_t now_us) {
  return !rate_holds(&device->positions, pace->device_positions_slack_ns, now_us) ||
         !rate_holds(&device->bytes, pace->device_bytes_slack_ns, now_us);
}

static inline bool is_near_limit_of_all(const struct pace *pace, int64_t now_us) {
  return !rate_holds(&pace->positions, pace->positions_slack_ns, now_us);
}

bool pace_took(struct pace *pace, struct pace_device *device, struct batch_waiter who, const char *worker,
               int64_t positions, int64_t bytes, int64_t now_us) {
  const struct pace_limits *limits = &pace->limits;
  rate_take(&device->positions, &limits->device_positions, positions, now_us);
  rate_take(&device->bytes, &limits->device_bytes, bytes, now_us);
  rate_take(&pace->positions, &limits->positions, positions, now_us);
  rate_forgive(&pace->positions, &limits->positions, PROCESS_DEBT_US, now_us);
  // Nearly all devices, nearly always.
  if (!device->held && !is_near_own_limit(pace, device, now_us) && !is_near_limit_of_all(pace, now_us)) return false;
  int64_t until_us = rate_ready_us(&device->positions, &limits->device_positions);
  struct metric *why = pace->holds_positions;
  int64_t bytes_us = rate_ready_us(&device->bytes, &limits->device_bytes);
  if (bytes_us > until_us) until_us = bytes_us, why = pace->holds_bytes;
  // Who brings no positions does not wait for all the others' turn. Who does comes after those who came before it.
  int64_t all_us = positions ? rate_ready_us(&pace->positions, &limits->positions) : 0;
  if (all_us > until_us) until_us = all_us, why = pace->holds_process;
  if (until_us <= now_us || device->held) return device->held;
  device->held = true;
  metric_add(pace->held, 1);
  metric_add(why, 1);
  tell(pace, device, worker, why != pace->holds_process, now_us);
  wait_until(pace, who, until_us, now_us);
  return true;
}

size_t pace_read_bytes(const struct pace *pace, const struct pace_device *device, int64_t now_us) {
  size_t bytes = pace->most_bytes;
  if (is_near_limit_of_all(pace, now_us) && SLOW_BYTES_PROCESS < bytes) bytes = SLOW_BYTES_PROCESS;
  if (is_near_own_limit(pace, device, now_us) && pace->slow_bytes < bytes) bytes = pace->slow_bytes;
  return bytes;
}

void pace_drop(struct pace *pace, struct pace_device *device) {
  if (device->held) metric_add(pace->held, -1);
  device->held = false;
}

// 64 bits: two workers with the same are not met with.
static uint64_t worker_hash(const char *worker) {
  return hash_bytes(worker, strlen(worker));
}

void pace_remember(struct pace *pace, const struct pace_device *device, const char *worker) {
  int64_t now_ns = clock_mono_us() * 1000;
  if (device->positions.full_at_ns <= now_ns && device->bytes.full_at_ns <= now_ns) return;
  uint64_t hash = worker_hash(worker);
  pace->debtors[hash % DEBTORS] = (struct debtor){hash, device->positions, device->bytes};
}

static void take_over(struct rate *rate, const struct rate *before) {
  if (rate->full_at_ns < before->full_at_ns) *rate = *before;
}

void pace_recall(const struct pace *pace, struct pace_device *device, const char *worker) {
  uint64_t hash = worker_hash(worker);
  const struct debtor *debtor = &pace->debtors[hash % DEBTORS];
  if (debtor->worker != hash) return;
  take_over(&device->positions, &debtor->positions);
  take_over(&device->bytes, &debtor->bytes);
}

// ---- life ----

// About what may come in a second.
static size_t slow_bytes(const struct pace_limits *limits) {
  int64_t bytes = INT64_MAX;
  if (limits->device_positions.per_s) bytes = limits->device_positions.per_s * POSITION_BYTES;
  if (limits->device_bytes.per_s && limits->device_bytes.per_s < bytes) bytes = limits->device_bytes.per_s;
  return bytes < SLOW_BYTES_MIN ? SLOW_BYTES_MIN : (size_t)bytes;
}

struct pace *pace_new(uv_loop_t *loop, const struct pace_limits *limits, size_t most_bytes,
                      const struct pace_events *events, struct metrics *metrics) {
  static const char *const holds = "muster_tracker_holds_total";
  static const char *const help = "Times that a device was not read for a while, by the limit that it, or all, passed.";
  struct pace *pace = calloc(1, sizeof *pace);
  if (!pace) abort();
  pace->limits = *limits;
  pace->events = *events;
  pace->slow_bytes = slow_bytes(limits);
  pace->most_bytes = most_bytes;
  int64_t most_positions = (int64_t)most_bytes / POSITION_BYTES_MIN;
  pace->device_positions_slack_ns = rate_slack_ns(&limits->device_positions, most_positions);
  pace->device_bytes_slack_ns = rate_slack_ns(&limits->device_bytes, (int64_t)most_bytes);
  pace->positions_slack_ns = rate_slack_ns(&limits->positions, most_positions);
  uv_timer_init(loop, &pace->timer);
  pace->timer.data = pace;
  pace->held = metrics_gauge(metrics, "muster_tracker_held_devices", "", "Devices that are not read for a while.");
  pace->holds_positions = metrics_counter(metrics, holds, "limit=\"device_positions\"", help);
  pace->holds_bytes = metrics_counter(metrics, holds, "limit=\"device_bytes\"", help);
  pace->holds_process = metrics_counter(metrics, holds, "limit=\"positions\"", help);
  return pace;
}

void pace_stop(struct pace *pace) {
  uv_close((uv_handle_t *)&pace->timer, NULL);
}

void pace_free(struct pace *pace) {
  if (!pace) return;
  for (size_t i = 0; i < SLOTS; i++) free(pace->slots[i].waiting);
  free(pace);
}

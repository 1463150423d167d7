// The intake's loop part: a prepare handle looks, after each round of events, whether there is anything to hand over.
#include "intake.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "rounds.h"
#include "team.pb-c.h"
#include "version.h"

#define TICK_MS 500
#define HEARTBEAT_TICKS 4  // every 2 s
#define RETRY_US 250000
#define LOG_INTERVAL_MOST_MS 160        // nobody waits longer for a PubAck because there is little to do
#define LOG_PRESSURE_EVERY_US 10000000  // a steady overload goes on and off many times a second

struct intake {
  struct intake_config config;
  struct intake_events events;
  struct batcher *batcher;
  struct publisher *publisher;
  uv_prepare_t prepare;
  uv_timer_t log_timer;    // runs while the open log batch waits for more
  uv_timer_t retry_timer;  // runs while batches wait to be published again
  uv_timer_t tick;         // for tails and heartbeats
  unsigned ticks;
  struct publish_work work;  // with the publisher while `busy`
  uint32_t fed;              // updates that this round brought
  bool busy, heartbeat_due, log_waits, pressed, storing_fails;
  bool log_pending;      // some closed log batch may be without the publisher
  uint64_t open_batch;   // number of the log batch that updates went into last
  bool pressure_logged;  // the last time that reading stopped was: its end will be, too
  int64_t log_pressure_at_us;
  struct rounds rounds;
  int64_t round_us;  // monotonic; when the last round that brought something ended
  uint64_t live_lost;
  uint64_t positions;
  struct metric *positions_total, *live_lost_total, *retries_total, *backlog, *pressures_total;
};

static void hand_over(struct intake *intake);

// ---- taking in ----

struct batch_team *intake_team(struct intake *intake, const char *team) {
  return batcher_team(intake->batcher, team);
}

static void watch_backlog(struct intake *intake) {
  size_t bytes = batcher_backlog(intake->batcher);
  metric_set(intake->backlog, (int64_t)bytes);
  bool press = bytes > (intake->pressed ? intake->config.backlog_bytes / 2 : intake->config.backlog_bytes);
  if (press == intake->pressed) return;
  intake->pressed = press;
  if (press) {
    int64_t now_us = clock_mono_us();
    metric_add(intake->pressures_total, 1);
    intake->pressure_logged = now_us >= intake->log_pressure_at_us;
    if (intake->pressure_logged) intake->log_pressure_at_us = now_us + LOG_PRESSURE_EVERY_US;
  }
  if (intake->pressure_logged) log_warn(press ? "backlog_full" : "backlog_drained", "bytes=%zu", bytes);
  intake->events.pressure(intake->events.context, press);
}

static void on_log_timer(uv_timer_t *timer) {
  struct intake *intake = timer->data;
  intake->log_waits = false;
  batcher_close_log(intake->batcher);
  intake->log_pending = true;
}

static uint64_t log_interval_ms(const struct intake *intake) {
  uint64_t least_ms = intake->config.log_interval_ms, ms = rounds_stretch_ms(&intake->rounds, least_ms);
  uint64_t most_ms = least_ms > LOG_INTERVAL_MOST_MS ? least_ms : LOG_INTERVAL_MOST_MS;
  return ms < most_ms ? ms : most_ms;
}

static void note_fed(struct intake *intake, uint64_t batch) {
  intake->fed++;
  if (batch != intake->open_batch) {  // the one before is full, if it was not closed in time
    intake->open_batch = batch;
    intake->log_pending = true;
  }
  watch_backlog(intake);  // now, not once a round: in a round every device may bring megabytes
  if (!intake->log_waits) {
    intake->log_waits = true;
    uv_timer_start(&intake->log_timer, on_log_timer, log_interval_ms(intake), 0);
  }
}

uint64_t intake_append(struct intake *intake, struct batch_team *team, struct update *update) {
  uint64_t batch = batcher_append(intake->batcher, team, update);
  note_fed(intake, batch);
  return batch;
}

uint64_t intake_position(struct intake *intake, struct batch_team *team, struct slice worker,
                         const struct position *position, struct wire_reader bytes, int64_t received_at_us) {
  uint64_t batch = batcher_position(intake->batcher, team, worker, position, bytes, received_at_us);
  intake->positions++;
  metric_add(intake->positions_total, 1);
  note_fed(intake, batch);
  return batch;
}

void intake_wait(struct intake *intake, uint64_t batch, struct batch_waiter waiter) {
  batcher_wait(intake->batcher, batch, waiter);
}

uint64_t intake_durable(const struct intake *intake) {
#ifdef FAULT_ACK_EARLY  // for make drill-proof: what is only about to be stored is acked
  return batcher_newest_log(intake->batcher);
#endif
  return batcher_durable_log(intake->batcher);
}

// ---- handing over ----

static void write_heartbeat(struct intake *intake, bool last, struct buffer *out) {
  bool recorder = false;
  Muster__Replica replica = MUSTER__REPLICA__INIT;
  intake->events.describe(intake->events.context, &replica.connections, &recorder);
  replica.kind = "tracker";
  replica.id = (char *)intake->config.publish.id;
  replica.version = MUSTER_VERSION;
  replica.has_started_at_us = replica.has_at_us = replica.has_connections = replica.has_log_number = true;
  replica.has_log_acked = replica.has_live_lost = replica.has_stopping = replica.has_recorder = true;
  replica.has_handled = true;
  replica.started_at_us = intake->config.publish.started_at_us;
  replica.at_us = clock_wall_us();
  replica.log_number = batcher_newest_log(intake->batcher);
  replica.log_acked = batcher_durable_log(intake->batcher);
  replica.live_lost = intake->live_lost;
  replica.handled = intake->positions;
  replica.stopping = last;
  replica.recorder = recorder;
  size_t len = muster__replica__get_packed_size(&replica);
  muster__replica__pack(&replica, buffer_reserve(out, len));
  out->len = len;
}

static void on_retry(uv_timer_t *timer) {
  struct intake *intake = timer->data;
  intake->log_pending = true;
  hand_over(intake);
}

// Puts the closed log batches that are due into the work; leaves the timer running for those that are not.
static void take_logs(struct intake *intake) {
  intake->log_pending = false;
  int64_t now_us = clock_mono_us();
  size_t unacked = 0;
  for (struct log_batch *batch = batcher_first_log(intake->batcher); batch; batch = batch->next) {
    if (batch->durable || (batch->sent && ++unacked)) continue;
    if (batch->not_before_us > now_us) {
      uv_timer_start(&intake->retry_timer, on_retry, (uint64_t)(batch->not_before_us - now_us) / 1000 + 1, 0);
      return;
    }
    if (intake->work.log_count == PUBLISH_MAX_LOGS || unacked + intake->work.log_count >= PUBLISH_MAX_UNACKED) {
      intake->log_pending = true;
      return;
    }
    batch->lent = batch->sent = true;
    intake->work.logs[intake->work.log_count++] = batch;
  }
}

static void hand_over(struct intake *intake) {
  if (intake->busy) return;
  struct publish_work *work = &intake->work;
  work->live = batcher_take_live(intake->batcher, clock_mono_us());
  work->log_count = 0;
  work->replica.len = 0;
  if (intake->log_pending) take_logs(intake);
  if (intake->heartbeat_due) write_heartbeat(intake, false, &work->replica);
  intake->heartbeat_due = false;
  if (!work->live && work->log_count == 0 && work->replica.len == 0) return;
  intake->busy = true;
  publisher_submit(intake->publisher, work);
}

// One round of events takes in what all devices have sent, and hands it over, at the cost of one: so while they keep
// sending, a round is given time to gather. After a silence it comes at once.
static void pause_between_rounds(struct intake *intake) {
  if (!intake->fed) return;
  int64_t now_us = clock_mono_us();
  rounds_brought(&intake->rounds, intake->fed, now_us);
  intake->fed = 0;
  int64_t left_us = intake->round_us + intake->rounds.length_us - now_us;
  if (left_us > 0) {
    nanosleep(&(struct timespec){.tv_nsec = left_us * 1000}, NULL);
    now_us += left_us;
  }
  intake->round_us = now_us;
}

// Before the loop waits for events: everything that this round brought is in the batches.
static void on_prepare(uv_prepare_t *prepare) {
  struct intake *intake = prepare->data;
  hand_over(intake);
  watch_backlog(intake);
  pause_between_rounds(intake);
}

static void on_tick(uv_timer_t *timer) {
  struct intake *intake = timer->data;
  batcher_add_tails(intake->batcher, clock_mono_us());
  if (intake->ticks++ % HEARTBEAT_TICKS == 0) intake->heartbeat_due = true;
}

// ---- what the publisher says ----

static void tell_waiters(void *context, const struct log_batch *batch) {
  struct intake *intake = context;
  for (size_t i = 0; i < batch->waiter_count; i++) {
    intake->events.durable(intake->events.context, batch->waiters[i]);
  }
}

static void on_done(void *context, struct publish_work *work) {
  struct intake *intake = context;
  batcher_return_live(intake->batcher, work->live);
  intake->live_lost += work->live_lost;
  metric_add(intake->live_lost_total, (int64_t)work->live_lost);
  intake->busy = false;
  for (size_t i = 0; i < work->log_count; i++) work->logs[i]->lent = false;
  batcher_reap(intake->batcher, tell_waiters, intake);
}

static void on_stored(void *context, uint64_t number, const char *fault) {
  struct intake *intake = context;
  struct log_batch *batch = batcher_find_log(intake->batcher, number);
  if (!batch || batch->durable) return;  // an ack that came after its deadline, of a batch that was stored again
  if (!fault) {
    if (intake->storing_fails) log_info("log_stored_again", "number=%llu", (unsigned long long)number);
    intake->storing_fails = false;
    batch->durable = true;
    batcher_reap(intake->batcher, tell_waiters, intake);
    return;
  }
  // One line an outage: the metric counts every try.
  if (!intake->storing_fails) log_warn("log_not_stored", "fault=%s", LOG_TEXT(fault, strlen(fault)));
  intake->storing_fails = true;
  metric_add(intake->retries_total, 1);
  batch->sent = false;
  batch->not_before_us = clock_mono_us() + RETRY_US;
  intake->log_pending = true;
}

// The connection broke: what nats.c had not written yet is gone.
static void on_live_cut(void *context) {
  struct intake *intake = context;
  intake->live_lost++;
  metric_add(intake->live_lost_total, 1);
}

// Batches under way will never be told of: they are sent again, under their old ids.
static void on_acks_lost(void *context) {
  struct intake *intake = context;
  for (struct log_batch *batch = batcher_first_log(intake->batcher); batch; batch = batch->next) batch->sent = false;
  intake->log_pending = true;
}

// ---- life ----

static void register_metrics(struct intake *intake, struct metrics *m) {
  intake->positions_total = metrics_counter(m, "muster_tracker_positions_total", "", "Positions taken in.");
  intake->live_lost_total =
      metrics_counter(m, "muster_tracker_live_lost_total", "", "Live batches, or broken connections, that lost news.");
  intake->retries_total =
      metrics_counter(m, "muster_tracker_log_retries_total", "", "Log batches that had to be published again.");
  intake->backlog = metrics_gauge(m, "muster_tracker_backlog_bytes", "", "Bytes of log batches not stored yet.");
  intake->pressures_total =
      metrics_counter(m, "muster_tracker_pressures_total", "", "Times that reading stopped because of the backlog.");
}

struct intake *intake_new(uv_loop_t *loop, const struct intake_config *config, const struct intake_events *events,
                          struct metrics *metrics, const char **out_fault) {
  struct intake *intake = calloc(1, sizeof *intake);
  if (!intake) abort();
  intake->config = *config;
  intake->events = *events;
  rounds_init(&intake->rounds, config->round_ms * 1000LL, config->round_most_ms * 1000LL);
  intake->batcher = batcher_new(config->publish.id, config->publish.started_at_us);
  register_metrics(intake, metrics);
  struct publish_events to_us = {intake, on_done, on_stored, on_live_cut, on_acks_lost};
  intake->publisher = publisher_start(loop, &config->publish, &to_us, metrics, out_fault);
  if (!intake->publisher) return NULL;  // the program ends
  uv_prepare_init(loop, &intake->prepare);
  uv_timer_init(loop, &intake->log_timer);
  uv_timer_init(loop, &intake->retry_timer);
  uv_timer_init(loop, &intake->tick);
  intake->prepare.data = intake->log_timer.data = intake->retry_timer.data = intake->tick.data = intake;
  uv_prepare_start(&intake->prepare, on_prepare);
  uv_timer_start(&intake->tick, on_tick, 0, TICK_MS);
  return intake;
}

bool intake_ready(const struct intake *intake) {
  return publisher_ready(intake->publisher);
}

bool intake_idle(const struct intake *intake) {
  return !intake->busy && batcher_durable_log(intake->batcher) == batcher_newest_log(intake->batcher);
}

void intake_drain(struct intake *intake) {
  uv_timer_stop(&intake->log_timer);
  on_log_timer(&intake->log_timer);
}

void intake_stop(struct intake *intake) {
  publisher_finish(intake->publisher);
  if (intake_idle(intake)) {
    intake->work.replica.len = 0;
    write_heartbeat(intake, true, &intake->work.replica);
    publisher_say(intake->publisher, &intake->work.replica);
  }
  publisher_stop(intake->publisher);
  uv_close((uv_handle_t *)&intake->prepare, NULL);
  uv_close((uv_handle_t *)&intake->log_timer, NULL);
  uv_close((uv_handle_t *)&intake->retry_timer, NULL);
  uv_close((uv_handle_t *)&intake->tick, NULL);
}

void intake_free(struct intake *intake) {
  if (!intake) return;
  publisher_free(intake->publisher);
  batcher_free(intake->batcher);
  buffer_fini(&intake->work.replica);
  free(intake);
}

// The recorder's thread: elect, subscribe, collect, write. While Postgres works on a batch the next one is collected:
// docs/decisions/008-how-the-recorder-writes.md.
#include "recorder.h"

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "clock.h"
#include "collected.h"
#include "known.h"
#include "log.h"
#include "store.h"
#include "subject.h"
#include "undertaker.h"
#include "update.h"

// After so many updates no further message is added. A recorder that is behind takes more, as long as Postgres is
// quick: workers have several positions in a large batch, of which only the last is written as such. It takes less
// where Postgres is slow: a batch that takes seconds looks like a recorder that hangs, to the other trackers.
#define FIRST_UPDATES 64000
#define MAX_UPDATES 128000
#define MIN_UPDATES 2000
#define STEP 2
#define QUICK_US 300000  // after a full batch that took no longer, one may be larger by STEP
#define SLOW_US 1500000  // after one that took longer, smaller
// So fast is the log read, at most: nats-server stops for a second once some megabytes wait for who catches up.
#define READ_BITS_PER_S 600000000
#define PLENTY 1000    // updates that are worth a transaction
#define PACE_US 20000  // with little to do, batches are written this far apart, because a transaction costs
#define ELECT_EVERY_MS 500
#define RETRY_MS 500
#define STOP_WAIT_MS 3000
#define WAIT_MS 250        // for a message
#define WAIT_MORE_MS 20    // for one of which NATS said that it is there
#define COLLECT_US 300000  // in all: Postgres ends our session if we say nothing for 3 s
// Postgres ends our session if we say nothing for 3 s: no wait for NATS is longer than this, and after each we talk.
#define NATS_WAIT_MS 1000
#define TALK_EVERY_US 500000
#define PENDING_BYTES (64 * 1024 * 1024)
#define SECOND_US INT64_C(1000000)
#define UPKEEP_EVERY_US (3600 * SECOND_US)
#define UPKEEP_BUSY_US (10 * SECOND_US)  // when old partitions could not be dropped, because somebody reads them
#define UPKEEP_MORE_US (SECOND_US / 10)  // when there may be more of them
#define BURY_EVERY_US (2 * SECOND_US)
#define BURY_MAX 2000  // sessions at once: a log message of half a megabyte at most
#define CROWDED_KEEP_S 5
#define LOOK_EVERY_US 5000000  // is the stream still the one that it was?

struct recorder {
  struct recorder_config config;
  uv_thread_t thread;
  atomic_bool stopping, leads;

  uv_mutex_t lock;   // protects changes of `store`, `stopping` and `ended`
  uv_cond_t change;  // of `stopping` and `ended`
  bool ended;        // the thread is about to

  struct store *store;
  natsConnection *nc;
  jsCtx *js;
  natsSubscription *sub;
  int64_t stream_created_us;
  uint64_t sequence;  // recorded
  uint64_t buried;    // the stream's sequence that tells of the newest sessions that we ended
  uint64_t trimmed;   // of this stream, up to there
  bool crowded;       // the stream is nearly full
  int64_t last_write_us, last_look_us, last_talk_us;
  int64_t next_upkeep_us, next_trim_us, next_bury_us;
  struct undertaker *undertaker;
  struct store_session *lost;  // BURY_MAX of them

  struct known *known;
  struct collected batches[2], *next;  // one is written while the next is collected
  natsStatus reading;                  // NATS_OK until the log could not be read
  uint64_t pending;                    // messages that are still to come, as NATS said with the last one
  size_t update_limit;
  int64_t took_us;  // for the last batch

  struct metric *leading, *rows_total, *duplicates_total, *batches_total, *bad_total, *set_aside_total, *skipped_total,
      *position, *trimmed_gauge, *lost_total, *behind;
  struct metric_histogram *write_time;
};

// ---- collecting ----

// Takes a message into the next batch; owns it.
static bool collect_message(struct recorder *r, natsMsg *message) {
  jsMsgMetaData *meta = NULL;
  if (natsMsg_GetMetaData(&meta, message) != NATS_OK) {
    natsMsg_Destroy(message);
    return false;
  }
  uint64_t sequence = meta->Sequence.Stream, before = r->next->sequence;
  r->pending = meta->NumPending;
  metric_set(r->behind, (int64_t)r->pending);
  jsMsgMetaData_Destroy(meta);
  if (sequence <= before) {  // delivered twice
    natsMsg_Destroy(message);
    return true;
  }
  if (sequence > before + 1 && before > 0) {
    metric_add(r->skipped_total, (int64_t)(sequence - before - 1));
    log_error("log_skipped", "from=%llu to=%llu", (unsigned long long)before + 1, (unsigned long long)sequence - 1);
  }
  metric_add(r->bad_total, (int64_t)collected_add(r->next, r->known, message, sequence));
  return true;
}

static bool is_full(const struct recorder *r) {
  return r->next->message_count == COLLECTED_MESSAGES || r->next->update_count >= r->update_limit;
}

// Takes a message if there is one within wait_ms.
static natsStatus collect_one(struct recorder *r, int64_t wait_ms) {
  natsMsg *message = NULL;
  natsStatus status = natsSubscription_NextMsg(&message, r->sub, wait_ms);
  if (status == NATS_OK && !collect_message(r, message)) status = NATS_ERR;
  return status;
}

// While Postgres works: takes a message that is here already; false if there is none, or no room.
static bool collect_meanwhile(void *context) {
  struct recorder *r = context;
  if (is_full(r) || r->reading != NATS_OK) return false;
  natsStatus status = collect_one(r, 0);
  if (status != NATS_OK && status != NATS_TIMEOUT) r->reading = status;
  return status == NATS_OK;
}

// How long to wait for one message more; 0: only if it is here.
static int64_t patience_ms(const struct recorder *r) {
  int64_t left_us = r->last_write_us + PACE_US - clock_mono_us();
  if (r->pending > 0 && r->next->update_count < FIRST_UPDATES) return WAIT_MORE_MS;
  return left_us > 0 && r->next->update_count < PLENTY ? left_us / 1000 + 1 : 0;
}

// Waits for a message, unless there is one, then takes all that there are, and, with little to do, what comes until
// PACE_US after the last write. NATS_OK with at least one message, NATS_TIMEOUT with none.
static natsStatus collect(struct recorder *r) {
  if (r->reading != NATS_OK) return r->reading;
  natsStatus status = r->next->message_count > 0 ? NATS_OK : collect_one(r, WAIT_MS);
  int64_t until_us = clock_mono_us() + COLLECT_US;
  while (status == NATS_OK && !is_full(r) && clock_mono_us() < until_us) {
    status = collect_one(r, patience_ms(r));
    if (status == NATS_TIMEOUT) return NATS_OK;
  }
  return status;
}

// ---- writing ----

static void take_less(struct recorder *r) {
  if (r->update_limit > MIN_UPDATES) r->update_limit /= STEP;
}

// How much to take at once, while this batch is written: more as long as that is quick, less when it is not.
static void adapt(struct recorder *r) {
  if (is_full(r) && r->took_us < QUICK_US && r->update_limit < MAX_UPDATES) r->update_limit *= STEP;
  if (r->took_us > SLOW_US) take_less(r);
}

// What must be there before a transaction can be written.
static bool make_ready(struct recorder *r, const struct collected *batch) {
  if (batch->unknown && !known_resolve(r->known, r->store, batch->updates, batch->update_count)) return false;
  return store_has_days(r->store, batch->first_day, batch->last_day) ||
         store_partitions(r->store, batch->updates, batch->update_count);
}

// Writes what was collected, and collects meanwhile.
static bool write_batch(struct recorder *r) {
  int64_t begun_us = clock_mono_us();
  struct collected *batch = r->next;
  adapt(r);
  r->next = batch == r->batches ? r->batches + 1 : r->batches;
  r->next->sequence = batch->sequence;
  if (!make_ready(r, batch)) return false;
  struct store_batch whole = {
      .updates = batch->updates,
      .count = batch->update_count,
      .stream = SUBJECT_STREAM,
      .stream_created_us = r->stream_created_us,
      .sequence = batch->sequence,
      .meanwhile = collect_meanwhile,
      .context = r,
  };
  struct store_written written;
  if (!store_write(r->store, &whole, &written)) {
    take_less(r);
    return false;
  }
  r->sequence = batch->sequence;
  collected_forget(batch);
  r->last_write_us = r->last_talk_us = clock_mono_us();
  r->took_us = r->last_write_us - begun_us;
  metric_observe_us(r->write_time, r->took_us);
  metric_add(r->batches_total, 1);
  metric_add(r->rows_total, (int64_t)written.inserted);
  metric_add(r->duplicates_total, (int64_t)(written.positions - written.inserted));
  metric_add(r->set_aside_total, (int64_t)written.set_aside);
  metric_set(r->position, (int64_t)r->sequence);
  return true;
}

// Partitions: those to come are made ahead, old ones are dropped, one step at a time.
static bool look_after_days(struct recorder *r) {
  int64_t now_us = clock_mono_us(), today = clock_wall_us() / STORE_DAY_US;
  if (now_us < r->next_upkeep_us) return true;
  enum store_drop drop = STORE_DROP_NONE;
  if (r->config.retention_days > 0) store_retain(r->store, today - r->config.retention_days);
  if (!store_partitions_ahead(r->store, today)) return false;
  if (r->config.retention_days > 0 && !store_drop_old(r->store, &drop)) return false;
  static const int64_t next_us[] = {
      [STORE_DROP_NONE] = UPKEEP_EVERY_US, [STORE_DROP_SOME] = UPKEEP_MORE_US, [STORE_DROP_BUSY] = UPKEEP_BUSY_US};
  r->next_upkeep_us = clock_mono_us() + next_us[drop];
  return true;
}

// ---- the stream ----

static void disconnect(struct recorder *r) {
  // Closing ends the reading thread first: nats.c 3.4.1 must not see a subscription go while messages arrive.
  if (r->nc) natsConnection_Close(r->nc);
  natsSubscription_Destroy(r->sub);
  jsCtx_Destroy(r->js);
  natsConnection_Destroy(r->nc);
  r->sub = NULL;
  r->js = NULL;
  r->nc = NULL;
}

// Lets Postgres know that we live.
static bool keep_talking(struct recorder *r) {
  int64_t now_us = clock_mono_us();
  if (now_us - r->last_talk_us < TALK_EVERY_US) return true;
  r->last_talk_us = now_us;
  return store_ping(r->store);
}

static natsStatus connect_nats(struct recorder *r) {
  natsOptions *options = NULL;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, r->config.nats_url);
  if (status == NATS_OK) status = natsOptions_SetName(options, "muster-recorder");
  if (status == NATS_OK) status = natsOptions_SetCustomInboxPrefix(options, SUBJECT_TRACKER_INBOX);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);  // a fault begins everything again
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, 2000);
  if (status == NATS_OK) status = natsOptions_SetTimeout(options, NATS_WAIT_MS);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(options, NATS_WAIT_MS);
  if (status == NATS_OK) status = natsConnection_Connect(&r->nc, options);
  natsOptions_Destroy(options);
  jsOptions js;
  jsOptions_Init(&js);
  js.Wait = NATS_WAIT_MS;
  if (status == NATS_OK) status = natsConnection_JetStream(&r->js, r->nc, &js);
  return status;
}

static natsStatus ask_stream(struct recorder *r, int64_t *out_created_us, uint64_t *out_last) {
  jsStreamInfo *info = NULL;
  natsStatus status = js_GetStreamInfo(&info, r->js, SUBJECT_STREAM, NULL, NULL);
  if (status == NATS_OK) {
    *out_created_us = info->Created / 1000;
    *out_last = info->State.LastSeq;
    uint64_t most = info->Config->MaxBytes > 0 ? (uint64_t)info->Config->MaxBytes : UINT64_MAX;
    r->crowded = info->State.Bytes > most / 4 * 3;
  }
  jsStreamInfo_Destroy(info);
  return status;
}

static natsStatus subscribe(struct recorder *r) {
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = SUBJECT_STREAM;  // else nats.c asks which one has the subject, and may not be allowed to
  options.Ordered = true;
  options.Config.RateLimit = READ_BITS_PER_S;
  options.Config.DeliverPolicy = js_DeliverByStartSequence;
  options.Config.OptStartSeq = r->sequence + 1;
  natsStatus status = js_SubscribeSync(&r->sub, r->js, SUBJECT_ALL_LOGS, NULL, &options, NULL);
  // The server's flow control bounds what waits here, by bytes (32 MiB); nats.c's own limit of 65,536 messages is less
  // than that when batches are small, and would cut off whoever catches up.
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(r->sub, -1, PENDING_BYTES);
  return status;
}

// Connects to NATS and subscribes where Postgres says. False if Postgres failed; *out_status tells of NATS.
static bool begin_reading(struct recorder *r, natsStatus *out_status) {
  *out_status = connect_nats(r);
  if (!keep_talking(r)) return false;
  uint64_t last = 0;
  if (*out_status == NATS_OK) *out_status = ask_stream(r, &r->stream_created_us, &last);
  if (*out_status != NATS_OK) return true;
  if (!store_position(r->store, SUBJECT_STREAM, r->stream_created_us, &r->sequence)) return false;
  if (r->sequence > last) {  // a machine that lost power: what it had not written to its disk is gone from the stream
    log_error("log_lost_its_end", "recorded=%llu last=%llu", (unsigned long long)r->sequence, (unsigned long long)last);
    r->sequence = last;
  }
  r->trimmed = r->buried = 0;
  *out_status = subscribe(r);
  r->last_look_us = clock_mono_us();
  if (*out_status == NATS_OK) log_info("recording", "from_sequence=%llu", (unsigned long long)r->sequence + 1);
  return true;
}

// A stream that was deleted and made again looks like one that is silent.
static natsStatus look_at_stream(struct recorder *r) {
  int64_t now_us = clock_mono_us(), created_us = 0;
  uint64_t last;
  if (now_us - r->last_look_us < LOOK_EVERY_US) return NATS_OK;
  r->last_look_us = now_us;
  natsStatus status = ask_stream(r, &created_us, &last);
  return status == NATS_OK && created_us != r->stream_created_us ? NATS_NOT_FOUND : status;
}

// The log holds what is not recorded, not everything: what was recorded some time ago goes. It stays for that time
// because views are joined from a stream position, and because a crash of Postgres may lose the newest commits.
static bool trim(struct recorder *r) {
  int64_t now_us = clock_mono_us();
  if (now_us < r->next_trim_us) return true;
  // A stream that is nearly full keeps no more than joins surely need: a full one stops intake.
  long keep_s = r->crowded && r->config.log_keep_s > CROWDED_KEEP_S ? CROWDED_KEEP_S : r->config.log_keep_s;
  long every_s = keep_s / 60;
  r->next_trim_us = now_us + (every_s < 1 ? 1 : every_s) * SECOND_US;
  uint64_t sequence = 0;
  if (!store_mark(r->store, SUBJECT_STREAM, r->stream_created_us, keep_s, &sequence)) return false;
  if (sequence <= r->trimmed) return true;
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Purge.Sequence = sequence + 1;  // the first to stay
  natsStatus status = js_PurgeStream(r->js, SUBJECT_STREAM, &options, NULL);
  if (status == NATS_OK) {
    r->trimmed = sequence;
    metric_set(r->trimmed_gauge, (int64_t)sequence);
  } else {
    log_warn("log_not_trimmed", "sequence=%llu fault=\"%s\"", (unsigned long long)sequence, natsStatus_GetText(status));
  }
  return true;
}

// Ends the sessions of trackers that are dead. What was said the last time must be recorded before, or it would be said
// again.
static bool bury(struct recorder *r) {
  int64_t now_us = clock_mono_us();
  const struct roll_tracker *living;
  size_t living_count, count = 0;
  if (now_us < r->next_bury_us || r->sequence < r->buried) return true;
  r->next_bury_us = now_us + BURY_EVERY_US;
  if (!undertaker_living(r->undertaker, &living, &living_count)) return true;
  if (!store_lost_sessions(r->store, living, living_count, r->lost, BURY_MAX, &count)) return false;
  if (count > 0 && undertaker_bury(r->undertaker, r->lost, count, &r->buried)) {
    metric_add(r->lost_total, (int64_t)count);
  }
  return true;
}

// Records until Postgres fails (false) or NATS does, or the recorder stops (true).
static bool record(struct recorder *r) {
  natsStatus status;
  bool good = begin_reading(r, &status);
  r->reading = NATS_OK;
  known_forget(r->known);  // another one may have recorded since we last did
  r->took_us = 0;
  r->next->sequence = r->sequence;
  while (good && status == NATS_OK && !atomic_load(&r->stopping)) {
    status = collect(r);
    if (r->next->message_count > 0) good = write_batch(r);
    if (status == NATS_TIMEOUT) status = NATS_OK;
    if (status == NATS_OK) status = look_at_stream(r);
    good = good && keep_talking(r) && look_after_days(r);
    undertaker_listen(r->undertaker);
    if (good && status == NATS_OK) good = trim(r) && bury(r);
  }
  for (size_t i = 0; i < 2; i++) collected_forget(&r->batches[i]);
  if (status != NATS_OK) log_warn("log_unreadable", "fault=\"%s\"", natsStatus_GetText(status));
  disconnect(r);
  return good;
}

// ---- the thread ----

// A standby does this all day.
static void wait_ms(struct recorder *r, unsigned ms) {
  undertaker_listen(r->undertaker);
  uv_mutex_lock(&r->lock);
  if (!atomic_load(&r->stopping)) uv_cond_timedwait(&r->change, &r->lock, ms * UINT64_C(1000000));
  uv_mutex_unlock(&r->lock);
}

static void set_leading(struct recorder *r, bool leads) {
  if (atomic_exchange(&r->leads, leads) == leads) return;
  metric_set(r->leading, leads);
  log_info(leads ? "recorder_elected" : "recorder_resigned", "id=%s", r->config.id);
}

// Serves one connection to Postgres: waits for the lock, then records.
static void serve(struct recorder *r) {
  bool leads = false;
  while (!atomic_load(&r->stopping)) {
    if (!leads && !store_try_lead(r->store, &leads)) return;
    set_leading(r, leads);
    if (!leads) {
      wait_ms(r, ELECT_EVERY_MS);
      continue;
    }
    if (!look_after_days(r) || !record(r)) return;
    // NATS, or its stream, may be out of reach for us only: another gets the time to try.
    leads = false;
    if (!store_resign(r->store)) return;
    set_leading(r, false);
    wait_ms(r, 2 * ELECT_EVERY_MS);
  }
}

// Returns the store before, which recorder_stop then no longer knows.
static struct store *use_store(struct recorder *r, struct store *store) {
  uv_mutex_lock(&r->lock);
  struct store *before = r->store;
  r->store = store;
  uv_mutex_unlock(&r->lock);
  return before;
}

static bool has_schema(struct recorder *r) {
  return r->config.migrates ? store_migrate(r->store, r->config.schema) : store_is_migrated(r->store, r->config.schema);
}

static void run(void *argument) {
  struct recorder *r = argument;
  r->undertaker = undertaker_new(r->config.nats_url, r->config.id, r->config.unheard, r->config.context);
  while (!atomic_load(&r->stopping)) {
    use_store(r, store_open(r->config.database_url));
    r->next_upkeep_us = 0;
    if (r->store && has_schema(r)) serve(r);
    store_close(use_store(r, NULL));
    known_forget(r->known);
    set_leading(r, false);
    wait_ms(r, RETRY_MS);
  }
  undertaker_free(r->undertaker);
  uv_mutex_lock(&r->lock);
  r->ended = true;
  uv_cond_broadcast(&r->change);
  uv_mutex_unlock(&r->lock);
}

static void register_metrics(struct recorder *r, struct metrics *m) {
  r->leading = metrics_gauge(m, "muster_recorder_leader", "", "1 if this tracker is the elected recorder.");
  r->rows_total = metrics_counter(m, "muster_recorder_rows_total", "", "Positions written to the history.");
  r->duplicates_total =
      metrics_counter(m, "muster_recorder_duplicates_total", "", "Positions that the history had already.");
  r->batches_total = metrics_counter(m, "muster_recorder_batches_total", "", "Transactions written.");
  r->bad_total =
      metrics_counter(m, "muster_recorder_bad_batches_total", "", "Updates and log batches that could not be read.");
  r->set_aside_total = metrics_counter(m, "muster_recorder_set_aside_total", "",
                                       "Updates that could not be written: they and the reason are in set_aside.");
  r->skipped_total =
      metrics_counter(m, "muster_recorder_skipped_total", "", "Log messages that expired before they were recorded.");
  r->position = metrics_gauge(m, "muster_recorder_position", "", "Sequence number recorded up to.");
  r->lost_total = metrics_counter(m, "muster_recorder_lost_sessions_total", "", "Sessions of dead trackers ended.");
  r->trimmed_gauge = metrics_gauge(m, "muster_recorder_trimmed", "", "Sequence number up to which the log is trimmed.");
  r->behind = metrics_gauge(m, "muster_recorder_behind_messages", "", "Log messages that wait to be recorded.");
  r->write_time = metrics_histogram(m, "muster_recorder_write_seconds", "Time to write a batch.");
}

struct recorder *recorder_start(const struct recorder_config *config, struct metrics *metrics) {
  struct recorder *r = calloc(1, sizeof *r);
  if (!r) abort();
  r->config = *config;
  r->lost = calloc(BURY_MAX, sizeof *r->lost);
  if (!r->lost) abort();
  r->known = known_new();
  r->update_limit = FIRST_UPDATES;
  r->next = r->batches;
  for (size_t i = 0; i < 2; i++) collected_init(&r->batches[i]);
  register_metrics(r, metrics);
  if (uv_mutex_init(&r->lock) || uv_cond_init(&r->change) || uv_thread_create(&r->thread, run, r)) abort();
  return r;
}

bool recorder_leads(const struct recorder *recorder) {
  return atomic_load(&recorder->leads);
}

void recorder_stop(struct recorder *r) {
  if (!r) return;
  uv_mutex_lock(&r->lock);
  atomic_store(&r->stopping, true);
  uv_cond_broadcast(&r->change);
  // A Postgres that neither answers nor breaks off would be waited for without end.
  while (!r->ended && uv_cond_timedwait(&r->change, &r->lock, STOP_WAIT_MS * UINT64_C(1000000)) == 0) continue;
  if (!r->ended && r->store) store_break(r->store);
  uv_mutex_unlock(&r->lock);
  uv_thread_join(&r->thread);
  uv_cond_destroy(&r->change);
  uv_mutex_destroy(&r->lock);
  for (size_t i = 0; i < 2; i++) collected_fini(&r->batches[i]);
  known_free(r->known);
  free(r->lost);
  free(r);
}

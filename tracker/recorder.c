// The recorder's thread: elect, subscribe, collect, write.
#include "recorder.h"

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>

#include "clock.h"
#include "ident.h"
#include "log.h"
#include "store.h"
#include "subject.h"
#include "update.h"

#define MAX_MESSAGES 1024  // in one transaction
#define MAX_UPDATES 8000   // after which no further message is added
#define PACE_US 20000      // with little to do, batches are written this far apart, because a transaction costs
#define ELECT_EVERY_MS 500
#define RETRY_MS 500
#define STOP_WAIT_MS 3000
#define WAIT_MS 250  // for a message
// Postgres ends our session if we say nothing for 3 s: no wait for NATS may be longer than this, and after each we
// talk.
#define NATS_WAIT_MS 1000
#define TALK_EVERY_US 500000
#define PENDING_BYTES (64 * 1024 * 1024)
#define LOOK_EVERY_US 5000000  // is the stream still the one that it was?

// A worker whose id is known, in the database that the connection leads to.
struct known {
  int32_t id;
  UT_hash_handle hh;
  char key[];  // team/name
};

struct growing {
  void *items;
  size_t count, capacity;
};

struct recorder {
  struct recorder_config config;
  uv_thread_t thread;
  atomic_bool stopping, leads;

  uv_mutex_t lock;  // protects changes of `store`, and `ended`
  uv_cond_t end;
  bool ended;  // the thread is about to

  struct store *store;
  natsConnection *nc;
  jsCtx *js;
  natsSubscription *sub;
  int64_t stream_created_us;
  uint64_t sequence;  // recorded, or collected
  int64_t last_write_us, last_look_us, last_talk_us;

  struct known *known;
  natsMsg *messages[MAX_MESSAGES];  // keep the bytes that updates point into
  size_t message_count;
  struct growing updates;    // struct pending
  struct growing workers;    // struct store_worker, new ones
  struct growing rows;       // struct store_row
  struct growing presences;  // struct store_presence

  struct metric *leading, *rows_total, *duplicates_total, *batches_total, *bad_total, *skipped_total, *position,
      *behind;
  struct metric_histogram *write_time;
};

struct pending {
  struct slice tracker;
  struct update update;
  struct known *known;
};

static void *grow(struct growing *list, size_t item_bytes) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity ? list->capacity * 2 : 256;
    list->items = realloc(list->items, list->capacity * item_bytes);
    if (!list->items) abort();
  }
  return (char *)list->items + list->count++ * item_bytes;
}

// ---- collecting ----

static void collect_updates(struct recorder *r, natsMsg *message) {
  struct batch_reader reader;
  struct batch_header header;
  if (!batch_open(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message), &reader, &header)) {
    metric_add(r->bad_total, 1);
    log_error("log_batch_bad", "sequence=%llu fault=header", (unsigned long long)r->sequence);
    return;
  }
  struct update update;
  enum batch_status status;
  while ((status = batch_next(&reader, &update)) == BATCH_UPDATE) {
    if (update.team.len == 0) continue;
    struct pending *pending = grow(&r->updates, sizeof *pending);
    *pending = (struct pending){.tracker = header.tracker, .update = update};
  }
  if (status == BATCH_BAD) {
    metric_add(r->bad_total, 1);
    log_error("log_batch_bad", "sequence=%llu fault=update", (unsigned long long)r->sequence);
  }
}

// Takes a message into the batch; owns it.
static bool collect_message(struct recorder *r, natsMsg *message) {
  jsMsgMetaData *meta = NULL;
  if (natsMsg_GetMetaData(&meta, message) != NATS_OK) {
    natsMsg_Destroy(message);
    return false;
  }
  uint64_t sequence = meta->Sequence.Stream;
  metric_set(r->behind, (int64_t)meta->NumPending);
  jsMsgMetaData_Destroy(meta);
  if (sequence <= r->sequence) {  // delivered twice
    natsMsg_Destroy(message);
    return true;
  }
  if (sequence > r->sequence + 1 && r->sequence > 0) {
    metric_add(r->skipped_total, (int64_t)(sequence - r->sequence - 1));
    log_error("log_skipped", "from=%llu to=%llu", (unsigned long long)r->sequence + 1,
              (unsigned long long)sequence - 1);
  }
  r->sequence = sequence;
  r->messages[r->message_count++] = message;
  collect_updates(r, message);
  return true;
}

// Waits for a message, then takes what else is there, and, with little to do, what comes until PACE_US after the last
// write. NATS_OK with at least one message, NATS_TIMEOUT with none.
static natsStatus collect(struct recorder *r) {
  natsMsg *message = NULL;
  natsStatus status = natsSubscription_NextMsg(&message, r->sub, WAIT_MS);
  if (status != NATS_OK) return status;
  int64_t until_us = r->last_write_us + PACE_US;
  for (;;) {
    if (!collect_message(r, message)) return NATS_ERR;
    if (r->message_count == MAX_MESSAGES || r->updates.count >= MAX_UPDATES) return NATS_OK;
    int queued = 0;
    status = natsSubscription_GetPending(r->sub, &queued, NULL);
    if (status != NATS_OK) return NATS_OK;  // write what is here first
    int64_t left_us = until_us - clock_mono_us();
    if (queued == 0 && left_us <= 0) return NATS_OK;
    message = NULL;
    if (natsSubscription_NextMsg(&message, r->sub, left_us / 1000 + 1) != NATS_OK) return NATS_OK;
  }
}

static void forget_batch(struct recorder *r) {
  for (size_t i = 0; i < r->message_count; i++) natsMsg_Destroy(r->messages[i]);
  r->message_count = r->updates.count = 0;
}

// ---- workers' ids ----

static size_t worker_key(const struct update *update, char *out) {
  memcpy(out, update->team.data, update->team.len);
  out[update->team.len] = '/';
  memcpy(out + update->team.len + 1, update->worker.data, update->worker.len);
  return update->team.len + 1 + update->worker.len;
}

// Finds a worker among the known, or adds it with id 0, to be asked for.
static struct known *know(struct recorder *r, const struct update *update) {
  char key[2 * IDENT_MAX_BYTES + 2];
  size_t len = worker_key(update, key);
  struct known *known;
  HASH_FIND(hh, r->known, key, len, known);
  if (known) return known;
  known = calloc(1, sizeof *known + len);
  if (!known) abort();
  memcpy(known->key, key, len);
  HASH_ADD_KEYPTR(hh, r->known, known->key, len, known);
  return known;
}

// Gives every pending update its worker, with an id.
static bool resolve_workers(struct recorder *r) {
  struct pending *pending = r->updates.items;
  r->workers.count = 0;
  for (size_t i = 0; i < r->updates.count; i++) {
    pending[i].known = know(r, &pending[i].update);
    if (pending[i].known->id) continue;
    struct store_worker *worker = grow(&r->workers, sizeof *worker);
    *worker = (struct store_worker){.team = pending[i].update.team, .name = pending[i].update.worker};
    pending[i].known->id = -1;  // asked for; a second update of it does not ask again
  }
  struct store_worker *workers = r->workers.items;
  bool good = r->workers.count == 0 || store_workers(r->store, workers, r->workers.count);
  for (size_t i = 0; i < r->workers.count; i++) {
    struct update update = {.team = workers[i].team, .worker = workers[i].name};
    know(r, &update)->id = good ? workers[i].id : 0;
  }
  return good;
}

// ---- writing ----

static void fill_rows(struct recorder *r) {
  const struct pending *pending = r->updates.items;
  r->rows.count = r->presences.count = 0;
  for (size_t i = 0; i < r->updates.count; i++) {
    const struct update *update = &pending[i].update;
    bool storable = update->position.taken_at_us >= 0 && update->position.taken_at_us / STORE_DAY_US < STORE_DAYS;
    if (update->has_position && !storable) metric_add(r->bad_total, 1);  // no tracker of ours lets it through
    if (update->has_position && storable) {
      struct store_row *row = grow(&r->rows, sizeof *row);
      *row = (struct store_row){pending[i].known->id, update->received_at_us, update->position};
    }
    if (update->has_presence) {
      struct store_presence *presence = grow(&r->presences, sizeof *presence);
      *presence = (struct store_presence){pending[i].known->id, pending[i].tracker, update->presence};
    }
  }
}

static bool write_batch(struct recorder *r) {
  int64_t begun_us = clock_mono_us();
  if (!resolve_workers(r)) return false;
  fill_rows(r);
  if (!store_partitions(r->store, r->rows.items, r->rows.count)) return false;
  struct store_batch batch = {
      .rows = r->rows.items,
      .row_count = r->rows.count,
      .presences = r->presences.items,
      .presence_count = r->presences.count,
      .stream = SUBJECT_STREAM,
      .stream_created_us = r->stream_created_us,
      .sequence = r->sequence,
  };
  size_t inserted;
  if (!store_write(r->store, &batch, &inserted)) return false;
  r->last_write_us = clock_mono_us();
  metric_observe_us(r->write_time, r->last_write_us - begun_us);
  metric_add(r->batches_total, 1);
  metric_add(r->rows_total, (int64_t)inserted);
  metric_add(r->duplicates_total, (int64_t)(r->rows.count - inserted));
  metric_set(r->position, (int64_t)r->sequence);
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

static natsStatus stream_created(struct recorder *r, int64_t *out_us) {
  jsStreamInfo *info = NULL;
  natsStatus status = js_GetStreamInfo(&info, r->js, SUBJECT_STREAM, NULL, NULL);
  if (status == NATS_OK) *out_us = info->Created / 1000;
  jsStreamInfo_Destroy(info);
  return status;
}

static natsStatus subscribe(struct recorder *r) {
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Ordered = true;
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
  if (*out_status == NATS_OK) *out_status = stream_created(r, &r->stream_created_us);
  if (*out_status != NATS_OK) return true;
  if (!store_position(r->store, SUBJECT_STREAM, r->stream_created_us, &r->sequence)) return false;
  *out_status = subscribe(r);
  r->last_look_us = clock_mono_us();
  if (*out_status == NATS_OK) log_info("recording", "from_sequence=%llu", (unsigned long long)r->sequence + 1);
  return true;
}

// A stream that was deleted and made again looks like one that is silent.
static natsStatus look_at_stream(struct recorder *r) {
  int64_t now_us = clock_mono_us(), created_us = 0;
  if (now_us - r->last_look_us < LOOK_EVERY_US) return NATS_OK;
  r->last_look_us = now_us;
  natsStatus status = stream_created(r, &created_us);
  return status == NATS_OK && created_us != r->stream_created_us ? NATS_NOT_FOUND : status;
}

// Records until Postgres fails (false) or NATS does, or the recorder stops (true).
static bool record(struct recorder *r) {
  natsStatus status;
  bool good = begin_reading(r, &status);
  while (good && status == NATS_OK && !atomic_load(&r->stopping)) {
    status = collect(r);
    if (r->message_count > 0) good = write_batch(r);
    forget_batch(r);
    if (status == NATS_TIMEOUT) status = NATS_OK;
    if (status == NATS_OK) status = look_at_stream(r);
    good = good && keep_talking(r);
  }
  if (status != NATS_OK) log_warn("log_unreadable", "fault=\"%s\"", natsStatus_GetText(status));
  disconnect(r);
  return good;
}

// ---- the thread ----

static void wait_ms(struct recorder *r, unsigned ms) {
  for (unsigned waited = 0; waited < ms && !atomic_load(&r->stopping); waited += 50) clock_sleep_ms(50);
}

// Another connection may lead to a server that lost the newest workers in a crash, or to a restored database: ids are
// good for one connection only.
static void forget_workers(struct recorder *r) {
  struct known *known, *next;
  HASH_ITER(hh, r->known, known, next) {
    HASH_DEL(r->known, known);
    free(known);
  }
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
    if (!record(r)) return;
    wait_ms(r, RETRY_MS);
    if (!keep_talking(r)) return;
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

static void run(void *argument) {
  struct recorder *r = argument;
  while (!atomic_load(&r->stopping)) {
    use_store(r, store_open(r->config.database_url));
    if (r->store && store_migrate(r->store, r->config.schema)) serve(r);
    store_close(use_store(r, NULL));
    forget_workers(r);
    set_leading(r, false);
    wait_ms(r, RETRY_MS);
  }
  uv_mutex_lock(&r->lock);
  r->ended = true;
  uv_cond_signal(&r->end);
  uv_mutex_unlock(&r->lock);
}

static void register_metrics(struct recorder *r, struct metrics *m) {
  r->leading = metrics_gauge(m, "muster_recorder_leader", "", "1 if this tracker is the elected recorder.");
  r->rows_total = metrics_counter(m, "muster_recorder_rows_total", "", "Positions written to the history.");
  r->duplicates_total =
      metrics_counter(m, "muster_recorder_duplicates_total", "", "Positions that the history had already.");
  r->batches_total = metrics_counter(m, "muster_recorder_batches_total", "", "Transactions written.");
  r->bad_total = metrics_counter(m, "muster_recorder_bad_batches_total", "", "Log batches that could not be read.");
  r->skipped_total =
      metrics_counter(m, "muster_recorder_skipped_total", "", "Log messages that expired before they were recorded.");
  r->position = metrics_gauge(m, "muster_recorder_position", "", "Sequence number recorded up to.");
  r->behind = metrics_gauge(m, "muster_recorder_behind_messages", "", "Log messages that wait to be recorded.");
  r->write_time = metrics_histogram(m, "muster_recorder_write_seconds", "Time to write a batch.");
}

struct recorder *recorder_start(const struct recorder_config *config, struct metrics *metrics) {
  struct recorder *r = calloc(1, sizeof *r);
  if (!r) abort();
  r->config = *config;
  register_metrics(r, metrics);
  if (uv_mutex_init(&r->lock) || uv_cond_init(&r->end) || uv_thread_create(&r->thread, run, r)) abort();
  return r;
}

bool recorder_leads(const struct recorder *recorder) {
  return atomic_load(&recorder->leads);
}

void recorder_stop(struct recorder *r) {
  if (!r) return;
  atomic_store(&r->stopping, true);
  // A Postgres that neither answers nor breaks off would be waited for without end.
  uv_mutex_lock(&r->lock);
  while (!r->ended && uv_cond_timedwait(&r->end, &r->lock, STOP_WAIT_MS * UINT64_C(1000000)) == 0) continue;
  if (!r->ended && r->store) store_break(r->store);
  uv_mutex_unlock(&r->lock);
  uv_thread_join(&r->thread);
  uv_cond_destroy(&r->end);
  uv_mutex_destroy(&r->lock);
  free(r->updates.items);
  free(r->workers.items);
  free(r->rows.items);
  free(r->presences.items);
  free(r);
}

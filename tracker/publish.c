// Publishing to NATS. Traps of nats.c 3.4.1 that shape this file: a publish may block while the socket is full, so it
// happens on this thread only, with a write deadline; a PubAck may never come, so every stored message has a MaxWait;
// what is published while disconnected must fail at once instead of being sent stale later; a connection that the
// server has refused twice running is closed for good, so it is opened anew.
#include "publish.h"

#include <inttypes.h>
#include <nats/nats.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mailbox.h"
#include "stream.h"
#include "subject.h"

#define WRITE_DEADLINE_MS 2000
#define ACK_WAIT_MS 3000
#define LOOK_WAIT_MS 500
#define LOOK_EVERY_US 1000000
#define OPEN_EVERY_US 1000000
#define SHARD 0

// One of the two connections; what nats.c's callbacks are given.
struct link {
  struct publisher *publisher;
  const char *name;
  natsConnection *nc;
};

struct publisher {
  struct publish_config config;
  struct publish_events events;
  struct mailbox mailbox;
  struct link live, log;
  jsCtx *js;
  atomic_bool stream_there;
  int64_t next_look_us;  // for the stream, monotonic; the thread's
  int64_t next_open_us;  // of a closed connection, monotonic; the thread's

  uv_thread_t thread;
  uv_mutex_t lock;  // protects the three below
  uv_cond_t wake;
  struct publish_work *work;
  bool stopping;

  struct metric *live_batches, *live_bytes, *log_batches, *log_bytes, *connected;
};

// What other threads tell the loop.
struct note {
  struct letter letter;
  enum { NOTE_DONE, NOTE_STORED, NOTE_CUT, NOTE_ACKS_LOST } kind;
  struct publish_work *work;
  uint64_t number;
  char fault[96];  // empty: none
};

static void post(struct publisher *publisher, const struct note *note) {
  struct note *copy = malloc(sizeof *copy);
  if (!copy) abort();
  *copy = *note;
  mailbox_post(&publisher->mailbox, &copy->letter);
}

static void post_stored(struct publisher *publisher, uint64_t number, const char *fault) {
  struct note note = {.kind = NOTE_STORED, .number = number};
  if (fault) strncpy(note.fault, fault, sizeof note.fault - 1);
  post(publisher, &note);
}

static void deliver(void *context, struct letter *letter) {
  struct publisher *publisher = context;
  struct publish_events *events = &publisher->events;
  struct note *note = (struct note *)letter;
  switch (note->kind) {
    case NOTE_DONE:
      events->done(events->context, note->work);
      break;
    case NOTE_STORED:
      events->log_stored(events->context, note->number, *note->fault ? note->fault : NULL);
      break;
    case NOTE_CUT:
      events->live_cut(events->context);
      break;
    case NOTE_ACKS_LOST:
      events->acks_lost(events->context);
      break;
  }
  free(note);
}

// The number of a log batch travels as the end of its message id, which comes back with the ack.
static void message_id(const struct publisher *publisher, uint64_t number, char *out, size_t out_bytes) {
  snprintf(out, out_bytes, "%s.%" PRId64 ".%" PRIu64, publisher->config.id, publisher->config.started_at_us, number);
}

// On a thread of nats.c. The message is ours to destroy.
static void on_ack(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *error, void *closure) {
  (void)js;
  (void)ack;
  struct publisher *publisher = closure;
  const char *id = NULL;
  const char *dot = natsMsgHeader_Get(message, "Nats-Msg-Id", &id) == NATS_OK ? strrchr(id, '.') : NULL;
  if (dot) {
    const char *fault = NULL;
    if (error) fault = error->ErrText && *error->ErrText ? error->ErrText : natsStatus_GetText(error->Err);
    if (error && error->Err == NATS_NO_RESPONDERS) atomic_store(&publisher->stream_there, false);
    post_stored(publisher, strtoull(dot + 1, NULL, 10), fault);
  }
  natsMsg_Destroy(message);
}

static void publish_log(struct publisher *publisher, const struct log_batch *batch) {
  char subject[SUBJECT_BYTES], id[160];
  message_id(publisher, batch->number, id, sizeof id);
  jsPubOptions options;
  jsPubOptions_Init(&options);
  options.MsgId = id;
  options.MaxWait = ACK_WAIT_MS;
  natsMsg *message = NULL;
  natsStatus status = natsMsg_Create(&message, subject_log(subject, SHARD), NULL, (const char *)batch->bytes.data,
                                     (int)batch->bytes.len);
  if (status == NATS_OK) status = js_PublishMsgAsync(publisher->js, &message, &options);
  natsMsg_Destroy(message);  // NULL once it was taken
  if (status != NATS_OK) {
    post_stored(publisher, batch->number, natsStatus_GetText(status));
    return;
  }
  metric_add(publisher->log_batches, 1);
  metric_add(publisher->log_bytes, (int64_t)batch->bytes.len);
}

// Looks at most once a second, because looking holds up what is live.
static bool ensure_stream(struct publisher *publisher) {
  if (atomic_load(&publisher->stream_there)) return true;
  if (natsConnection_Status(publisher->log.nc) != NATS_CONN_STATUS_CONNECTED) return false;
  int64_t now_us = clock_mono_us();
  if (now_us < publisher->next_look_us) return false;
  publisher->next_look_us = now_us + LOOK_EVERY_US;
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = LOOK_WAIT_MS;
  const struct publish_config *config = &publisher->config;
  struct stream_limits limits = {config->log_max_age_s, config->log_max_bytes};
  natsStatus status = stream_ensure(publisher->js, &limits, config->creates_stream, &options);
  if (status != NATS_OK) {
    log_warn("stream_unavailable", "stream=%s fault=\"%s\"", SUBJECT_STREAM, natsStatus_GetText(status));
  }
  atomic_store(&publisher->stream_there, status == NATS_OK);
  return status == NATS_OK;
}

void publisher_submit(struct publisher *publisher, struct publish_work *work) {
  uv_mutex_lock(&publisher->lock);
  publisher->work = work;
  uv_cond_signal(&publisher->wake);
  uv_mutex_unlock(&publisher->lock);
}

bool publisher_ready(const struct publisher *publisher) {
  return metric_get(publisher->connected) == 2 && atomic_load(&publisher->stream_there);
}

static void on_disconnected(natsConnection *nc, void *closure) {
  (void)nc;
  struct link *link = closure;
  log_warn("nats_disconnected", "connection=%s", link->name);
  metric_add(link->publisher->connected, -1);
  if (link == &link->publisher->live) post(link->publisher, &(struct note){.kind = NOTE_CUT});
}

static void on_connected(natsConnection *nc, void *closure) {
  (void)nc;
  struct link *link = closure;
  log_info("nats_connected", "connection=%s", link->name);
  metric_add(link->publisher->connected, 1);
  // NATS may have come back with another disk: look for the stream again.
  if (link == &link->publisher->log) atomic_store(&link->publisher->stream_there, false);
}

static natsStatus link_open(struct link *link, const char *name, bool send_asap) {
  struct publisher *publisher = link->publisher;
  link->name = name;
  natsOptions *options = NULL;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, publisher->config.nats_url);
  if (status == NATS_OK) status = natsOptions_SetName(options, publisher->config.id);
  if (status == NATS_OK) status = natsOptions_SetCustomInboxPrefix(options, SUBJECT_TRACKER_INBOX);
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, send_asap);
  if (status == NATS_OK) status = natsOptions_SetIOBufSize(options, 256 * 1024);
  if (status == NATS_OK) status = natsOptions_SetMaxReconnect(options, -1);
  if (status == NATS_OK) status = natsOptions_SetReconnectWait(options, 250);
  if (status == NATS_OK) status = natsOptions_SetReconnectBufSize(options, 0);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(options, WRITE_DEADLINE_MS);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, 5000);
  if (status == NATS_OK) status = natsOptions_SetRetryOnFailedConnect(options, true, on_connected, link);
  if (status == NATS_OK) status = natsOptions_SetDisconnectedCB(options, on_disconnected, link);
  if (status == NATS_OK) status = natsOptions_SetReconnectedCB(options, on_connected, link);
  if (status == NATS_OK) status = natsConnection_Connect(&link->nc, options);
  natsOptions_Destroy(options);
  if (status == NATS_OK) on_connected(link->nc, link);  // the callback is for later ones only
  if (status == NATS_NOT_YET_CONNECTED) log_warn("nats_unreachable", "connection=%s retrying=yes", name);
  return status == NATS_NOT_YET_CONNECTED ? NATS_OK : status;
}

static natsStatus open_live(struct publisher *publisher) {
  // Live messages wait for nats.c's flusher, 1 ms at most, and share its writes; stored ones are few and leave at once.
  return link_open(&publisher->live, "live", false);
}

static natsStatus open_log(struct publisher *publisher) {
  natsStatus status = link_open(&publisher->log, "log", true);
  if (status != NATS_OK) return status;
  jsOptions options;
  jsOptions_Init(&options);
  options.PublishAsync.AckHandler = on_ack;
  options.PublishAsync.AckHandlerClosure = publisher;
  options.PublishAsync.MaxPending = 2 * PUBLISH_MAX_UNACKED;
  options.PublishAsync.StallWait = 100;
  return natsConnection_JetStream(&publisher->js, publisher->log.nc, &options);
}

static bool given_up(const struct link *link) {
  if (natsConnection_Status(link->nc) != NATS_CONN_STATUS_CLOSED) return false;
  log_warn("nats_given_up", "connection=%s", link->name);
  return true;
}

static void link_close(struct link *link) {
  natsConnection_Destroy(link->nc);
  link->nc = NULL;
}

// Opens what nats.c has given up. Without a connection, publishing fails, and is tried again.
static void revive(struct publisher *publisher) {
  int64_t now_us = clock_mono_us();
  if (now_us < publisher->next_open_us) return;
  publisher->next_open_us = now_us + OPEN_EVERY_US;
  if (given_up(&publisher->live)) {
    link_close(&publisher->live);
    (void)open_live(publisher);
  }
  if (given_up(&publisher->log)) {
    jsCtx_Destroy(publisher->js);
    publisher->js = NULL;
    link_close(&publisher->log);
    post(publisher, &(struct note){.kind = NOTE_ACKS_LOST});
    (void)open_log(publisher);
  }
}

void publisher_say(struct publisher *publisher, const struct buffer *replica) {
  char subject[SUBJECT_BYTES];
  natsConnection_Publish(publisher->live.nc, subject_replica(subject, "tracker", publisher->config.id), replica->data,
                         (int)replica->len);
}

static void carry_out(struct publisher *publisher, struct publish_work *work) {
  char subject[SUBJECT_BYTES];
  work->live_lost = 0;
  revive(publisher);
  for (struct live_batch *batch = work->live; batch; batch = batch->next) {
    const char *team = batch_team_name(batch->team);
    natsStatus status = natsConnection_Publish(publisher->live.nc, subject_team(subject, team, strlen(team)),
                                               batch->bytes.data, (int)batch->bytes.len);
    if (status != NATS_OK) {
      work->live_lost++;
      continue;
    }
    metric_add(publisher->live_batches, 1);
    metric_add(publisher->live_bytes, (int64_t)batch->bytes.len);
  }
  if (work->replica.len) publisher_say(publisher, &work->replica);
  bool there = ensure_stream(publisher);
  for (size_t i = 0; i < work->log_count; i++) {
    if (there) {
      publish_log(publisher, work->logs[i]);
    } else {
      post_stored(publisher, work->logs[i]->number, "the stream is out of reach");
    }
  }
  post(publisher, &(struct note){.kind = NOTE_DONE, .work = work});
}

static void run(void *argument) {
  struct publisher *publisher = argument;
  uv_mutex_lock(&publisher->lock);
  for (;;) {
    while (!publisher->work && !publisher->stopping) uv_cond_wait(&publisher->wake, &publisher->lock);
    struct publish_work *work = publisher->work;
    publisher->work = NULL;
    if (!work) break;
    uv_mutex_unlock(&publisher->lock);
    carry_out(publisher, work);
    uv_mutex_lock(&publisher->lock);
  }
  uv_mutex_unlock(&publisher->lock);
}

static void register_metrics(struct publisher *publisher, struct metrics *m) {
  publisher->live_batches = metrics_counter(m, "muster_tracker_live_batches_total", "", "Live batches published.");
  publisher->live_bytes = metrics_counter(m, "muster_tracker_live_bytes_total", "", "Bytes of live batches published.");
  publisher->log_batches = metrics_counter(m, "muster_tracker_log_batches_total", "", "Log batches sent to be stored.");
  publisher->log_bytes = metrics_counter(m, "muster_tracker_log_bytes_total", "", "Bytes of log batches sent.");
  publisher->connected =
      metrics_gauge(m, "muster_tracker_nats_connections", "", "Connections to NATS, 2 when all is well.");
}

struct publisher *publisher_start(uv_loop_t *loop, const struct publish_config *config,
                                  const struct publish_events *events, struct metrics *metrics,
                                  const char **out_fault) {
  struct publisher *publisher = calloc(1, sizeof *publisher);
  if (!publisher) abort();
  publisher->config = *config;
  publisher->events = *events;
  register_metrics(publisher, metrics);
  if (mailbox_init(&publisher->mailbox, loop, deliver, publisher) || uv_mutex_init(&publisher->lock) ||
      uv_cond_init(&publisher->wake)) {
    abort();
  }
  publisher->live.publisher = publisher->log.publisher = publisher;
  natsStatus status = open_live(publisher);
  if (status == NATS_OK) status = open_log(publisher);
  if (status != NATS_OK || uv_thread_create(&publisher->thread, run, publisher)) {
    *out_fault = natsStatus_GetText(status);
    return NULL;  // the program ends; nothing is worth taking apart
  }
  return publisher;
}

void publisher_finish(struct publisher *publisher) {
  uv_mutex_lock(&publisher->lock);
  publisher->stopping = true;
  uv_cond_signal(&publisher->wake);
  uv_mutex_unlock(&publisher->lock);
  uv_thread_join(&publisher->thread);
  mailbox_deliver_now(&publisher->mailbox);
}

void publisher_stop(struct publisher *publisher) {
  natsConnection_FlushTimeout(publisher->live.nc, 500);
  natsConnection_Close(publisher->live.nc);
  natsConnection_Close(publisher->log.nc);
  jsCtx_Destroy(publisher->js);
  natsConnection_Destroy(publisher->live.nc);
  natsConnection_Destroy(publisher->log.nc);
  nats_CloseAndWait(2000);  // for the library's threads, so that no callback comes any more
  mailbox_close(&publisher->mailbox);
  uv_cond_destroy(&publisher->wake);
  uv_mutex_destroy(&publisher->lock);
}

void publisher_free(struct publisher *publisher) {
  free(publisher);
}

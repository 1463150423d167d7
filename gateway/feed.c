// One connection. Messages are decoded on the fan-out's thread, not here: decoding walks the bytes in place, at about
// 0.1 µs a position, while an intermediate form would cost more than that and a copy; so the message itself is posted.
#include "feed.h"

#include <limits.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "subject.h"
#include "team.pb-c.h"
#include "version.h"

#define BEAT_US 2000000
#define ECHO_TIMEOUT_US 3000000
#define PENDING_MESSAGES 65536
#define RELEASED_MAX 128
#define RELEASED_BYTES 262144
#define GRAVE_US 5000000  // nats.c 3.4.1 may still touch a subscription for a moment after it was unsubscribed

struct subscription {
  struct subscription *next;
  natsSubscription *nats;
  int64_t buried_us;  // 0 while it lives
  char team[IDENT_MAX_BYTES + 1];
};

struct feed {
  struct feed_options options;
  int64_t started_at_us;
  natsConnection *connection;
  natsSubscription *replicas;
  struct subscription *subscriptions;  // and graves; under the lock
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t heard;
  bool threaded, stopping, closed;
  int64_t sent_at_us;  // of our newest heartbeat: strictly increasing, so that an echo is known by it
  int64_t echoed_at_us;
  uint64_t echo_mark;
  _Atomic bool connected;
  _Atomic size_t backlog_bytes;
  pthread_mutex_t released_lock;
  bool ending;
  natsMsg *released[RELEASED_MAX];  // copied, and not freed yet
  size_t released_count, released_bytes;
};

struct message {
  struct live_batch batch;
  struct feed *feed;
  // The bytes follow.
};

struct feed *feed_new(const struct feed_options *options) {
  struct feed *feed = calloc(1, sizeof *feed);
  if (!feed) abort();
  feed->options = *options;
  feed->started_at_us = clock_wall_us();
  pthread_mutex_init(&feed->lock, NULL);
  pthread_mutex_init(&feed->released_lock, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&feed->heard, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return feed;
}

bool feed_connected(struct feed *feed) {
  return atomic_load(&feed->connected);
}

// ---- nats.c's threads ----

// Of those that are not needed any more. nats.c frees messages in a thread of its own, which it wakes for each: many at
// once wake it once.
static void destroy_released(struct feed *feed) {
  for (size_t i = 0; i < feed->released_count; i++) natsMsg_Destroy(feed->released[i]);
  feed->released_count = feed->released_bytes = 0;
}

static void release_message(struct feed *feed, natsMsg *nats, size_t len) {
  pthread_mutex_lock(&feed->released_lock);
  feed->released[feed->released_count++] = nats;
  feed->released_bytes += len;
  if (feed->ending || feed->released_count == RELEASED_MAX || feed->released_bytes >= RELEASED_BYTES) {
    destroy_released(feed);
  }
  pthread_mutex_unlock(&feed->released_lock);
}

// On the fan-out's thread.
static void release(struct live_batch *batch) {
  struct message *message = (struct message *)batch;
  atomic_fetch_sub(&message->feed->backlog_bytes, batch->len);
  free(message);
}

static void log_foreign(const char *subject) {
  static struct log_limit limit;
  if (!log_limit_pass(&limit, clock_mono_us())) return;
  log_warn("foreign_message", "subject=%s", LOG_TEXT(subject, strlen(subject)));
}

static void on_live(natsConnection *connection, natsSubscription *subscription, natsMsg *nats, void *closure) {
  struct feed *feed = closure;
  (void)connection;
  (void)subscription;
  size_t len = (size_t)natsMsg_GetDataLength(nats);
  const char *subject = natsMsg_GetSubject(nats);
  // JetStream delivers what it has stored to wherever it is asked to, whatever who asks may publish; the subject of the
  // message stays what it was.
  if (strncmp(subject, SUBJECT_TEAM_PREFIX, sizeof SUBJECT_TEAM_PREFIX - 1) != 0) {
    log_foreign(subject);
    release_message(feed, nats, len);
    return;
  }
  if (atomic_fetch_add(&feed->backlog_bytes, len) > feed->options.backlog_bytes) {
    atomic_fetch_sub(&feed->backlog_bytes, len);
    metric_add(feed->options.metrics->live_dropped, 1);
    release_message(feed, nats, len);
    feed->options.events.on_loss(feed->options.events.context, HEAL_OVERFLOW);
    return;
  }
  struct message *message = malloc(sizeof *message + len);
  if (!message) abort();
  *message = (struct message){.feed = feed, .batch = {.bytes = message + 1, .len = len, .release = release}};
  memcpy(message + 1, natsMsg_GetData(nats), len);
  strncpy(message->batch.team, subject + sizeof SUBJECT_TEAM_PREFIX - 1, IDENT_MAX_BYTES);
  release_message(feed, nats, len);
  feed->options.events.on_batch(feed->options.events.context, &message->batch);
}

static void on_replica(natsConnection *connection, natsSubscription *subscription, natsMsg *nats, void *closure) {
  struct feed *feed = closure;
  struct replica replica;
  bool lost;
  (void)connection;
  (void)subscription;
  uint64_t mark = replicas_hear(feed->options.replicas, natsMsg_GetData(nats), (size_t)natsMsg_GetDataLength(nats),
                                clock_mono_us(), &lost, &replica);
  natsMsg_Destroy(nats);
  if (!mark) return;
  if (lost) feed->options.events.on_loss(feed->options.events.context, HEAL_LIVE_LOST);
  bool ours = strcmp(replica.kind, "gateway") == 0 && strcmp(replica.id, feed->options.id) == 0 &&
              replica.started_at_us == feed->started_at_us;
  if (!ours) return;
  pthread_mutex_lock(&feed->lock);
  feed->echoed_at_us = replica.at_us;
  feed->echo_mark = mark;
  pthread_cond_broadcast(&feed->heard);
  pthread_mutex_unlock(&feed->lock);
}

static void set_connected(struct feed *feed, bool connected, const char *event) {
  log_info(event, "part=feed");
  atomic_store(&feed->connected, connected);
  metric_set(feed->options.metrics->nats_connected, connected);
  feed->options.events.on_link(feed->options.events.context, connected);
}

static void on_connected(natsConnection *connection, void *closure) {
  (void)connection;
  set_connected(closure, true, "nats_connected");
}

static void on_disconnected(natsConnection *connection, void *closure) {
  (void)connection;
  set_connected(closure, false, "nats_disconnected");
}

// nats.c gives up for good after two equal authorization errors; our thread then begins anew.
static void on_closed(natsConnection *connection, void *closure) {
  struct feed *feed = closure;
  (void)connection;
  pthread_mutex_lock(&feed->lock);
  feed->closed = true;
  pthread_mutex_unlock(&feed->lock);
}

// A slow consumer is told of once, when messages begin to be dropped. That is enough: the echo that a join begins with
// comes by the same queue, so by then that has room again, and what is dropped later is told of anew.
// The subscription may be gone already (nats.c before 3.7): it is not touched.
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure) {
  struct feed *feed = closure;
  (void)connection;
  (void)subscription;
  log_warn("nats_error", "part=feed error=\"%s\"", natsStatus_GetText(status));
  if (status == NATS_SLOW_CONSUMER) feed->options.events.on_loss(feed->options.events.context, HEAL_SLOW_CONSUMER);
}

// ---- connecting ----

static natsStatus set_options(struct feed *feed, natsOptions *options) {
  natsStatus s = natsOptions_SetURL(options, feed->options.nats_url);
  if (s == NATS_OK) s = natsOptions_SetName(options, feed->options.id);
  if (s == NATS_OK) s = natsOptions_SetCustomInboxPrefix(options, SUBJECT_GATEWAY_INBOX);
  if (s == NATS_OK) s = natsOptions_SetMaxReconnect(options, -1);
  if (s == NATS_OK) s = natsOptions_SetReconnectWait(options, 250);
  if (s == NATS_OK) s = natsOptions_SetReconnectBufSize(options, 0);
  if (s == NATS_OK) s = natsOptions_SetPingInterval(options, 2000);
  if (s == NATS_OK) s = natsOptions_SetMaxPingsOut(options, 2);
  if (s == NATS_OK) s = natsOptions_SetWriteDeadline(options, 2000);
  if (s == NATS_OK) s = natsOptions_UseGlobalMessageDelivery(options, true);
  if (s == NATS_OK) s = natsOptions_SetErrorHandler(options, on_error, feed);
  if (s == NATS_OK) s = natsOptions_SetDisconnectedCB(options, on_disconnected, feed);
  if (s == NATS_OK) s = natsOptions_SetReconnectedCB(options, on_connected, feed);
  if (s == NATS_OK) s = natsOptions_SetClosedCB(options, on_closed, feed);
  if (s == NATS_OK) s = natsOptions_SetRetryOnFailedConnect(options, true, on_connected, feed);
  return s;
}

static natsStatus subscribe(struct feed *feed, struct subscription *subscription) {
  char subject[SUBJECT_BYTES];
  subject_team(subject, subscription->team, strlen(subscription->team));
  natsStatus s = natsConnection_Subscribe(&subscription->nats, feed->connection, subject, on_live, feed);
  int bytes = feed->options.backlog_bytes > INT_MAX ? INT_MAX : (int)feed->options.backlog_bytes;
  // It fails only if the connection was closed meanwhile, and then nothing comes.
  if (s == NATS_OK) (void)natsSubscription_SetPendingLimits(subscription->nats, PENDING_MESSAGES, bytes);
  return s;
}

// Connects and makes all subscriptions. With the lock held, or before there is another thread.
static natsStatus open_connection(struct feed *feed) {
  natsOptions *options = NULL;
  natsStatus s = natsOptions_Create(&options);
  if (s == NATS_OK) s = set_options(feed, options);
  if (s == NATS_OK) s = natsConnection_Connect(&feed->connection, options);
  natsOptions_Destroy(options);
  bool at_once = s == NATS_OK;
  if (s == NATS_NOT_YET_CONNECTED) s = NATS_OK;
  if (s == NATS_OK) {
    s = natsConnection_Subscribe(&feed->replicas, feed->connection, SUBJECT_ALL_REPLICAS, on_replica, feed);
  }
  for (struct subscription *sub = feed->subscriptions; sub && s == NATS_OK; sub = sub->next) s = subscribe(feed, sub);
  if (s == NATS_OK && at_once) set_connected(feed, true, "nats_connected");
  return s;
}

// With the lock held: what is left of a connection goes, the wish to be subscribed stays.
static void close_connection(struct feed *feed) {
  natsConnection_Close(feed->connection);
  natsSubscription_Destroy(feed->replicas);
  feed->replicas = NULL;
  for (struct subscription **link = &feed->subscriptions; *link;) {
    struct subscription *sub = *link;
    natsSubscription_Destroy(sub->nats);
    sub->nats = NULL;
    if (!sub->buried_us) {
      link = &sub->next;
      continue;
    }
    *link = sub->next;
    free(sub);
  }
  natsConnection_Destroy(feed->connection);
  feed->connection = NULL;
}

// ---- our thread: heartbeats and burials ----

// With the lock held, so that stamps leave in order.
static bool beat(struct feed *feed, bool stopping) {
  int64_t now_us = clock_wall_us();
  feed->sent_at_us = now_us > feed->sent_at_us ? now_us : feed->sent_at_us + 1;
  Muster__Replica replica = MUSTER__REPLICA__INIT;
  replica.kind = "gateway";
  replica.id = (char *)feed->options.id;
  replica.version = MUSTER_VERSION;
  replica.has_started_at_us = replica.has_at_us = replica.has_connections = replica.has_handled = 1;
  replica.started_at_us = feed->started_at_us;
  replica.at_us = feed->sent_at_us;
  replica.connections = (uint32_t)metric_get(feed->options.metrics->viewers);
  replica.handled = (uint64_t)metric_get(feed->options.metrics->frames_sent);
  replica.has_stopping = replica.stopping = stopping;
  uint8_t bytes[256];
  if (muster__replica__get_packed_size(&replica) > sizeof bytes) return false;
  size_t len = muster__replica__pack(&replica, bytes);
  char subject[SUBJECT_BYTES];
  subject_replica(subject, "gateway", feed->options.id);
  return natsConnection_Publish(feed->connection, subject, bytes, (int)len) == NATS_OK;
}

static void destroy_buried(struct feed *feed) {
  int64_t before_us = clock_mono_us() - GRAVE_US;
  for (struct subscription **link = &feed->subscriptions; *link;) {
    struct subscription *sub = *link;
    if (!sub->buried_us || sub->buried_us > before_us) {
      link = &sub->next;
      continue;
    }
    *link = sub->next;
    natsSubscription_Destroy(sub->nats);
    free(sub);
  }
}

static void wait_until(struct feed *feed, int64_t until_us) {
  struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
  pthread_cond_timedwait(&feed->heard, &feed->lock, &until);
}

static void *run(void *context) {
  struct feed *feed = context;
  pthread_mutex_lock(&feed->lock);
  while (!feed->stopping) {
    if (feed->closed) {
      feed->closed = false;
      close_connection(feed);
      natsStatus s = open_connection(feed);
      if (s != NATS_OK) {
        log_error("nats_failed", "doing=connect error=\"%s\"", natsStatus_GetText(s));
        feed->closed = true;
      }
    }
    if (feed->connection) (void)beat(feed, false);  // one that is lost is followed by the next
    destroy_buried(feed);
    int64_t until_us = clock_mono_us() + BEAT_US;
    while (!feed->stopping && clock_mono_us() < until_us) wait_until(feed, until_us);
  }
  pthread_mutex_unlock(&feed->lock);
  return NULL;
}

bool feed_start(struct feed *feed) {
  natsStatus s = open_connection(feed);
  if (s != NATS_OK) {
    log_error("nats_failed", "doing=connect error=\"%s\"", natsStatus_GetText(s));
    return false;
  }
  feed->threaded = pthread_create(&feed->thread, NULL, run, feed) == 0;
  return feed->threaded;
}

// ---- the join thread ----

static struct subscription *find(struct feed *feed, const char *team) {
  struct subscription *sub = feed->subscriptions;
  while (sub && (sub->buried_us || strcmp(sub->team, team) != 0)) sub = sub->next;
  return sub;
}

bool feed_subscribe(struct feed *feed, const char *team) {
  pthread_mutex_lock(&feed->lock);
  natsStatus s = feed->connection ? NATS_OK : NATS_CONNECTION_CLOSED;
  if (s == NATS_OK && !find(feed, team)) {
    struct subscription *sub = calloc(1, sizeof *sub);
    if (!sub) abort();
    strncpy(sub->team, team, IDENT_MAX_BYTES);
    s = subscribe(feed, sub);
    if (s == NATS_OK) {
      sub->next = feed->subscriptions;
      feed->subscriptions = sub;
    } else {
      free(sub);
    }
  }
  pthread_mutex_unlock(&feed->lock);
  return s == NATS_OK;
}

void feed_unsubscribe(struct feed *feed, const char *team) {
  pthread_mutex_lock(&feed->lock);
  struct subscription *sub = find(feed, team);
  if (sub) {
    natsSubscription_Unsubscribe(sub->nats);
    sub->buried_us = clock_mono_us();
  }
  pthread_mutex_unlock(&feed->lock);
}

bool feed_echo(struct feed *feed, uint64_t *out_mark) {
  int64_t until_us = clock_mono_us() + ECHO_TIMEOUT_US;
  pthread_mutex_lock(&feed->lock);
  bool good = feed->connection && feed_connected(feed) && beat(feed, false);
  int64_t sent_at_us = feed->sent_at_us;
  while (good && feed->echoed_at_us < sent_at_us && !feed->stopping) {
    if (clock_mono_us() >= until_us || !feed_connected(feed)) good = false;
    if (good) wait_until(feed, until_us);
  }
  good = good && feed->echoed_at_us >= sent_at_us;
  *out_mark = feed->echo_mark;
  pthread_mutex_unlock(&feed->lock);
  return good;
}

// ---- the end ----

void feed_stop(struct feed *feed) {
  pthread_mutex_lock(&feed->lock);
  feed->stopping = true;
  pthread_cond_broadcast(&feed->heard);
  pthread_mutex_unlock(&feed->lock);
  if (feed->threaded) pthread_join(feed->thread, NULL);
  if (feed->connection && beat(feed, true)) (void)natsConnection_FlushTimeout(feed->connection, 500);
  close_connection(feed);
}

void feed_free(struct feed *feed) {
  if (!feed) return;
  while (feed->subscriptions) {
    struct subscription *next = feed->subscriptions->next;
    free(feed->subscriptions);
    feed->subscriptions = next;
  }
  pthread_cond_destroy(&feed->heard);
  pthread_mutex_destroy(&feed->lock);
  pthread_mutex_destroy(&feed->released_lock);
  free(feed);
}

void feed_end_library(struct feed *feed) {
  pthread_mutex_lock(&feed->released_lock);
  feed->ending = true;
  destroy_released(feed);  // afterwards there is nobody who would free them
  pthread_mutex_unlock(&feed->released_lock);
  nats_CloseAndWait(2000);
}

// Hearing, judging, burying.
#include "undertaker.h"

#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "subject.h"
#include "team.pb-c.h"
#include "update.h"

#define OPEN_EVERY_US 2000000
#define WAIT_MS 1000

struct undertaker {
  const char *nats_url;
  void (*unheard)(void *context);
  void *context;
  natsConnection *nc;
  jsCtx *js;
  natsSubscription *sub;
  int64_t next_open_us;
  struct roll *roll;
};

struct undertaker *undertaker_new(const char *nats_url, const char *id, void (*unheard)(void *context), void *context) {
  struct undertaker *u = calloc(1, sizeof *u);
  if (!u) abort();
  u->nats_url = nats_url;
  u->unheard = unheard;
  u->context = context;
  u->roll = roll_new(id, clock_mono_us());
  return u;
}

// ---- the connection ----

static void hang_up(struct undertaker *u) {
  // Closing first: nats.c 3.4.1 must not see a subscription go while messages arrive.
  if (u->nc) natsConnection_Close(u->nc);
  natsSubscription_Destroy(u->sub);
  jsCtx_Destroy(u->js);
  natsConnection_Destroy(u->nc);
  u->sub = NULL;
  u->js = NULL;
  u->nc = NULL;
  roll_deafen(u->roll);
}

static natsStatus dial(struct undertaker *u) {
  natsOptions *options = NULL;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, u->nats_url);
  if (status == NATS_OK) status = natsOptions_SetName(options, "muster-undertaker");
  if (status == NATS_OK) status = natsOptions_SetCustomInboxPrefix(options, SUBJECT_TRACKER_INBOX);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, 2000);
  if (status == NATS_OK) status = natsOptions_SetTimeout(options, WAIT_MS);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(options, WAIT_MS);
  if (status == NATS_OK) status = natsConnection_Connect(&u->nc, options);
  natsOptions_Destroy(options);
  jsOptions js;
  jsOptions_Init(&js);
  js.Wait = WAIT_MS;
  if (status == NATS_OK) status = natsConnection_JetStream(&u->js, u->nc, &js);
  if (status == NATS_OK) status = natsConnection_SubscribeSync(&u->sub, u->nc, SUBJECT_ALL_TRACKERS);
  return status;
}

static bool connected(struct undertaker *u) {
  if (u->nc && natsConnection_Status(u->nc) == NATS_CONN_STATUS_CONNECTED) return true;
  hang_up(u);
  int64_t now_us = clock_mono_us();
  if (now_us < u->next_open_us) return false;
  u->next_open_us = now_us + OPEN_EVERY_US;
  if (dial(u) != NATS_OK) {
    hang_up(u);
    return false;
  }
  roll_listen(u->roll, clock_mono_us());
  return true;
}

void undertaker_free(struct undertaker *u) {
  if (!u) return;
  hang_up(u);
  roll_free(u->roll);
  free(u);
}

// ---- hearing ----

static void hear(struct undertaker *u, const Muster__Replica *replica, int64_t now_us) {
  if (!replica->id || !replica->has_started_at_us) return;
  int64_t unheard_us = roll_hear(u->roll, replica->id, replica->started_at_us, now_us);
  if (!unheard_us) return;
  log_warn("was_unheard", "ms=%lld", (long long)unheard_us / 1000);
  u->unheard(u->context);
}

void undertaker_listen(struct undertaker *u) {
  natsMsg *message = NULL;
  if (!connected(u)) return;
  while (natsSubscription_NextMsg(&message, u->sub, 0) == NATS_OK) {
    Muster__Replica *replica = muster__replica__unpack(NULL, (size_t)natsMsg_GetDataLength(message),
                                                       (const uint8_t *)natsMsg_GetData(message));
    if (replica) hear(u, replica, clock_mono_us());
    muster__replica__free_unpacked(replica, NULL);
    natsMsg_Destroy(message);
  }
  roll_call(u->roll, clock_mono_us());
}

bool undertaker_living(const struct undertaker *u, const struct roll_tracker **out, size_t *out_count) {
  return roll_living(u->roll, clock_mono_us(), out, out_count);
}

// ---- burying ----

static struct slice slice_of(const char *text) {
  return (struct slice){text, strlen(text)};
}

static struct update end_of(const struct store_session *session, int64_t now_us) {
  return (struct update){
      .team = slice_of(session->team),
      .worker = slice_of(session->worker),
      .received_at_us = now_us,
      .has_presence = true,
      .presence = {.session_us = session->session_us, .at_us = now_us, .reason = slice_of("tracker_lost")},
  };
}

static void begin_batch(struct buffer *batch, const char *tracker) {
  batch->len = 0;
  batch_append_header(batch, &(struct batch_header){.tracker = slice_of(tracker)});
}

static natsStatus store_ends(struct undertaker *u, const struct store_session *sessions, size_t count, int64_t now_us,
                             uint64_t *out_sequence) {
  struct buffer batch = {0};
  char subject[SUBJECT_BYTES];
  jsPubAck *ack = NULL;
  begin_batch(&batch, sessions->tracker);
  for (size_t i = 0; i < count; i++) {
    struct update update = end_of(&sessions[i], now_us);
    batch_append_update(NULL, &batch, &update);
  }
  natsStatus status = js_Publish(&ack, u->js, subject_log(subject, 0), batch.data, (int)batch.len, NULL, NULL);
  if (status == NATS_OK) *out_sequence = ack->Sequence;
  jsPubAck_Destroy(ack);
  buffer_fini(&batch);
  return status;
}

// Sessions of one tracker and one team.
static natsStatus tell_ends(struct undertaker *u, const struct store_session *sessions, size_t count, int64_t now_us) {
  struct buffer batch = {0};
  char subject[SUBJECT_BYTES];
  begin_batch(&batch, sessions->tracker);
  for (size_t i = 0; i < count; i++) {
    struct update update = end_of(&sessions[i], now_us);
    batch_append_update(&batch, NULL, &update);
  }
  natsStatus status = natsConnection_Publish(u->nc, subject_team(subject, sessions->team, strlen(sessions->team)),
                                             batch.data, (int)batch.len);
  buffer_fini(&batch);
  return status;
}

bool undertaker_bury(struct undertaker *u, const struct store_session *sessions, size_t count, uint64_t *out_sequence) {
  int64_t now_us = clock_wall_us();
  natsStatus status = u->nc ? NATS_OK : NATS_CONNECTION_CLOSED;
  for (size_t from = 0, to; from < count && status == NATS_OK; from = to) {
    for (to = from + 1; to < count && strcmp(sessions[to].tracker, sessions[from].tracker) == 0;) to++;
    status = store_ends(u, &sessions[from], to - from, now_us, out_sequence);
    if (status == NATS_OK) log_warn("tracker_lost", "tracker=%s sessions=%zu", sessions[from].tracker, to - from);
    for (size_t team = from, next; team < to && status == NATS_OK; team = next) {
      for (next = team + 1; next < to && strcmp(sessions[next].team, sessions[team].team) == 0;) next++;
      status = tell_ends(u, &sessions[team], next - team, now_us);
    }
  }
  if (status != NATS_OK) log_warn("not_buried", "fault=\"%s\"", natsStatus_GetText(status));
  return status == NATS_OK;
}

// Ordered push consumers, read synchronously: nats.c 3.4.1's pull subscriptions overrun their array.
#include "replay.h"

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "subject.h"

#define ASK_TIMEOUT_MS 3000
#define GRAVE_US 3000000  // nats.c 3.4.1 may still touch a subscription for a moment after it was unsubscribed

// A subscription that waits to be destroyed.
struct grave {
  struct grave *next;
  natsSubscription *subscription;
  int64_t buried_us;
};

struct replay {
  _Atomic unsigned breaks;  // of the connection, counted: a consumer may not have outlived one
  natsConnection *connection;
  jsCtx *js;
  struct grave *graves;
};

struct replay_reader {
  struct replay *replay;
  natsSubscription *subscription;
  natsMsg *message;
  unsigned breaks;  // as it was opened
};

static void on_disconnected(natsConnection *connection, void *closure) {
  struct replay *replay = closure;
  (void)connection;
  atomic_fetch_add(&replay->breaks, 1);
}

static natsStatus set_options(struct replay *replay, natsOptions *options, const char *nats_url) {
  natsStatus s = natsOptions_SetURL(options, nats_url);
  if (s == NATS_OK) s = natsOptions_SetDisconnectedCB(options, on_disconnected, replay);
  if (s == NATS_OK) s = natsOptions_SetName(options, "muster-gateway replay");
  if (s == NATS_OK) s = natsOptions_SetCustomInboxPrefix(options, SUBJECT_GATEWAY_INBOX);
  if (s == NATS_OK) s = natsOptions_SetMaxReconnect(options, -1);
  if (s == NATS_OK) s = natsOptions_SetReconnectWait(options, 250);
  if (s == NATS_OK) s = natsOptions_SetReconnectBufSize(options, 0);
  if (s == NATS_OK) s = natsOptions_SetPingInterval(options, 5000);
  if (s == NATS_OK) s = natsOptions_SetMaxPingsOut(options, 2);
  return s;
}

// Only there to be given: without a callback nats.c retries the first connect in the caller, for ever.
static void on_connected(natsConnection *connection, void *closure) {
  (void)connection;
  (void)closure;
}

struct replay *replay_new(const char *nats_url) {
  struct replay *replay = calloc(1, sizeof *replay);
  natsOptions *options = NULL;
  if (!replay || natsOptions_Create(&options) != NATS_OK) abort();
  natsStatus s = set_options(replay, options, nats_url);
  if (s == NATS_OK) s = natsOptions_SetRetryOnFailedConnect(options, true, on_connected, NULL);
  if (s == NATS_OK) s = natsConnection_Connect(&replay->connection, options);
  natsOptions_Destroy(options);
  if (s == NATS_NOT_YET_CONNECTED) s = NATS_OK;
  jsOptions js_options;
  jsOptions_Init(&js_options);
  js_options.Wait = ASK_TIMEOUT_MS;
  if (s == NATS_OK) s = natsConnection_JetStream(&replay->js, replay->connection, &js_options);
  if (s == NATS_OK) return replay;
  log_error("nats_failed", "doing=connect error=\"%s\"", natsStatus_GetText(s));
  replay_stop(replay);
  replay_free(replay);
  return NULL;
}

static void dig_up(struct replay *replay, int64_t before_us) {
  for (struct grave **link = &replay->graves; *link;) {
    struct grave *grave = *link;
    if (grave->buried_us > before_us) {
      link = &grave->next;
      continue;
    }
    *link = grave->next;
    natsSubscription_Destroy(grave->subscription);
    free(grave);
  }
}

void replay_stop(struct replay *replay) {
  natsConnection_Close(replay->connection);
  dig_up(replay, INT64_MAX);
  jsCtx_Destroy(replay->js);
  natsConnection_Destroy(replay->connection);
  replay->js = NULL;
  replay->connection = NULL;
}

void replay_free(struct replay *replay) {
  free(replay);
}

void replay_interrupt(struct replay *replay) {
  natsConnection_Close(replay->connection);
}

bool replay_stream(struct replay *replay, struct replay_stream *out_stream) {
  jsStreamInfo *info = NULL;
  jsErrCode code = 0;
  natsStatus s = js_GetStreamInfo(&info, replay->js, SUBJECT_STREAM, NULL, &code);
  if (s == NATS_NOT_FOUND && code == JSStreamNotFoundErr) {
    *out_stream = (struct replay_stream){.first = 1};
    return true;
  }
  if (s != NATS_OK) return false;
  *out_stream = (struct replay_stream){.exists = true,
                                       .created_at_us = info->Created / 1000,
                                       .first = info->State.FirstSeq,
                                       .last = info->State.LastSeq};
  if (info->State.Msgs == 0) out_stream->first = out_stream->last + 1;
  jsStreamInfo_Destroy(info);
  return true;
}

struct replay_reader *replay_open(struct replay *replay, uint64_t from_sequence) {
  dig_up(replay, clock_mono_us() - GRAVE_US);
  unsigned breaks = atomic_load(&replay->breaks);
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = SUBJECT_STREAM;
  options.Ordered = true;
  options.Config.DeliverPolicy = js_DeliverByStartSequence;
  options.Config.OptStartSeq = from_sequence;
  natsSubscription *subscription = NULL;
  natsStatus s = js_SubscribeSync(&subscription, replay->js, SUBJECT_ALL_LOGS, NULL, &options, NULL);
  if (s != NATS_OK) {
    log_warn("replay_failed", "doing=subscribe error=\"%s\"", natsStatus_GetText(s));
    return NULL;
  }
  struct replay_reader *reader = calloc(1, sizeof *reader);
  if (!reader) abort();
  reader->replay = replay;
  reader->subscription = subscription;
  reader->breaks = breaks;
  return reader;
}

// The stream's sequence is in the subject that an ack would go to: $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE….
static bool sequence_of(natsMsg *message, uint64_t *out_sequence) {
  jsMsgMetaData *meta = NULL;
  if (natsMsg_GetMetaData(&meta, message) != NATS_OK) return false;
  *out_sequence = meta->Sequence.Stream;
  jsMsgMetaData_Destroy(meta);
  return true;
}

enum replay_status replay_next(struct replay_reader *reader, int64_t timeout_ms, struct replay_message *out_message) {
  natsMsg_Destroy(reader->message);
  reader->message = NULL;
  if (atomic_load(&reader->replay->breaks) != reader->breaks) return REPLAY_LOST;
  natsStatus s = natsSubscription_NextMsg(&reader->message, reader->subscription, timeout_ms);
  if (s == NATS_TIMEOUT) return REPLAY_NOTHING;
  uint64_t sequence;
  if (s != NATS_OK || !sequence_of(reader->message, &sequence)) {
    log_warn("replay_failed", "doing=read error=\"%s\"", natsStatus_GetText(s));
    return REPLAY_LOST;
  }
  *out_message = (struct replay_message){natsMsg_GetData(reader->message),
                                         (size_t)natsMsg_GetDataLength(reader->message), sequence};
  return REPLAY_MESSAGE;
}

void replay_close(struct replay_reader *reader) {
  if (!reader) return;
  struct grave *grave = calloc(1, sizeof *grave);
  if (!grave) abort();
  natsMsg_Destroy(reader->message);
  natsSubscription_Unsubscribe(reader->subscription);
  *grave = (struct grave){reader->replay->graves, reader->subscription, clock_mono_us()};
  reader->replay->graves = grave;
  free(reader);
}

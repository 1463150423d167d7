// No reconnecting by nats.c: what is asked meanwhile would wait for it.
#include "jetstream.h"

#include "log.h"

#define PING_MS 2000

void jetstream_hang_up(struct jetstream *jetstream) {
  if (jetstream->nc) natsConnection_Close(jetstream->nc);
  jsCtx_Destroy(jetstream->js);
  natsConnection_Destroy(jetstream->nc);
  jetstream->js = NULL;
  jetstream->nc = NULL;
}

static natsStatus dial(struct jetstream *jetstream) {
  natsOptions *options = NULL;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, jetstream->url);
  if (status == NATS_OK) status = natsOptions_SetName(options, jetstream->name);
  if (status == NATS_OK && jetstream->inbox) status = natsOptions_SetCustomInboxPrefix(options, jetstream->inbox);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, PING_MS);
  if (status == NATS_OK) status = natsOptions_SetTimeout(options, jetstream->wait_ms);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(options, jetstream->wait_ms);
  if (status == NATS_OK) status = natsConnection_Connect(&jetstream->nc, options);
  natsOptions_Destroy(options);
  jsOptions js;
  jsOptions_Init(&js);
  js.Wait = jetstream->wait_ms;
  if (status == NATS_OK) status = natsConnection_JetStream(&jetstream->js, jetstream->nc, &js);
  return status;
}

natsStatus jetstream_connect(struct jetstream *jetstream) {
  if (jetstream->nc && natsConnection_Status(jetstream->nc) == NATS_CONN_STATUS_CONNECTED) return NATS_OK;
  jetstream_hang_up(jetstream);
  natsStatus status = dial(jetstream);
  if (status != NATS_OK) jetstream_hang_up(jetstream);
  return status;
}

natsStatus jetstream_create(jsCtx *js, const struct jetstream_stream *stream, jsOptions *options,
                            jsStreamInfo **out_info) {
  const char *subjects[] = {stream->subjects};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);  // without limits
  config.Name = stream->name;
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardNew;
  config.MaxAge = stream->max_age_ns;
  if (stream->max_bytes) config.MaxBytes = stream->max_bytes;
  if (stream->max_messages) config.MaxMsgs = stream->max_messages;
  if (stream->max_per_subject) config.MaxMsgsPerSubject = stream->max_per_subject;
  if (stream->max_message_bytes) config.MaxMsgSize = stream->max_message_bytes;
  natsStatus status = js_AddStream(out_info, js, &config, options, NULL);
  if (status == NATS_OK) log_info("stream_created", "stream=%s", stream->name);
  return status;
}

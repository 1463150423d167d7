// Each event is printed once as JSON, for SSE and for the WebSocket, and once packed with protobuf-c.
#include "view_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.pb-c.h"
#include "ws.h"

#define JSON_BYTES 320
#define PROTO_BYTES 320

static struct view_frame *text_frame(const char *text) {
  struct view_frame *frame = view_frame_new(strlen(text), 0, 0);
  memcpy(frame->data, text, frame->len);
  return frame;
}

// A WebSocket message, with a close frame after it unless close_code is 0.
static struct view_frame *message_frame(enum ws_opcode opcode, const void *bytes, size_t len, int close_code) {
  uint8_t head[WS_HEAD_BYTES];
  size_t head_len = ws_head(head, opcode, len);
  struct view_frame *frame = view_frame_new(head_len + len + (close_code ? WS_CLOSE_BYTES : 0), 0, 0);
  memcpy(frame->data, head, head_len);
  if (len) memcpy(frame->data + head_len, bytes, len);
  if (close_code) ws_close_frame((uint8_t *)frame->data + head_len + len, close_code);
  return frame;
}

static struct view_frame *json_message(const char *name, const char *data, int close_code) {
  char text[JSON_BYTES + 64];
  int len = snprintf(text, sizeof text, "{\"event\":\"%s\",\"data\":%s}", name, data);
  return message_frame(WS_TEXT, text, (size_t)len, close_code);
}

static struct view_frame *proto_message(const Muster__ViewEvent *event, int close_code) {
  uint8_t bytes[PROTO_BYTES];
  if (muster__view_event__get_packed_size(event) > sizeof bytes) abort();  // all texts are ours, and short
  return message_frame(WS_BINARY, bytes, muster__view_event__pack(event, bytes), close_code);
}

// retry_ms < 0: none.
static struct view_event make(const char *name, const char *data, const Muster__ViewEvent *proto, int retry_ms,
                              int close_code) {
  char sse[JSON_BYTES + 96], retry[32] = "";
  if (retry_ms >= 0) snprintf(retry, sizeof retry, "retry: %d\n", retry_ms);
  snprintf(sse, sizeof sse, "%sevent: %s\ndata: %s\n\n", retry, name, data);
  return (struct view_event){{[VIEW_SSE] = text_frame(sse),
                              [VIEW_SOCKET_JSON] = json_message(name, data, close_code),
                              [VIEW_SOCKET_PROTOBUF] = proto_message(proto, close_code)}};
}

struct view_event view_event_heartbeat(int64_t now_us) {
  char data[JSON_BYTES];
  Muster__ViewHeartbeat heartbeat = MUSTER__VIEW_HEARTBEAT__INIT;
  Muster__ViewEvent event = MUSTER__VIEW_EVENT__INIT;
  heartbeat.has_time_us = 1;
  heartbeat.time_us = now_us;
  event.heartbeat = &heartbeat;
  snprintf(data, sizeof data, "{\"time_us\":%" PRId64 "}", now_us);
  return make("heartbeat", data, &event, -1, 0);
}

struct view_event view_event_stale(int64_t since_us, const char *reason) {
  char data[JSON_BYTES];
  Muster__ViewStale stale = MUSTER__VIEW_STALE__INIT;
  Muster__ViewEvent event = MUSTER__VIEW_EVENT__INIT;
  stale.has_since_us = 1;
  stale.since_us = since_us;
  stale.reason = (char *)reason;
  event.stale = &stale;
  snprintf(data, sizeof data, "{\"since_us\":%" PRId64 ",\"reason\":\"%s\"}", since_us, reason);
  return make("stale", data, &event, -1, 0);
}

struct view_event view_event_bye(const char *reason, unsigned retry_ms, int close_code) {
  char data[JSON_BYTES];
  Muster__ViewBye bye = MUSTER__VIEW_BYE__INIT;
  Muster__ViewEvent event = MUSTER__VIEW_EVENT__INIT;
  bye.reason = (char *)reason;
  bye.has_retry_ms = 1;
  bye.retry_ms = retry_ms;
  event.bye = &bye;
  snprintf(data, sizeof data, "{\"reason\":\"%s\",\"retry_ms\":%u}", reason, retry_ms);
  return make("bye", data, &event, (int)retry_ms, close_code);
}

void view_event_fini(struct view_event *event) {
  for (size_t i = 0; i < VIEW_PROTOCOLS; i++) {
    view_frame_unref(event->as[i]);
    event->as[i] = NULL;
  }
}

struct view_frame *view_event_error(enum view_protocol protocol, const char *code, const char *message) {
  char data[JSON_BYTES];
  Muster__ViewError error = MUSTER__VIEW_ERROR__INIT;
  Muster__ViewEvent event = MUSTER__VIEW_EVENT__INIT;
  if (protocol == VIEW_SOCKET_JSON) {
    snprintf(data, sizeof data, "{\"code\":\"%s\",\"message\":\"%s\"}", code, message);
    return json_message("error", data, 0);
  }
  error.code = (char *)code;
  error.message = (char *)message;
  event.error = &error;
  return proto_message(&event, 0);
}

struct view_frame *view_event_pong(const void *bytes, size_t len) {
  return message_frame(WS_PONG, bytes, len, 0);
}

struct view_frame *view_event_close(int code) {
  struct view_frame *frame = view_frame_new(WS_CLOSE_BYTES, 0, 0);
  frame->len = ws_close_frame((uint8_t *)frame->data, code);
  return frame;
}

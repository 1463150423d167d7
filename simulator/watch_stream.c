// The answer's head, then one of two kinds of body.
#include "watch_stream.h"

#include <string.h>

#include "watch_frame.h"
#include "watch_proto.h"

// The key need not be a secret, only an answer to it be made for it; so it is always that of RFC 6455, 1.3, and the
// answer is known without a SHA-1.
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const char *const subprotocols[] = {
    [WATCH_SSE] = "", [WATCH_JSON] = "muster.v1.json", [WATCH_PROTOBUF] = "muster.v1.protobuf"};

void watch_stream_ask(enum watch_protocol protocol, const struct watch_request *request, struct buffer *out) {
  bool socket = protocol != WATCH_SSE;
  buffer_printf(out, "GET %s/api/v1/teams/%s/%s", request->path, request->team, socket ? "socket" : "stream");
  if (request->interval_ms >= 0) buffer_printf(out, "?interval_ms=%ld", request->interval_ms);
  if (request->box) {
    buffer_append_string(out, request->interval_ms >= 0 ? "&bbox=" : "?bbox=");
    box_append(request->box, out);
  }
  buffer_printf(out, " HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", request->authority, request->token);
  if (socket) {
    buffer_printf(out,
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                  "Sec-WebSocket-Protocol: %s\r\n\r\n",
                  KEY, subprotocols[protocol]);
  } else {
    buffer_append_string(out, "Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n");
  }
}

void watch_stream_init(struct watch_stream *stream, enum watch_protocol protocol) {
  *stream = (struct watch_stream){.protocol = protocol};
  answer_init(&stream->answer);
}

void watch_stream_fini(struct watch_stream *stream) {
  if (watch_stream_is_open(stream)) {
    if (stream->protocol == WATCH_SSE) {
      event_stream_fini(&stream->events);
    } else {
      message_stream_fini(&stream->messages);
    }
  }
  answer_fini(&stream->answer);
}

bool watch_stream_is_open(const struct watch_stream *stream) {
  const struct answer *answer = &stream->answer;
  if (stream->protocol == WATCH_SSE) return answer->status == 200 && answer->is_events;
  return answer->status == 101 && answer->is_socket && strcmp(answer->accept, ACCEPT) == 0 &&
         strcmp(answer->protocol, subprotocols[stream->protocol]) == 0;
}

int watch_stream_refused(const struct watch_stream *stream) {
  return watch_stream_is_open(stream) ? 0 : stream->answer.status;
}

int64_t watch_stream_retry_ms(const struct watch_stream *stream) {
  return stream->protocol == WATCH_SSE && watch_stream_is_open(stream) ? stream->events.retry_ms : -1;
}

int watch_stream_close_code(const struct watch_stream *stream) {
  return stream->protocol != WATCH_SSE && watch_stream_is_open(stream) ? stream->messages.close_code : 0;
}

// ---- receiving ----

struct call {
  enum watch_protocol protocol;
  const struct watch_stream_events *events;
  void *context;
};

static void on_event(void *context, const struct event *event) {
  const struct call *call = context;
  const struct watch_event found = {WATCH_SSE, watch_frame_kind(event->name, event->name_len),
                                    (const uint8_t *)event->data, event->data_len};
  call->events->on_event(call->context, &found);
}

static void on_message(void *context, bool text, uint8_t *bytes, size_t len) {
  const struct call *call = context;
  const struct watch_event bad = {.protocol = call->protocol, .kind = WATCH_BAD, .data = bytes, .len = len};
  struct watch_event found = bad;
  if (text && call->protocol == WATCH_JSON) found = watch_frame_open((const char *)bytes, len);
  if (!text && call->protocol == WATCH_PROTOBUF) found = watch_proto_open(bytes, len);
  if (found.kind == WATCH_BAD) found = bad;  // all of it, for the log
  call->events->on_event(call->context, &found);
}

static void on_ping(void *context, const uint8_t *bytes, size_t len) {
  const struct call *call = context;
  call->events->on_ping(call->context, bytes, len);
}

static void start_body(struct watch_stream *stream) {
  if (!watch_stream_is_open(stream)) return;
  if (stream->protocol == WATCH_SSE) {
    event_stream_init(&stream->events, stream->answer.is_chunked);
  } else {
    message_stream_init(&stream->messages);
  }
}

enum stream_status watch_stream_receive(struct watch_stream *stream, uint8_t *bytes, size_t len,
                                        const struct watch_stream_events *events, void *context) {
  static const struct message_events message_events = {on_message, on_ping};
  struct call call = {stream->protocol, events, context};
  if (stream->answer.status == 0) {
    ptrdiff_t used = answer_take(&stream->answer, bytes, len);
    if (used < 0) return STREAM_BAD;
    bytes += used;
    len -= (size_t)used;
    start_body(stream);
  }
  if (!watch_stream_is_open(stream) || len == 0) return STREAM_OPEN;
  return stream->protocol == WATCH_SSE ? event_stream_receive(&stream->events, bytes, len, on_event, &call)
                                       : message_stream_receive(&stream->messages, bytes, len, &message_events, &call);
}

// The client's side of one live view over HTTP, in any of its protocols: what to ask, and then bytes in, events out.
// Pure; the struct is its owner's.
#ifndef MUSTER_WATCH_STREAM_H
#define MUSTER_WATCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "box.h"
#include "buffer.h"
#include "event_stream.h"
#include "message_stream.h"
#include "watch_event.h"

struct watch_stream {
  enum watch_protocol protocol;
  struct answer answer;
  union {  // of the body, once the answer's head is whole
    struct event_stream events;
    struct message_stream messages;
  };
};

struct watch_stream_events {
  void (*on_event)(void *context, const struct watch_event *event);
  void (*on_ping)(void *context, const uint8_t *bytes, size_t len);  // as in message_stream.h
};

struct watch_request {
  const char *path;  // of the gateways' URL
  const char *authority;
  const char *team, *token;
  long interval_ms;       // less than 0: the gateway's default
  const struct box *box;  // NULL: the whole team
};

// Appends the request.
void watch_stream_ask(enum watch_protocol protocol, const struct watch_request *request, struct buffer *out);

void watch_stream_init(struct watch_stream *stream, enum watch_protocol protocol);
void watch_stream_fini(struct watch_stream *stream);

// Takes what was read; may write to the bytes. The body of an answer that is no stream is passed over: look at
// watch_stream_refused.
enum stream_status watch_stream_receive(struct watch_stream *stream, uint8_t *bytes, size_t len,
                                        const struct watch_stream_events *events, void *context)
    __attribute__((warn_unused_result));

// True if the answer is the stream that was asked for.
bool watch_stream_is_open(const struct watch_stream *stream);
// The answer's status if it is another; else 0.
int watch_stream_refused(const struct watch_stream *stream);
// The latest `retry:` of the stream; -1: none.
int64_t watch_stream_retry_ms(const struct watch_stream *stream);
// What the gateway's close frame said: 0 if none has come.
int watch_stream_close_code(const struct watch_stream *stream);

#endif

// The client's side of an HTTP/1.1 answer that is a stream of Server-Sent Events: status and headers, the body plain
// until close or in chunks (RFC 9112 section 7.1), and the events in it (HTML standard, "Server-sent events"; lines end
// in LF or CRLF). Bytes in, events out. Pure; the struct is its owner's.
#ifndef MUSTER_EVENT_STREAM_H
#define MUSTER_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct event {
  const char *name;  // "message" if it says none
  size_t name_len;
  const char *data;  // without the newline at its end
  size_t data_len;
};

enum event_stream_phase {
  EVENT_STREAM_HEAD,
  EVENT_STREAM_SIZE,
  EVENT_STREAM_CHUNK,
  EVENT_STREAM_TAIL,
  EVENT_STREAM_BODY
};

struct event_stream {
  enum event_stream_phase phase;
  int status;             // of the answer; 0 until its head is whole
  bool is_events;         // its content type says so
  int retry_after_s;      // its Retry-After header; -1: none
  int64_t retry_ms;       // the latest `retry:` of the stream; -1: none
  uint64_t chunk_left;    // bytes of the chunk that are still to come
  struct buffer line;     // the head, or the line with a chunk's size, that has come in part
  struct buffer pending;  // an event that has come in part
};

enum event_stream_status {
  EVENT_STREAM_OPEN,
  EVENT_STREAM_ENDED,  // the last chunk has come
  EVENT_STREAM_BAD,    // no HTTP, or beyond what is taken: 32 KiB of head, 64 MiB of event
};

void event_stream_init(struct event_stream *stream);
void event_stream_fini(struct event_stream *stream);

// Takes what was read; may write to the bytes. Calls back for each event with data, once the answer's status is 200 and
// its content type is text/event-stream; the body of any other answer is passed over.
enum event_stream_status event_stream_receive(struct event_stream *stream, uint8_t *bytes, size_t len,
                                              void (*on_event)(void *context, const struct event *event), void *context)
    __attribute__((warn_unused_result));

#endif

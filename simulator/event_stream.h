// Server-Sent Events (HTML standard, "Server-sent events"; lines end in LF or CRLF) in the body of an HTTP answer,
// plain until close or in chunks (RFC 9112 section 7.1). Bytes in, events out. Pure; the struct is its owner's.
#ifndef MUSTER_EVENT_STREAM_H
#define MUSTER_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "stream_status.h"

#define EVENT_NAME_BYTES 64u  // of a longer name the rest is cut off: it is none that anybody knows

struct event {
  const char *name;  // "message" if it says none
  size_t name_len;
  const char *data;  // without the newline at its end
  size_t data_len;
};

enum event_stream_phase { EVENT_STREAM_SIZE, EVENT_STREAM_CHUNK, EVENT_STREAM_TAIL, EVENT_STREAM_BODY };

struct event_stream {
  enum event_stream_phase phase;
  int64_t retry_ms;       // the latest `retry:` of the stream; -1: none
  uint64_t chunk_left;    // bytes of the chunk that are still to come
  struct buffer line;     // the line with a chunk's size that has come in part
  struct buffer pending;  // an event that has come in part
};

void event_stream_init(struct event_stream *stream, bool chunked);
void event_stream_fini(struct event_stream *stream);

// Takes what was read of the body; may write to the bytes. Calls back for each event with data. STREAM_ENDED after the
// last chunk; STREAM_BAD for chunks that are none, and events beyond 64 MiB.
enum stream_status event_stream_receive(struct event_stream *stream, uint8_t *bytes, size_t len,
                                        void (*on_event)(void *context, const struct event *event), void *context)
    __attribute__((warn_unused_result));

#endif

// A connection to NATS for single requests to JetStream, which is opened when it is needed: each call fails within a
// second or so while NATS is away, and nothing is connected again behind its user's back. Blocks; its user's lock.
#ifndef MUSTER_JETSTREAM_H
#define MUSTER_JETSTREAM_H

#include <nats/nats.h>
#include <stdint.h>

struct jetstream {
  // Its user's, set before the first call. Strings must outlive it.
  const char *url, *name;
  const char *inbox;  // prefix of the subjects that answers come on; NULL: any
  int64_t wait_ms;    // for the connection, and for each answer
  // All NULL while there is no connection.
  natsConnection *nc;
  jsCtx *js;
};

// Connects, unless it is connected.
natsStatus jetstream_connect(struct jetstream *jetstream) __attribute__((warn_unused_result));
void jetstream_hang_up(struct jetstream *jetstream);

// A stream on disk that takes no more beyond its limits.
struct jetstream_stream {
  const char *name, *subjects;
  int64_t max_age_ns, max_bytes, max_messages;  // 0: none
  int64_t max_per_subject;
  int32_t max_message_bytes;
};
// Creates it. out_info, the caller's to destroy, and options may be NULL.
natsStatus jetstream_create(jsCtx *js, const struct jetstream_stream *stream, jsOptions *options,
                            jsStreamInfo **out_info) __attribute__((warn_unused_result));

#endif

// The JetStream stream that the log is stored in: creating it takes rights that a tracker need not have at run time.
// Blocks for as long as the options say; any thread.
#ifndef MUSTER_STREAM_H
#define MUSTER_STREAM_H

#include <nats/nats.h>

struct stream_limits {
  long max_age_s, max_bytes;  // 0: none
};

// Creates the stream unless it is there; limits of an existing one are left as they are. Without may_create it only
// looks.
natsStatus stream_ensure(jsCtx *js, const struct stream_limits *limits, bool may_create, jsOptions *options)
    __attribute__((warn_unused_result));

#endif

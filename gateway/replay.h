// Reading the log from JetStream, in order, on a NATS connection of its own, so that a long replay never delays what is
// live. The join thread's; but for replay_interrupt, nothing here is called from two threads.
#ifndef MUSTER_REPLAY_H
#define MUSTER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay;

struct replay_stream {
  bool exists;  // false: no tracker has made it yet, so nothing was ever stored
  int64_t created_at_us;
  uint64_t first, last;  // sequences; nothing is stored if first > last
};

struct replay_message {
  const void *bytes;  // until the next call
  size_t len;
  uint64_t sequence;
};

enum replay_status {
  REPLAY_MESSAGE,
  REPLAY_NOTHING,  // in the time given
  REPLAY_LOST,     // the reader is of no use any more
};

struct replay *replay_new(const char *nats_url);  // NULL, with the reason logged, only if the URL is none
// Ends the connection. nats.c's threads may still look at the replay until feed_end_library; then it may be freed.
void replay_stop(struct replay *replay);
void replay_free(struct replay *replay);
// Any thread: ends the connection, so that a call that waits fails at once, and every later one too.
void replay_interrupt(struct replay *replay);

bool replay_stream(struct replay *replay, struct replay_stream *out_stream) __attribute__((warn_unused_result));

// A reader from this sequence on (or the first there is after it), and on to whatever is stored later. It is lost when
// the connection is.
struct replay_reader;
struct replay_reader *replay_open(struct replay *replay, uint64_t from_sequence);  // NULL if NATS is out of reach
enum replay_status replay_next(struct replay_reader *reader, int64_t timeout_ms, struct replay_message *out_message)
    __attribute__((warn_unused_result));
void replay_close(struct replay_reader *reader);  // NULL is fine

#endif

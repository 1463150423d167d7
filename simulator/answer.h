// The head of an HTTP/1.1 answer, as far as a viewer asks: is it a stream, and if not, when to come back. Pure; the
// struct is its owner's.
#ifndef MUSTER_ANSWER_H
#define MUSTER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define ANSWER_VALUE_BYTES 48  // of a header's value that is kept, with its NUL; longer ones are none we know

struct answer {
  int status;                         // 0 until the head is whole
  bool is_events;                     // its content type says so
  bool is_chunked;                    // its body comes in chunks
  bool is_socket;                     // its Upgrade says websocket
  int retry_after_s;                  // its Retry-After; -1: none
  char accept[ANSWER_VALUE_BYTES];    // Sec-WebSocket-Accept; "": none
  char protocol[ANSWER_VALUE_BYTES];  // Sec-WebSocket-Protocol; "": none
  struct buffer head;                 // what has come of it
};

void answer_init(struct answer *answer);
void answer_fini(struct answer *answer);

// Takes bytes until the head is whole, and status is set then; the rest is the body's. Interim answers (1xx, but for
// 101) are passed over. Returns how many it took, or -1 if this is no HTTP or goes beyond 32 KiB.
ptrdiff_t answer_take(struct answer *answer, const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));

#endif

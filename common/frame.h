// Framing of the device protocol: each message is preceded by its length as a varint. Pure; any thread.
#ifndef MUSTER_FRAME_H
#define MUSTER_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX_BYTES 65536u  // the longest message, without its length
#define FRAME_HEADER_BYTES 3u   // the most that frame_put_header writes for such a message

enum frame_status {
  FRAME_OK,        // one whole frame is there
  FRAME_MORE,      // more bytes are needed
  FRAME_TOO_LONG,  // the length is beyond FRAME_MAX_BYTES; known before any of the message has come
  FRAME_BAD,       // the length is no varint
};

struct frame {
  const uint8_t *body;
  size_t body_len;
  size_t total_len;  // header and body: what to advance by
};

// Looks at the len bytes at the front of a stream. out_frame is set only on FRAME_OK and points into bytes.
enum frame_status frame_next(const uint8_t *bytes, size_t len, struct frame *out_frame)
    __attribute__((warn_unused_result));

// Writes the header of a frame with body_len bytes and returns the next free place.
uint8_t *frame_put_header(uint8_t *to, size_t body_len);

#endif

// The client's side of a WebSocket (RFC 6455) after its handshake, without extensions: bytes in, messages out; and the
// control frames that a client sends. Pure; the struct is its owner's.
#ifndef MUSTER_MESSAGE_STREAM_H
#define MUSTER_MESSAGE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "stream_status.h"

#define MESSAGE_CONTROL_MAX 125u                             // the longest payload of a control frame
#define MESSAGE_CONTROL_BYTES (2 + 4 + MESSAGE_CONTROL_MAX)  // the longest control frame from a client

enum message_opcode {
  MESSAGE_CONTINUATION = 0x0,
  MESSAGE_TEXT = 0x1,
  MESSAGE_BINARY = 0x2,
  MESSAGE_CLOSE = 0x8,
  MESSAGE_PING = 0x9,
  MESSAGE_PONG = 0xa,
};

enum message_code {  // RFC 6455 7.4.1, and IANA's registry
  MESSAGE_NORMAL = 1000,
  MESSAGE_GOING_AWAY = 1001,
  MESSAGE_NO_CODE = 1005,  // never sent: a close had none
  MESSAGE_TRY_LATER = 1013,
};

struct message_stream {
  uint8_t head[10];       // the frame's header as it came
  uint8_t head_len;       // how much of it has come
  uint8_t opcode;         // of the unfinished message; MESSAGE_CONTINUATION: there is none
  uint8_t control_len;    // of `control`
  int close_code;         // of the server's close, MESSAGE_NO_CODE if it had none; 0: it has not come
  uint64_t payload_left;  // of the frame that is being read
  struct buffer pending;  // what has come of the unfinished message
  uint8_t control[MESSAGE_CONTROL_MAX];
};

struct message_events {
  void (*on_message)(void *context, bool text, uint8_t *bytes, size_t len);
  void (*on_ping)(void *context, const uint8_t *bytes, size_t len);  // to be answered with a pong of them
};

void message_stream_init(struct message_stream *stream);
void message_stream_fini(struct message_stream *stream);

// Takes what was read. STREAM_ENDED once the server's close has come; STREAM_BAD for what a server must not send, and
// messages beyond 64 MiB. Text is not held against UTF-8.
enum stream_status message_stream_receive(struct message_stream *stream, uint8_t *bytes, size_t len,
                                          const struct message_events *events, void *context)
    __attribute__((warn_unused_result));

// Writes a whole control frame, masked with these four bytes as a client's must be, and returns its length. At most
// MESSAGE_CONTROL_MAX bytes of payload.
size_t message_control(uint8_t to[MESSAGE_CONTROL_BYTES], enum message_opcode opcode, const uint8_t *bytes, size_t len,
                       uint32_t mask);

#endif

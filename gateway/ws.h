// WebSocket (RFC 6455) as a server speaks it: the handshake's answer, frame headers, and a reader of what the client
// sends. No extensions. Pure; one reader is one thread's at a time.
//
// A reader knows what is wrong with a frame from its header, before the payload has come, so no length that a client
// claims is ever allocated. A message that lies whole in the bytes of one feed, in one frame, costs no memory at all.
#ifndef MUSTER_WS_H
#define MUSTER_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_ACCEPT_BYTES 29    // a base64 SHA-1 with its NUL
#define WS_HEAD_BYTES 10      // the longest header of a frame from a server
#define WS_CONTROL_MAX 125u   // the longest payload of a ping, pong or close
#define WS_MESSAGE_MAX 4096u  // the longest message that a reader takes, over all its fragments
#define WS_CLOSE_BYTES 4      // a whole close frame with a code

enum ws_opcode {
  WS_CONTINUATION = 0x0,
  WS_TEXT = 0x1,
  WS_BINARY = 0x2,
  WS_CLOSE = 0x8,
  WS_PING = 0x9,
  WS_PONG = 0xa,
};

// Those of RFC 6455 7.4.1 and IANA's registry that we use.
enum ws_code {
  WS_NORMAL = 1000,
  WS_GOING_AWAY = 1001,
  WS_PROTOCOL_ERROR = 1002,
  WS_UNSUPPORTED = 1003,  // text where we speak binary, or the reverse
  WS_NO_CODE = 1005,      // never sent: the client's close had none
  WS_BAD_TEXT = 1007,     // no UTF-8
  WS_POLICY = 1008,
  WS_TOO_BIG = 1009,
  WS_INTERNAL = 1011,
  WS_TRY_LATER = 1013,
  WS_TOKEN_OVER = 4401,  // ours: as HTTP's 401, but later
};

// Whether it is UTF-8.
bool ws_is_text(const void *bytes, size_t len);

// What Sec-WebSocket-Accept must say to a Sec-WebSocket-Key (4.2.2). False, and out untouched, unless the key is 16
// bytes in base64.
bool ws_accept(const char *client_key, char out[WS_ACCEPT_BYTES]) __attribute__((warn_unused_result));

// Writes the header of a whole, unmasked frame and returns its length; the payload follows as it is.
size_t ws_head(uint8_t to[WS_HEAD_BYTES], enum ws_opcode opcode, size_t payload_len);
// Writes a whole close frame and returns its length. WS_NO_CODE writes one without a code, 2 bytes.
size_t ws_close_frame(uint8_t to[WS_CLOSE_BYTES], int code);

// What a reader tells. The bytes are unmasked, and good during the call only. None of these may end the reader or feed
// it. What on_message and on_ping return is 0, or the code to close with: nothing more is read then.
struct ws_events {
  int (*on_message)(void *context, bool text, const uint8_t *bytes, size_t len);  // text is valid UTF-8
  int (*on_ping)(void *context, const uint8_t *bytes, size_t len);                // to be answered with a pong of them
  void (*on_close)(void *context, int code);                                      // the client's; WS_NO_CODE if none
};

// What the character begun last still wants: so many bytes, the next of them from min to max.
struct ws_utf8 {
  uint8_t left;
  uint8_t min;
  uint8_t max;
};

// Its owner's, but not to be looked into.
struct ws_reader {
  uint8_t *message;      // what has come of an unfinished message, or NULL
  uint8_t *control;      // what has come of an unfinished control frame, or NULL
  int over;              // the code that feed has returned for good, or 0
  uint16_t message_len;  // of all fragments so far
  uint16_t frame_len;    // the payload of the frame that is being read
  uint16_t frame_at;     // how much of it has come
  uint8_t head[14];      // the frame's header as it came
  uint8_t head_len;      // how much of it has come
  uint8_t opcode;        // of the unfinished message; WS_CONTINUATION if there is none
  struct ws_utf8 utf8;   // of the unfinished message, if it is text; nothing is left between messages
};

void ws_reader_init(struct ws_reader *reader);
void ws_reader_fini(struct ws_reader *reader);

// Takes what the socket gave, however it is cut, and unmasks it in place. Pongs are passed over. Returns 0 to go on, or
// the code to close with: WS_PROTOCOL_ERROR, WS_BAD_TEXT, WS_TOO_BIG, what a callback returned, or, after the client's
// own close (on_close was called), that code again, WS_NORMAL if it had none. From then on every call returns that code
// and calls nothing.
int ws_reader_feed(struct ws_reader *reader, uint8_t *bytes, size_t len, const struct ws_events *events, void *context)
    __attribute__((warn_unused_result));

#endif

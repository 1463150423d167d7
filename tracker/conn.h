// A TCP connection of the tracker: bytes in through a callback, bytes out without blocking, and an end that the other
// side can hear. Knows nothing of the protocol. The tracker's loop; embedded in its owner.
#ifndef MUSTER_CONN_H
#define MUSTER_CONN_H

#include <stdbool.h>
#include <uv.h>

#include "buffer.h"
#include "peers.h"

#define CONN_READ_BYTES 65536

struct conn;

struct conn_events {
  // Bytes are there; returns how many were used. The rest comes again, with more behind it.
  size_t (*received)(struct conn *conn, const uint8_t *bytes, size_t len);
  // The connection has no way on (the peer closed, a fault, or a peer that does not read); called at most once, and not
  // after conn_end. The owner calls conn_end.
  void (*broken)(struct conn *conn, const char *reason);
  void (*closed)(struct conn *conn);  // the handle is gone; the owner may free
};

struct conn {
  uv_tcp_t tcp;
  const struct conn_events *events;
  struct buffer partial;  // an unfinished message; empty, with no memory, most of the time
  int64_t heard_us;       // monotonic; when bytes last came
  uint32_t heard_bytes;   // how many came then
  uint32_t read_bytes;    // the most that are read at once; the owner may change it, up to CONN_READ_BYTES
  bool ended, closing, paused;
  bool peer_ended;                        // it has closed its side: there is nothing left to read
  struct peer source;                     // see origin.h
  const struct conn_events *behind_head;  // as long as the edge's header is awaited: whose events come after it
};

// Accepts a connection waiting at the listener. Returns 0 or libuv's error, after which `closed` will still be called.
int conn_accept(struct conn *conn, uv_stream_t *listener, const struct conn_events *events)
    __attribute__((warn_unused_result));

// Sends, or queues what the socket does not take now; a peer that leaves too much unread is broken.
void conn_send(struct conn *conn, const uint8_t *bytes, size_t len);

// Stops and starts reading.
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

// Ends the connection: what was sent still arrives, because our side is shut down first and what the peer still sends
// is read and thrown away, for a moment; without that, unread bytes would turn the close into a reset that overtakes a
// last message. A peer that has closed its side is not waited for. conn_abort closes at once.
void conn_end(struct conn *conn);
void conn_abort(struct conn *conn);

#endif

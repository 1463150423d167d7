// The door: the HTTP connections of all clients, from accept until they are closed or handed over.
//
// CivetWeb gives a thread to each connection and waits in it for the client, so a few clients that say nothing, or say
// it slowly, would keep all others out; and it reads beyond the head, so what a WebSocket client sends right behind its
// handshake would be left in CivetWeb's buffer, where no API reaches it. So no client is ever connected to CivetWeb.
// The door, one thread with an epoll, accepts them. It looks at what has come without taking it (MSG_PEEK) until the
// head is whole; then it takes exactly the head off the socket and gives it to CivetWeb on a carrier. That is a
// connection over loopback, one for each of CivetWeb's threads, which stays. CivetWeb reads, parses, and calls the
// server, which answers on the client's own socket. Whatever else the client sent is still in the kernel.
//
// So a worker waits for no client: neither for a head, nor for an answer to be taken, because the door sends the rest
// of one that does not fit into the socket. Waiting costs a client's descriptor and 200 bytes, and there is a limit to
// it.
#ifndef MUSTER_DOOR_H
#define MUSTER_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "metrics.h"
#include "peers.h"

struct door;
struct carrier;  // with the request that is being answered

enum door_refusal {
  DOOR_BAD,       // what was sent is no HTTP, or too long
  DOOR_SLOW,      // the head was not whole in time
  DOOR_CROWDED,   // too many connections: the one that has waited longest for a head goes
  DOOR_BUSY,      // no worker was free in time
  DOOR_STRANGER,  // neither the edge nor this machine; not even answered
  DOOR_REFUSALS
};

struct door_metrics {
  struct metric *connections;             // that are here now
  struct metric *accepted;                // ever
  struct metric *refused[DOOR_REFUSALS];  // connections
  struct metric *http[6];                 // answers by the first digit of the status
};

struct door_options {
  const char *listen;  // HOST:PORT
  const struct peers *peers;
  unsigned guests;       // connections that are no streams, at most
  unsigned carriers;     // CivetWeb's threads
  unsigned patience_ms;  // for a whole head, for a free worker, for a client that takes nothing of its answer
  const struct door_metrics *metrics;
};

// Binds and listens; clients can connect from now on. NULL, with the reason logged, if that fails.
struct door *door_open(const struct door_options *options);
// Begins to serve, through the CivetWeb at this port of 127.0.0.1.
bool door_start(struct door *door, uint16_t port) __attribute__((warn_unused_result));
// Connects to it as a client does, for a self-test: a blocking socket, or -1.
int door_connect(const struct door *door);
// Accepts no more, finishes requests under way, closes all connections and carriers.
void door_stop(struct door *door);
void door_free(struct door *door);  // NULL is fine

// ---- CivetWeb's threads, while they have a request ----

// The carrier that has this local port, with a request on it; NULL if there is none: a stranger found CivetWeb's port.
struct carrier *door_carrier(struct door *door, int port);

// Who is connected: the client, or the edge.
struct peer door_peer(const struct carrier *carrier);

// Takes the client's socket away, non-blocking and closed on exec. It is the caller's; all that the client has sent
// behind the head is still in it.
int door_detach(struct carrier *carrier);

// Answers: the bytes of the buffer, which is taken over, and then memory that lives for ever. Does not wait.
void door_answer(struct carrier *carrier, struct buffer *answer, const void *fixed, size_t fixed_len);

// The last that is done with a request, once, answered or detached.
struct door_end {
  bool keep;      // the client may send another request
  bool body;      // the request had a body, which nobody read
  bool reusable;  // CivetWeb will read another request from the carrier
};
void door_leave(struct carrier *carrier, const struct door_end *end);

#endif

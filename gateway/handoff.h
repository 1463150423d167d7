// Taking a connection's socket away from CivetWeb, so that a live view costs no thread.
//
// CivetWeb has no call for that. Its descriptor number is made to name an unconnected dummy socket instead (dup3),
// which CivetWeb then shuts down and closes in good faith, while the real socket lives on under another number.
//
// What a client sent behind the request's head may have been read by CivetWeb already, and there is no call for that
// either. It lies in CivetWeb's buffer, behind the head. How much it is follows from how many bytes the kernel says
// were read from the connection, less those of the requests so far. White space before a request, which CivetWeb passes
// over, would make that too much, and bytes that an earlier client left in the buffer would be taken for this one's: so
// the request must begin where the buffer does.
//
// None of this is documented, so handoff_self_test proves it at start.
#ifndef MUSTER_HANDOFF_H
#define MUSTER_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>

// Raises the limit of open files as far as it goes. False, with the reason logged, if that is not far enough.
bool handoff_prepare(void) __attribute__((warn_unused_result));

// Hands over a socket through a small server over loopback. False, with the reason logged, if it does not work.
bool handoff_self_test(void) __attribute__((warn_unused_result));

// To be called when CivetWeb listens: handoff_early can tell nothing of connections that were accepted before.
void handoff_listening(void);

// How many sockets may be handed over at the same time; what is left of the limit of open files is CivetWeb's and the
// program's own.
unsigned handoff_capacity(void);

// ---- the HTTP server's callbacks ----

// A request has been read. To be called for every one, before it is handled.
void handoff_request(void *connection);
// The connection ends. To be called in connection_close: before connection_closed, CivetWeb forgets what belongs to it.
void handoff_close(const void *connection);
// Says that nothing came before this request on its connection: so CivetWeb's buffer, which this connection's slot
// keeps for ever, begins where the request does.
void handoff_learn(void *connection);

// ---- a request's handler ----

// What the client has sent behind this request's head and CivetWeb has read already: a copy, the caller's to free, NULL
// if there is nothing. The rest is still in the socket. False if there is something, but not surely what: the
// connection was used for other requests before, the client has ended it already, or its slot was not learned. To be
// called before handoff_detach.
bool handoff_early(void *connection, void **out_bytes, size_t *out_len) __attribute__((warn_unused_result));

// Instead of any answer: the connection's socket, non-blocking and closed on exec. It is the caller's; the handler then
// returns. -1 and errno if there is no descriptor left.
int handoff_detach(void *connection) __attribute__((warn_unused_result));

#endif

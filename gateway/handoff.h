// Taking a connection's socket away from CivetWeb, so that a live view costs no thread.
//
// CivetWeb has no call for that. Its descriptor number is made to name an unconnected dummy socket instead (dup3),
// which CivetWeb then shuts down and closes in good faith, while the real socket lives on under another number. That
// CivetWeb leaves the socket alone otherwise is not documented, so handoff_self_test proves it at start.
#ifndef MUSTER_HANDOFF_H
#define MUSTER_HANDOFF_H

#include <stdbool.h>

// Raises the limit of open files as far as it goes. False, with the reason logged, if that is not far enough.
bool handoff_prepare(void) __attribute__((warn_unused_result));

// Hands over a socket through a small server over loopback. False, with the reason logged, if it does not work.
bool handoff_self_test(void) __attribute__((warn_unused_result));

// In a request's handler, instead of any answer: the socket of this struct mg_connection, non-blocking and closed on
// exec. It is the caller's; the handler then returns. -1 and errno if there is no descriptor left.
int handoff_detach(void *connection) __attribute__((warn_unused_result));

#endif

// Where a device's connection comes from: the peer itself, or whom the edge speaks for, which it says in front of the
// device's first byte. For limits at the edge to mean something, nobody else can say it. The tracker's loop.
#ifndef MUSTER_ORIGIN_H
#define MUSTER_ORIGIN_H

#include "conn.h"
#include "device.pb-c.h"
#include "peers.h"

// Takes a connection that was just accepted: its source is known from here on or, from the edge, once its header was
// read, which the connection's owner hears nothing of; a header that is none breaks it ("bad_edge_header"). False: the
// peer has no business here (or is gone already), and the owner is to end it.
bool origin_admit(struct conn *conn, const struct peers *peers) __attribute__((warn_unused_result));

// Notes in the log who was refused, and why; a few a second, however many there are.
void origin_refused(const struct conn *conn, Muster__ErrorCode code);

#endif

// What the client of a WebSocket says: a new filter, a ping, its close. Fan-out thread only.
#ifndef MUSTER_VIEWER_INPUT_H
#define MUSTER_VIEWER_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "viewer.h"

// Bytes that came with the handshake.
void viewer_input_take(struct viewer *viewer, const void *bytes, size_t len);

// Reads the socket. False if the viewer is gone now.
bool viewer_input_read(struct viewer *viewer) __attribute__((warn_unused_result));

#endif

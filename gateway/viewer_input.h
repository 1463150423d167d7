// What the client of a WebSocket says: a new filter, a ping, its close. Fan-out thread only.
#ifndef MUSTER_VIEWER_INPUT_H
#define MUSTER_VIEWER_INPUT_H

#include <stdbool.h>

#include "viewer.h"

// Reads the socket. False if the viewer is gone now.
bool viewer_input_read(struct viewer *viewer) __attribute__((warn_unused_result));

#endif

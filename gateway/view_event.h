// Events that move nothing, and are the same for all viewers of a protocol (docs/http-api.md). Fan-out thread only.
#ifndef MUSTER_VIEW_EVENT_H
#define MUSTER_VIEW_EVENT_H

#include <stdint.h>

#include "view_filter.h"
#include "view_frame.h"

// One event as each protocol has it.
struct view_event {
  struct view_frame *as[VIEW_PROTOCOLS];
};

struct view_event view_event_heartbeat(int64_t now_us);
struct view_event view_event_stale(int64_t since_us, const char *reason);
// Ends the stream: sets the delay after which a browser's EventSource reconnects, and closes a WebSocket with this
// code.
struct view_event view_event_bye(const char *reason, unsigned retry_ms, int close_code);
void view_event_fini(struct view_event *event);  // one of zeros is fine

// For one viewer of a WebSocket: what it sent was not understood. Neither text may need escaping in JSON.
struct view_frame *view_event_error(enum view_protocol protocol, const char *code, const char *message);
// A control frame: pong or close.
struct view_frame *view_event_pong(const void *bytes, size_t len);
struct view_frame *view_event_close(int code);

#endif

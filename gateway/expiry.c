// A viewer is told why, and when to come back: at once, because it will be refused, and then knows that it has ended.
#include "expiry.h"

#include <stddef.h>

#define RETRY_MS 1000

void expiry_begin(struct expiry *expiry, int64_t now_s) {
  expiry->now_s = now_s;
  if (expiry->guard) expiry->version = revoked_version(expiry->guard->revoked);
}

static struct view_frame *words(struct expiry *expiry, enum token_status status, enum view_protocol protocol) {
  bool revoked = status == TOKEN_REVOKED;
  struct view_event *event = revoked ? &expiry->revoked : &expiry->expired;
  if (!event->as[0]) *event = view_event_bye(token_status_code(status), RETRY_MS, WS_TOKEN_OVER);
  return view_frame_ref(event->as[protocol]);
}

void expiry_look(struct expiry *expiry, struct lane *lane) {
  if (!expiry->guard || lane->count == 0) return;
  bool due = token_time_status(0, lane->expires_s, expiry->now_s) == TOKEN_EXPIRED;
  if (!due && expiry->version == expiry->looked) return;
  lane->expires_s = INT64_MAX;
  for (struct viewer *viewer = lane->viewers, *next; viewer; viewer = next) {
    next = viewer->next;
    enum token_status status = token_guard_look(expiry->guard, &viewer->stamp, expiry->now_s, expiry->looked);
    if (status != TOKEN_OK) {
      lane_end(viewer, words(expiry, status, lane->protocol), CLOSE_TOKEN);
    } else if (viewer->stamp.expires_s < lane->expires_s) {
      lane->expires_s = viewer->stamp.expires_s;
    }
  }
}

void expiry_end(struct expiry *expiry) {
  expiry->looked = expiry->version;
  view_event_fini(&expiry->expired);
  view_event_fini(&expiry->revoked);
}

bool expiry_admits(const struct expiry *expiry, const struct token_stamp *stamp, int64_t now_s) {
  // UINT64_MAX: nobody has looked at it yet.
  return !expiry->guard || token_guard_look(expiry->guard, stamp, now_s, UINT64_MAX) == TOKEN_OK;
}

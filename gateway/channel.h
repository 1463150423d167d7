// A channel: one team that is held here because somebody looks at it (or did a moment ago). Its state, its lanes, and
// how far its joining has come. Fan-out thread only.
//
// Joins are named by tickets. The answer to the newest ticket makes the channel live; an answer to an older one is
// merged, which never hurts, but proves nothing: something was lost after it was asked for.
//
// Viewers who may see one worker only are in a part of the channel, which has a state of its own: a mirror of what the
// channel's says of that worker. So whatever such a viewer gets (rows, versions, numbers, trackers, bases, and when),
// it is made from a state that never knew anybody else. What happens to a channel happens to its parts.
#ifndef MUSTER_CHANNEL_H
#define MUSTER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lane.h"
#include "numbers.h"

struct channel {
  struct channel *next;        // in the fan-out's table
  struct channel *dirty_next;  // among those with changes to send
  bool dirty;
  bool asked;   // a join with this ticket is under way
  bool wanted;  // another one is needed as soon as may be
  uint64_t ticket;
  uint64_t asked_ms;
  uint64_t doubt_ms;  // when it was first seen that something may be lost, since the state was last whole; or 0
  uint64_t empty_ms;  // when its last viewer was seen to be gone; 0 while it has some
  struct source source;
  struct numbers numbers;
  struct lane *lanes;
  struct channel *parts;  // linked by next; a part has none
  char name[IDENT_MAX_BYTES + 1];
  char worker[IDENT_MAX_BYTES + 1];  // of a part: whom it shows
};

struct channel *channel_new(const char *name, int64_t stale_after_us);
void channel_free(struct channel *channel, enum close_reason reason);

size_t channel_viewers(const struct channel *channel);
// Takes over the arrival's socket and place.
void channel_add_viewer(struct channel *channel, struct stage *stage, const struct arrival *arrival);
// The viewer wants this from now on. False if it is gone now.
bool channel_filter(struct viewer *viewer, const struct view_filter *filter) __attribute__((warn_unused_result));

// Merges a live batch. *out_changed counts the updates that changed the state. False if the bytes are no batch.
bool channel_merge_batch(struct channel *channel, const void *bytes, size_t len, size_t *out_changed, bool *out_gap)
    __attribute__((warn_unused_result));

// Sends what changed, each lane as its interval allows.
void channel_send_changes(struct channel *channel);
// The state is whole (again): everyone is brought up to it.
void channel_become_live(struct channel *channel);
// What is shown may lack workers, because Postgres was out of reach; or it does no more, and everyone who was told gets
// the whole team anew.
void channel_set_partial(struct channel *channel, bool partial);
// NATS is gone: what is shown may be old.
void channel_become_stale(struct channel *channel);
// For lanes to which nothing was sent for about `every_ms`. *heartbeat is made when the first needs it.
void channel_heartbeat(struct channel *channel, uint64_t now_ms, uint64_t every_ms, struct view_event *heartbeat);
void channel_bye(struct channel *channel, const struct view_event *events, size_t event_count);
// Frees lanes that nobody is in, and parts without lanes.
void channel_drop_empty_lanes(struct channel *channel);

#endif

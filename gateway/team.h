// One team's state, and the frames that bring a viewer up to it. Pure: no sockets, no clock; one thread at a time.
//
// The state is one list of workers, newest change first; each has the version of its last change and its encoded row.
// What a viewer at cursor c needs is the head of that list down to c, so a viewer needs no queue and conflation is
// free.
//
// Merging is commutative and idempotent: whatever the order and however often positions and presences come (live, from
// Postgres, from the log), the state ends up the same. Two states merge the same way.
#ifndef MUSTER_TEAM_H
#define MUSTER_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "position.h"
#include "update.h"
#include "view_frame.h"
#include "view_json.h"

struct team;

struct team *team_new(const char *name);  // a valid id
void team_free(struct team *team);        // NULL is fine; frames handed out live on

const char *team_name(const struct team *team);
size_t team_count(const struct team *team);
// Counts the changes; starts at 1, so that the cursor 0 can mean "has nothing yet".
uint64_t team_version(const struct team *team);

// Each makes the worker known if it is not, and returns true if that changed what viewers see.
bool team_merge_worker(struct team *team, struct slice worker);
// The greatest taken_at wins; an equal one is a duplicate.
bool team_merge_position(struct team *team, struct slice worker, const struct position *position);
// The greatest session wins; an offline ends the session it names, for good, and no other.
bool team_merge_presence(struct team *team, struct slice worker, bool online, int64_t session_us, struct slice tracker);
// Both parts of an update that came in a batch of this tracker.
bool team_merge_update(struct team *team, const struct update *update, struct slice tracker);
bool team_merge_team(struct team *team, const struct team *from);
struct team *team_copy(const struct team *team);

// Calls back for every worker, newest change first.
void team_each(const struct team *team, void (*visit)(void *context, const struct view_row *row), void *context);

// The frame for a viewer at this cursor: the whole team for 0, else what changed since (possibly no row at all).
// Frames are cached while the state stays as it is; the caller gets a reference of its own.
struct view_frame *team_frame(struct team *team, uint64_t cursor, int64_t now_us);

#endif

// One team's state, and the frames that bring a viewer up to it. Pure: no sockets, no clock; one thread at a time.
//
// The state is one list of workers, newest change first; each has the version of its last change and its encoded row.
// What a viewer at cursor c needs is the head of that list down to c, so a viewer needs no queue and conflation is
// free.
//
// Merging is commutative and idempotent: whatever the order and however often positions and presences come (live, from
// Postgres, from the log), the state ends up the same. Two states merge the same way.
//
// A worker that is connected but has been silent for a while is shown as stale. Silence is measured on our own
// monotonic clock, from when its newest position or its session was heard (heard_us): so a server whose clock is wrong
// or jumps makes nobody stale that is heard live. Those who may turn stale wait in a wheel of time slots, each worker
// once: what team_expire costs is what has become due, not the team's size.
#ifndef MUSTER_TEAM_H
#define MUSTER_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "position.h"
#include "update.h"
#include "view_filter.h"
#include "view_frame.h"
#include "view_json.h"
#include "view_proto.h"
#include "window.h"

struct team;

struct team *team_new(const char *name);  // a valid id
void team_free(struct team *team);        // NULL is fine; frames handed out live on

const char *team_name(const struct team *team);
size_t team_count(const struct team *team);
// Counts the changes; starts at 1, so that the cursor 0 can mean "has nothing yet".
uint64_t team_version(const struct team *team);

// From now on workers turn stale after so long a silence; without, or with 0, nobody ever does.
void team_watch(struct team *team, int64_t stale_after_us, int64_t now_us);
// Time has come to now_us: true if anybody turned stale.
bool team_expire(struct team *team, int64_t now_us);
// When we could have heard what a tracker received at at_us by its clock: now at the latest. Pairs of now are of one
// moment.
int64_t team_heard_us(int64_t at_us, int64_t now_wall_us, int64_t now_us);

// Each makes the worker known if it is not, and returns true if that changed what viewers see.
bool team_merge_worker(struct team *team, struct slice worker);
// The greatest taken_at wins; an equal one is a duplicate.
bool team_merge_position(struct team *team, struct slice worker, const struct position *position, int64_t heard_us);
// The greatest session wins; an offline ends the session it names, for good, and no other.
bool team_merge_presence(struct team *team, struct slice worker, bool online, int64_t session_us, struct slice tracker,
                         int64_t heard_us);
// Both parts of an update that came in a batch of this tracker.
bool team_merge_update(struct team *team, const struct update *update, struct slice tracker, int64_t heard_us);
bool team_merge_team(struct team *team, const struct team *from);
// Makes `team` show of this worker what `of` shows, and leaves out everybody else; false if that changes nothing. The
// team is for this only: it does not age, and nothing else is merged into it.
bool team_mirror(struct team *team, const struct team *of, struct slice worker);
// As it is shown now; the copy does not age.
struct team *team_copy(const struct team *team);

// Calls back for every worker, newest change first.
void team_each(const struct team *team, void (*visit)(void *context, const struct view_row *row), void *context);

// The same for the workers that `team` knows more of than `than` does: one it does not have, a newer position, or a
// presence that would win.
void team_each_ahead(const struct team *team, const struct team *than,
                     void (*visit)(void *context, const struct view_row *row), void *context);

// The frame that brings viewers at this cursor up to now: the whole team for 0, else what changed since (possibly no
// row at all). Frames are cached while the state stays as it is; the caller gets a reference of its own.
struct view_frame *team_frame(struct team *team, enum view_protocol protocol, uint64_t cursor, int64_t now_us);

// The same for one viewer with a window, which then has the frame's rows shown; to be called only if the frame is then
// sent. NULL if nothing in the window changed, unless `even_empty`. *spare, NULL at first, keeps the frame's memory for
// the next, if nobody else has kept it by then; the caller gets a reference of its own.
struct view_frame *team_window_frame(struct team *team, enum view_protocol protocol, uint64_t cursor,
                                     struct window *window, bool even_empty, int64_t now_us, struct view_frame **spare);

// Marks all whom a viewer without a window was shown at this cursor, for it has a window now.
void team_fill_window(const struct team *team, uint64_t cursor, struct window *window);

#endif

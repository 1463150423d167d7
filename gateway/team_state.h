// The inside of a team's state, for the two files that share it: team.c merges, team_frame.c makes frames of it.
#ifndef MUSTER_TEAM_STATE_H
#define MUSTER_TEAM_STATE_H

#include "team.h"

#define DELTA_CACHE 8   // of cursors and protocols in use at the same time: one per interval, and stragglers
#define WHEEL_SLOTS 64  // those due later are looked at once in a turn of the wheel

// A row as viewers of one protocol get it; out of date if version is not the worker's.
struct encoded_row {
  char *bytes;
  uint64_t version;
  uint16_t len, capacity;
};

struct worker {
  struct worker *newer, *older;  // by change
  struct worker *next;           // in the bucket
  struct worker *slot_next;      // in the wheel
  struct worker *picked_next;    // while a frame is made
  uint64_t version, born;        // of its last change, and of its first
  struct position position;      // has == 0 if it never sent one
  int64_t session_us;            // 0 if none is known
  int64_t heard_us;              // when the newest position or session was heard
  struct encoded_row json, proto;
  uint32_t number;   // 0, 1, 2 … in the order in which they became known
  uint32_t tracker;  // that of the session: 1 + its place in the team's trackers; 0 if none is known
  bool online;
  bool stale;    // of somebody who is online
  bool waiting;  // in the wheel
  bool named;    // while a frame is made: its viewers must be told the name
  uint8_t name_len;
  char name[];
};

struct tracker_name {
  uint64_t born;  // the team's version that it came with
  uint8_t len;
  char id[IDENT_MAX_BYTES];
};

struct delta {
  uint64_t cursor;
  enum view_protocol protocol;
  int64_t at_us;
  struct view_frame *frame;
};

struct team {
  struct worker *newest, *oldest;
  struct worker **buckets;
  size_t bucket_count;  // a power of two
  size_t count;
  uint64_t version;
  struct tracker_name *trackers;
  uint32_t tracker_count;
  struct view_frame *snapshots[VIEW_PROTOCOLS];  // NULL, or of this version
  int64_t snapshot_us[VIEW_PROTOCOLS];
  struct delta deltas[DELTA_CACHE];  // of this version
  size_t delta_count, delta_next;
  struct view_base base;   // once it is told to a viewer it stays as it is
  int64_t stale_after_us;  // 0: nobody turns stale
  int64_t now_us;          // as team_expire was last told
  int64_t turned;          // the slot, counted from the clock's start, that the wheel has been turned to
  struct worker *wheel[WHEEL_SLOTS];
  char name[IDENT_MAX_BYTES + 1];
};

// What a view shows of it; points into the team.
struct view_row team_row(const struct team *team, const struct worker *w);

// Forgets the cached frames: none of them is right any more.
void team_drop_frames(struct team *team);

#endif

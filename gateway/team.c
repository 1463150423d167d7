// Workers are in a hash table by name and in the list by age of change. Rows are encoded when a frame first needs them.
#include "team.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define FIRST_BUCKETS 64
#define DELTA_CACHE 4   // cursors that are in use at the same time: one per interval, and stragglers
#define WHEEL_SLOTS 64  // those due later are looked at once in a turn of the wheel
#define WHEEL_SLOT_US 250000
#define FRAME_MAX_AGE_US 1000000  // a frame says when it was made, and viewers may set their clocks by it

struct worker {
  struct worker *newer, *older;  // by change
  struct worker *next;           // in the bucket
  struct worker *slot_next;      // in the wheel
  uint64_t version;
  struct position position;  // has == 0 if it never sent one
  int64_t session_us;        // 0 if none is known
  int64_t heard_us;          // when the newest position or session was heard
  char *row;                 // encoded; out of date if row_version is not version
  uint64_t row_version;
  uint16_t row_len, row_capacity;
  bool online;
  bool stale;    // of somebody who is online
  bool waiting;  // in the wheel
  uint8_t name_len, tracker_len;
  char tracker[IDENT_MAX_BYTES];
  char name[];
};

struct delta {
  uint64_t cursor;
  int64_t at_us;
  struct view_frame *frame;
};

struct team {
  struct worker *newest, *oldest;
  struct worker **buckets;
  size_t bucket_count;  // a power of two
  size_t count;
  uint64_t version;
  struct view_frame *snapshot;  // NULL, or of this version
  int64_t snapshot_us;
  struct delta deltas[DELTA_CACHE];  // of this version
  size_t delta_count, delta_next;
  int64_t stale_after_us;  // 0: nobody turns stale
  int64_t now_us;          // as team_expire was last told
  int64_t turned;          // the slot, counted from the clock's start, that the wheel has been turned to
  struct worker *wheel[WHEEL_SLOTS];
  char name[IDENT_MAX_BYTES + 1];
};

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) abort();
  return memory;
}

struct team *team_new(const char *name) {
  struct team *team = allocate(1, sizeof *team);
  strncpy(team->name, name, IDENT_MAX_BYTES);
  team->bucket_count = FIRST_BUCKETS;
  team->buckets = allocate(FIRST_BUCKETS, sizeof *team->buckets);
  team->version = 1;
  return team;
}

static void drop_frames(struct team *team) {
  view_frame_unref(team->snapshot);
  team->snapshot = NULL;
  for (size_t i = 0; i < team->delta_count; i++) view_frame_unref(team->deltas[i].frame);
  team->delta_count = team->delta_next = 0;
}

void team_free(struct team *team) {
  if (!team) return;
  drop_frames(team);
  for (struct worker *w = team->newest, *older; w; w = older) {
    older = w->older;
    free(w->row);
    free(w);
  }
  free(team->buckets);
  free(team);
}

const char *team_name(const struct team *team) {
  return team->name;
}

size_t team_count(const struct team *team) {
  return team->count;
}

uint64_t team_version(const struct team *team) {
  return team->version;
}

// ---- the table ----

static void grow(struct team *team) {
  size_t count = team->bucket_count * 4;
  struct worker **buckets = allocate(count, sizeof *buckets);
  for (struct worker *w = team->newest; w; w = w->older) {
    struct worker **bucket = &buckets[hash_bytes(w->name, w->name_len) & (count - 1)];
    w->next = *bucket;
    *bucket = w;
  }
  free(team->buckets);
  team->buckets = buckets;
  team->bucket_count = count;
}

static struct worker *find(const struct team *team, struct slice name) {
  struct worker *w = team->buckets[hash_bytes(name.data, name.len) & (team->bucket_count - 1)];
  while (w && (w->name_len != name.len || memcmp(w->name, name.data, name.len) != 0)) w = w->next;
  return w;
}

static void push_newest(struct team *team, struct worker *w) {
  w->newer = NULL;
  w->older = team->newest;
  if (w->older) {
    w->older->newer = w;
  } else {
    team->oldest = w;
  }
  team->newest = w;
}

static void unlink_worker(struct team *team, struct worker *w) {
  if (w->newer) {
    w->newer->older = w->older;
  } else {
    team->newest = w->older;
  }
  if (w->older) {
    w->older->newer = w->newer;
  } else {
    team->oldest = w->newer;
  }
}

// Every change comes through here: the worker becomes the newest, and no frame made before is right any more.
static void mark_changed(struct team *team, struct worker *w) {
  w->version = ++team->version;
  if (team->newest != w) {
    unlink_worker(team, w);
    push_newest(team, w);
  }
  if (team->snapshot || team->delta_count) drop_frames(team);
}

static struct worker *find_or_add(struct team *team, struct slice name, bool *out_added) {
  struct worker *w = find(team, name);
  *out_added = !w;
  if (w) return w;
  if (team->count >= team->bucket_count) grow(team);
  w = allocate(1, sizeof *w + name.len);
  w->name_len = (uint8_t)name.len;
  memcpy(w->name, name.data, name.len);
  struct worker **bucket = &team->buckets[hash_bytes(name.data, name.len) & (team->bucket_count - 1)];
  w->next = *bucket;
  *bucket = w;
  push_newest(team, w);
  team->count++;
  return w;
}

// ---- staleness ----

static void wait_in_wheel(struct team *team, struct worker *w) {
  int64_t slot = (w->heard_us + team->stale_after_us) / WHEEL_SLOT_US + 1;
  if (slot <= team->turned) slot = team->turned + 1;
  if (slot >= team->turned + WHEEL_SLOTS) slot = team->turned + WHEEL_SLOTS - 1;
  struct worker **head = &team->wheel[slot % WHEEL_SLOTS];
  w->slot_next = *head;
  w->waiting = true;
  *head = w;
}

// To be called after every change of online or heard_us. Returns true if viewers see a difference.
static bool settle(struct team *team, struct worker *w) {
  if (!team->stale_after_us) return false;
  bool stale = w->online && w->heard_us + team->stale_after_us <= team->now_us;
  bool seen = stale != w->stale;
  w->stale = stale;
  if (w->online && !stale && !w->waiting) wait_in_wheel(team, w);
  return seen;
}

void team_watch(struct team *team, int64_t stale_after_us, int64_t now_us) {
  team->stale_after_us = stale_after_us;
  team->now_us = now_us;
  team->turned = now_us / WHEEL_SLOT_US;
}

bool team_expire(struct team *team, int64_t now_us) {
  uint64_t before = team->version;
  int64_t until = now_us / WHEEL_SLOT_US, slot = team->turned + 1;
  if (until - team->turned > WHEEL_SLOTS) slot = until - WHEEL_SLOTS + 1;  // a whole turn: every slot once
  team->now_us = now_us;
  if (until > team->turned) team->turned = until;
  for (; slot <= until; slot++) {
    struct worker *due = team->wheel[slot % WHEEL_SLOTS];
    team->wheel[slot % WHEEL_SLOTS] = NULL;
    for (struct worker *w = due, *next; w; w = next) {
      next = w->slot_next;
      w->waiting = false;
      if (settle(team, w)) mark_changed(team, w);  // one heard since waits again, somebody offline no more
    }
  }
  return team->version != before;
}

int64_t team_heard_us(int64_t at_us, int64_t now_wall_us, int64_t now_us) {
  if (at_us < 0) at_us = 0;  // no tracker says so
  return at_us < now_wall_us ? now_us - (now_wall_us - at_us) : now_us;
}

// ---- merging ----

static void hear(struct worker *w, int64_t heard_us) {
  if (heard_us > w->heard_us) w->heard_us = heard_us;
}

static bool take_position(struct worker *w, const struct position *position, int64_t heard_us) {
  if (w->position.has && position->taken_at_us <= w->position.taken_at_us) return false;
  w->position = *position;
  hear(w, heard_us);
  return true;
}

// Sessions are ordered by their start, and within one session offline comes after online. Keeping the greatest of that
// order makes a late or repeated message harmless.
static bool presence_wins(const struct worker *w, bool online, int64_t session_us) {
  return session_us > w->session_us || (session_us == w->session_us && !online && w->online);
}

// Returns true if viewers see a difference.
static bool take_presence(struct worker *w, bool online, int64_t session_us, struct slice tracker, int64_t heard_us) {
  if (!presence_wins(w, online, session_us)) return false;
  bool same_tracker = tracker.len == w->tracker_len && memcmp(tracker.data, w->tracker, tracker.len) == 0;
  bool seen = online != w->online || !same_tracker;
  w->session_us = session_us;
  w->online = online;
  if (online) hear(w, heard_us);
  if (!same_tracker) {
    w->tracker_len = (uint8_t)tracker.len;
    memcpy(w->tracker, tracker.data, tracker.len);
  }
  return seen;
}

// The end of every merge into w.
static bool conclude(struct team *team, struct worker *w, bool changed) {
  if (settle(team, w)) changed = true;
  if (changed) mark_changed(team, w);
  return changed;
}

bool team_merge_worker(struct team *team, struct slice worker) {
  bool added;
  struct worker *w = find_or_add(team, worker, &added);
  return conclude(team, w, added);
}

bool team_merge_position(struct team *team, struct slice worker, const struct position *position, int64_t heard_us) {
  bool changed;
  struct worker *w = find_or_add(team, worker, &changed);
  if (take_position(w, position, heard_us)) changed = true;
  return conclude(team, w, changed);
}

bool team_merge_presence(struct team *team, struct slice worker, bool online, int64_t session_us, struct slice tracker,
                         int64_t heard_us) {
  bool changed;
  struct worker *w = find_or_add(team, worker, &changed);
  if (take_presence(w, online, session_us, tracker, heard_us)) changed = true;
  return conclude(team, w, changed);
}

bool team_merge_update(struct team *team, const struct update *update, struct slice tracker, int64_t heard_us) {
  bool changed;
  struct worker *w = find_or_add(team, update->worker, &changed);
  if (update->has_position && take_position(w, &update->position, heard_us)) changed = true;
  const struct presence *p = &update->presence;
  if (update->has_presence && take_presence(w, p->online, p->session_us, tracker, heard_us)) changed = true;
  return conclude(team, w, changed);
}

bool team_merge_team(struct team *team, const struct team *from) {
  bool any = false;
  for (const struct worker *other = from->oldest; other; other = other->newer) {
    bool changed;
    struct worker *w = find_or_add(team, (struct slice){other->name, other->name_len}, &changed);
    if (other->position.has && take_position(w, &other->position, other->heard_us)) changed = true;
    struct slice tracker = {other->tracker, other->tracker_len};
    if (other->session_us && take_presence(w, other->online, other->session_us, tracker, other->heard_us))
      changed = true;
    if (conclude(team, w, changed)) any = true;
  }
  return any;
}

struct team *team_copy(const struct team *team) {
  struct team *copy = team_new(team->name);
  team_merge_team(copy, team);
  for (struct worker *w = copy->newest; w; w = w->older) {
    w->stale = find(team, (struct slice){w->name, w->name_len})->stale;
  }
  return copy;
}

// ---- reading ----

static struct view_row row_of(const struct worker *w) {
  return (struct view_row){.worker = {w->name, w->name_len},
                           .position = w->position.has ? &w->position : NULL,
                           .status = !w->online ? VIEW_OFFLINE
                                     : w->stale ? VIEW_STALE
                                                : VIEW_ONLINE,
                           .tracker = {w->tracker, w->tracker_len}};
}

void team_each(const struct team *team, void (*visit)(void *context, const struct view_row *row), void *context) {
  for (const struct worker *w = team->newest; w; w = w->older) {
    struct view_row row = row_of(w);
    visit(context, &row);
  }
}

static bool is_ahead(const struct worker *w, const struct worker *than) {
  if (!than) return true;
  if (w->position.has && (!than->position.has || w->position.taken_at_us > than->position.taken_at_us)) return true;
  return w->session_us && presence_wins(than, w->online, w->session_us);
}

void team_each_ahead(const struct team *team, const struct team *than,
                     void (*visit)(void *context, const struct view_row *row), void *context) {
  for (const struct worker *w = team->newest; w; w = w->older) {
    if (!is_ahead(w, find(than, (struct slice){w->name, w->name_len}))) continue;
    struct view_row row = row_of(w);
    visit(context, &row);
  }
}

static void encode_row(struct worker *w) {
  char text[VIEW_ROW_BYTES];
  struct view_row row = row_of(w);
  size_t len = (size_t)(view_json_row(text, &row) - text);
  if (len > w->row_capacity) {
    free(w->row);
    w->row_capacity = (uint16_t)((len + 31) & ~(size_t)15);  // some room: coordinates and speeds change their length
    w->row = malloc(w->row_capacity);
    if (!w->row) abort();
  }
  memcpy(w->row, text, len);
  w->row_len = (uint16_t)len;
  w->row_version = w->version;
}

// ---- frames ----

static char *put(char *to, const char *text, size_t len) {
  memcpy(to, text, len);
  return to + len;
}

static char *put_string(char *to, const char *text) {
  return put(to, text, strlen(text));
}

// `"version":V,"time_us":T`
static char *put_stamp(char *to, uint64_t version, int64_t now_us) {
  to = put_string(to, "\"version\":");
  to = view_json_int(to, (int64_t)version);
  to = put_string(to, ",\"time_us\":");
  return view_json_int(to, now_us);
}

static char *put_head(char *to, const struct team *team, uint64_t cursor, int64_t now_us) {
  if (cursor == 0) {
    to = put_string(to, "event: snapshot\ndata: {\"team\":\"");
    to = put_string(to, team->name);
    to = put_string(to, "\",");
    to = put_stamp(to, team->version, now_us);
    to = put_string(to, ",\"columns\":");
    to = put_string(to, view_columns);
    return put_string(to, ",\"rows\":[");
  }
  to = put_string(to, "event: delta\ndata: {");
  to = put_stamp(to, team->version, now_us);
  return put_string(to, ",\"rows\":[");
}

static struct view_frame *encode(struct team *team, uint64_t cursor, int64_t now_us) {
  static const char tail[] = "]}\n\n";
  char head[512];
  size_t head_len = (size_t)(put_head(head, team, cursor, now_us) - head), len = head_len + sizeof tail - 1;
  uint32_t rows = 0;
  for (struct worker *w = team->newest; w && w->version > cursor; w = w->older) {
    if (w->row_version != w->version) encode_row(w);
    len += w->row_len + (rows++ ? 1u : 0u);
  }
  struct view_frame *frame = view_frame_new(len, team->version, rows);
  char *to = put(frame->data, head, head_len);
  for (struct worker *w = team->newest; w && w->version > cursor; w = w->older) {
    if (w != team->newest) *to++ = ',';
    to = put(to, w->row, w->row_len);
  }
  put(to, tail, sizeof tail - 1);
  return frame;
}

static struct view_frame *snapshot_frame(struct team *team, int64_t now_us) {
  if (team->snapshot && now_us - team->snapshot_us > FRAME_MAX_AGE_US) {
    view_frame_unref(team->snapshot);
    team->snapshot = NULL;
  }
  if (!team->snapshot) {
    team->snapshot = encode(team, 0, now_us);
    team->snapshot_us = now_us;
  }
  return view_frame_ref(team->snapshot);
}

struct view_frame *team_frame(struct team *team, uint64_t cursor, int64_t now_us) {
  if (cursor == 0) return snapshot_frame(team, now_us);
  for (size_t i = 0; i < team->delta_count; i++) {
    const struct delta *delta = &team->deltas[i];
    if (delta->cursor == cursor && now_us - delta->at_us <= FRAME_MAX_AGE_US) return view_frame_ref(delta->frame);
  }
  struct delta *slot = &team->deltas[team->delta_next];
  if (team->delta_count < DELTA_CACHE) {
    team->delta_count++;
  } else {
    view_frame_unref(slot->frame);
  }
  team->delta_next = (team->delta_next + 1) % DELTA_CACHE;
  *slot = (struct delta){cursor, now_us, encode(team, cursor, now_us)};
  return view_frame_ref(slot->frame);
}

// Workers are in a hash table by name and in the list by age of change.
#include "team.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "team_state.h"

#define FIRST_BUCKETS 64
#define WHEEL_SLOT_US 250000

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

void team_free(struct team *team) {
  if (!team) return;
  team_drop_frames(team);
  for (struct worker *w = team->newest, *older; w; w = older) {
    older = w->older;
    free(w->json.bytes);
    free(w->proto.bytes);
    free(w);
  }
  free(team->trackers);
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
  if (!w->born) w->born = w->version;
  if (team->newest != w) {
    unlink_worker(team, w);
    push_newest(team, w);
  }
  team_drop_frames(team);
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
  w->number = (uint32_t)team->count++;
  return w;
}

// ---- trackers ----

static struct slice tracker_of(const struct team *team, const struct worker *w) {
  if (!w->tracker) return (struct slice){"", 0};
  const struct tracker_name *tracker = &team->trackers[w->tracker - 1];
  return (struct slice){tracker->id, tracker->len};
}

// A tracker that is new comes with the change that is under way.
static uint32_t find_or_add_tracker(struct team *team, struct slice id) {
  if (!id.len) return 0;
  for (uint32_t i = 0; i < team->tracker_count; i++) {
    if (team->trackers[i].len == id.len && memcmp(team->trackers[i].id, id.data, id.len) == 0) return i + 1;
  }
  team->trackers = realloc(team->trackers, (team->tracker_count + 1) * sizeof *team->trackers);
  if (!team->trackers) abort();
  struct tracker_name *tracker = &team->trackers[team->tracker_count++];
  *tracker = (struct tracker_name){.born = team->version + 1, .len = (uint8_t)id.len};
  memcpy(tracker->id, id.data, id.len);
  return team->tracker_count;
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
static bool take_presence(struct team *team, struct worker *w, bool online, int64_t session_us, struct slice tracker,
                          int64_t heard_us) {
  if (!presence_wins(w, online, session_us)) return false;
  uint32_t by = find_or_add_tracker(team, tracker);
  bool seen = online != w->online || by != w->tracker;
  w->session_us = session_us;
  w->online = online;
  w->tracker = by;
  if (online) hear(w, heard_us);
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
  if (take_presence(team, w, online, session_us, tracker, heard_us)) changed = true;
  return conclude(team, w, changed);
}

bool team_merge_update(struct team *team, const struct update *update, struct slice tracker, int64_t heard_us) {
  bool changed;
  struct worker *w = find_or_add(team, update->worker, &changed);
  if (update->has_position && take_position(w, &update->position, heard_us)) changed = true;
  const struct presence *p = &update->presence;
  if (update->has_presence && take_presence(team, w, p->online, p->session_us, tracker, heard_us)) changed = true;
  return conclude(team, w, changed);
}

bool team_merge_team(struct team *team, const struct team *from) {
  bool any = false;
  for (const struct worker *other = from->oldest; other; other = other->newer) {
    bool changed;
    struct worker *w = find_or_add(team, (struct slice){other->name, other->name_len}, &changed);
    if (other->position.has && take_position(w, &other->position, other->heard_us)) changed = true;
    struct slice tracker = tracker_of(from, other);
    if (other->session_us && take_presence(team, w, other->online, other->session_us, tracker, other->heard_us))
      changed = true;
    if (conclude(team, w, changed)) any = true;
  }
  return any;
}

// Of one taken_at there is one position.
static bool is_as(const struct team *team, const struct worker *w, const struct team *of, const struct worker *other) {
  struct slice by = tracker_of(team, w), by_other = tracker_of(of, other);
  if (w->position.has != other->position.has || w->position.taken_at_us != other->position.taken_at_us) return false;
  if (w->online != other->online || w->stale != other->stale) return false;
  return by.len == by_other.len && memcmp(by.data, by_other.data, by.len) == 0;
}

bool team_mirror(struct team *team, const struct team *of, struct slice worker) {
  const struct worker *other = find(of, worker);
  bool added;
  if (!other) return false;
  struct worker *w = find_or_add(team, worker, &added);
  if (!added && is_as(team, w, of, other)) return false;
  w->position = other->position;
  w->online = other->online;
  w->stale = other->stale;
  w->tracker = find_or_add_tracker(team, tracker_of(of, other));
  mark_changed(team, w);
  return true;
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

struct view_row team_row(const struct team *team, const struct worker *w) {
  return (struct view_row){.worker = {w->name, w->name_len},
                           .position = w->position.has ? &w->position : NULL,
                           .status = !w->online ? VIEW_OFFLINE
                                     : w->stale ? VIEW_STALE
                                                : VIEW_ONLINE,
                           .tracker = tracker_of(team, w)};
}

void team_each(const struct team *team, void (*visit)(void *context, const struct view_row *row), void *context) {
  for (const struct worker *w = team->newest; w; w = w->older) {
    struct view_row row = team_row(team, w);
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
    struct view_row row = team_row(team, w);
    visit(context, &row);
  }
}

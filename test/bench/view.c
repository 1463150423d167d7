// A reader of exactly what the gateway writes: members in its order, rows without nested arrays.
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CACHED 4   // frames in use at the same time: what some viewers have and others do not yet
#define PAST 4096  // versions, a power of two
#define FIRST_SLOTS 128

struct worker {
  char *row;  // its newest text
  size_t row_len, row_capacity;
  uint32_t name_len;
  unsigned epoch;
  uint64_t version;
  uint64_t hash;
};

// A row of a decoded frame.
struct row {
  uint32_t worker;
  bool has_position;
  uint64_t hash;
  int64_t taken_at_us;
};

struct frame {
  char *text;
  size_t len, capacity;
  unsigned epoch;
  bool snapshot, good;
  uint64_t version;
  struct row *rows;
  size_t row_count, row_capacity;
};

struct past {
  unsigned epoch;
  uint64_t version, hash;
};

struct view_team {
  char *name;
  struct worker *workers;
  uint32_t count, capacity;
  uint32_t *slots;  // open addressing: index + 1 of a worker
  uint32_t slot_count;
  struct frame frames[CACHED];
  unsigned next_frame;
  unsigned newest_epoch;
  uint64_t newest_version;
  struct past past[PAST];
};

static void *grow(void *memory, size_t *capacity, size_t needed, size_t size) {
  if (needed <= *capacity) return memory;
  *capacity = needed * 2;
  memory = realloc(memory, *capacity * size);
  if (!memory) abort();
  return memory;
}

// Eight bytes at a time; never 0.
static uint64_t hash_of(const char *text, size_t len) {
  uint64_t hash = len * 0x9e3779b97f4a7c15U, word;
  for (; len >= sizeof word; text += sizeof word, len -= sizeof word) {
    memcpy(&word, text, sizeof word);
    hash = (hash ^ word) * 0xff51afd7ed558ccdU;
    hash ^= hash >> 32;
  }
  word = 0;
  memcpy(&word, text, len);
  hash = (hash ^ word) * 0xc4ceb9fe1a85ec53U;
  hash ^= hash >> 29;
  return hash ? hash : 1;
}

// ---- teams ----

struct view_team *view_team_new(const char *name) {
  struct view_team *team = calloc(1, sizeof *team);
  if (!team) abort();
  team->name = strdup(name);
  team->slot_count = FIRST_SLOTS;
  team->slots = calloc(FIRST_SLOTS, sizeof *team->slots);
  if (!team->name || !team->slots) abort();
  return team;
}

void view_team_free(struct view_team *team) {
  for (uint32_t i = 0; i < team->count; i++) free(team->workers[i].row);
  for (int i = 0; i < CACHED; i++) {
    free(team->frames[i].text);
    free(team->frames[i].rows);
  }
  free(team->workers);
  free(team->slots);
  free(team->name);
  free(team);
}

const char *view_team_name(const struct view_team *team) {
  return team->name;
}

// Where the worker of this name is or belongs. Its name is in its row: `["name",…`.
static uint32_t *find_slot(struct view_team *team, const char *name, uint32_t len) {
  uint32_t at = (uint32_t)hash_of(name, len);
  for (;; at++) {
    uint32_t *slot = &team->slots[at & (team->slot_count - 1)];
    if (!*slot) return slot;
    const struct worker *worker = &team->workers[*slot - 1];
    if (worker->name_len == len && memcmp(worker->row + 2, name, len) == 0) return slot;
  }
}

static void grow_slots(struct view_team *team) {
  free(team->slots);
  team->slot_count *= 2;
  team->slots = calloc(team->slot_count, sizeof *team->slots);
  if (!team->slots) abort();
  for (uint32_t i = 0; i < team->count; i++) {
    *find_slot(team, team->workers[i].row + 2, team->workers[i].name_len) = i + 1;
  }
}

static void keep_row(struct worker *worker, const char *text, size_t len, const struct frame *frame, uint64_t hash) {
  bool newer = frame->epoch > worker->epoch || (frame->epoch == worker->epoch && frame->version >= worker->version);
  if (worker->row && !newer) return;
  worker->row = grow(worker->row, &worker->row_capacity, len, 1);
  memcpy(worker->row, text, len);
  worker->row_len = len;
  worker->epoch = frame->epoch;
  worker->version = frame->version;
  worker->hash = hash;
}

static uint32_t note_worker(struct view_team *team, const char *text, size_t len, uint32_t name_len,
                            const struct frame *frame, uint64_t hash) {
  uint32_t *slot = find_slot(team, text + 2, name_len);
  if (!*slot) {
    size_t capacity = team->capacity;
    team->workers = grow(team->workers, &capacity, team->count + 1U, sizeof *team->workers);
    team->capacity = (uint32_t)capacity;
    team->workers[team->count] = (struct worker){.name_len = name_len};
    *slot = ++team->count;
    keep_row(&team->workers[team->count - 1], text, len, frame, hash);
    if (team->count * 2 > team->slot_count) grow_slots(team);
    return team->count - 1;
  }
  keep_row(&team->workers[*slot - 1], text, len, frame, hash);
  return *slot - 1;
}

// ---- frames ----

static const char *after(const char *at, const char *end, const char *text) {
  const char *found = memmem(at, (size_t)(end - at), text, strlen(text));
  return found ? found + strlen(text) : NULL;
}

static bool read_row(struct view_team *team, struct frame *frame, const char *text, const char *end,
                     const char **out_next) {
  const char *close = memchr(text, ']', (size_t)(end - text));
  if (!close || close - text < 5 || text[0] != '[' || text[1] != '"') return false;
  size_t len = (size_t)(close + 1 - text);
  const char *quote = memchr(text + 2, '"', len - 2);
  if (!quote || quote[1] != ',') return false;
  struct row row = {.hash = hash_of(text, len), .has_position = quote[2] != 'n'};
  if (row.has_position) row.taken_at_us = strtoll(quote + 2, NULL, 10);
  row.worker = note_worker(team, text, len, (uint32_t)(quote - text - 2), frame, row.hash);
  frame->rows = grow(frame->rows, &frame->row_capacity, frame->row_count + 1, sizeof row);
  frame->rows[frame->row_count++] = row;
  *out_next = close + 1;
  return true;
}

static bool decode(struct view_team *team, struct frame *frame) {
  const char *end = frame->text + frame->len;
  const char *version = after(frame->text, end, "\"version\":"), *rows = after(frame->text, end, "\"rows\":[");
  frame->row_count = 0;
  if (!version || !rows) return false;
  frame->version = strtoull(version, NULL, 10);
  if (rows < end && *rows == ']') return true;
  for (;;) {
    if (!read_row(team, frame, rows, end, &rows) || rows == end) return false;
    if (*rows == ']') return true;
    if (*rows++ != ',') return false;
  }
}

// The frame with these bytes, which live until CACHED others came. The text is kept with a NUL behind it.
static const struct frame *frame_of(struct view_team *team, unsigned epoch, bool snapshot, const char *text,
                                    size_t len) {
  for (int i = 0; i < CACHED; i++) {
    const struct frame *frame = &team->frames[i];
    if (frame->len == len && frame->epoch == epoch && memcmp(frame->text, text, len) == 0) return frame;
  }
  struct frame *frame = &team->frames[team->next_frame++ % CACHED];
  frame->text = grow(frame->text, &frame->capacity, len + 1, 1);
  memcpy(frame->text, text, len);
  frame->text[len] = '\0';
  frame->len = len;
  frame->epoch = epoch;
  frame->snapshot = snapshot;
  frame->good = decode(team, frame);
  return frame;
}

// ---- views ----

static void forget_rows(struct view *view) {
  if (view->capacity) memset(view->cells, 0, view->capacity * sizeof *view->cells);
  view->known = 0;
  view->hash = 0;
}

void view_clear(struct view *view) {
  forget_rows(view);
  view->version = 0;
}

static void make_room(struct view *view) {
  uint32_t needed = view->team->count;
  if (needed <= view->capacity) return;
  view->cells = realloc(view->cells, needed * sizeof *view->cells);
  if (!view->cells) abort();
  memset(view->cells + view->capacity, 0, (needed - view->capacity) * sizeof *view->cells);
  view->capacity = needed;
}

static void apply(struct view *view, const struct frame *frame, int64_t now_us, struct view_totals *totals) {
  for (size_t i = 0; i < frame->row_count; i++) {
    const struct row *row = &frame->rows[i];
    struct view_cell *cell = &view->cells[row->worker];
    if (!frame->snapshot && row->has_position) {
      if (row->taken_at_us > cell->taken_at_us) hist_record(&totals->age, now_us - row->taken_at_us);
      totals->backward += row->taken_at_us < cell->taken_at_us;
    }
    view->known += cell->hash == 0;
    view->hash ^= cell->hash ^ row->hash;
    *cell = (struct view_cell){row->hash, row->taken_at_us};
  }
}

// Two of the same version must be the same.
static bool agrees(const struct view *view) {
  struct past *past = &view->team->past[view->version & (PAST - 1)];
  if (past->epoch == view->epoch && past->version == view->version) return past->hash == view->hash;
  *past = (struct past){view->epoch, view->version, view->hash};
  return true;
}

static void take_frame(struct view *view, const char *event, size_t len, bool snapshot, int64_t now_us,
                       struct view_totals *totals) {
  struct view_team *team = view->team;
  const struct frame *frame = frame_of(team, view->epoch, snapshot, event, len);
  bool in_order = snapshot || (view->version != 0 && frame->version >= view->version);
  if (!frame->good || !in_order) {
    totals->bad++;
    return;
  }
  make_room(view);
  if (snapshot) forget_rows(view);
  apply(view, frame, now_us, totals);
  view->version = frame->version;
  if (!agrees(view)) totals->differing++;
  if (view->epoch > team->newest_epoch || (view->epoch == team->newest_epoch && view->version > team->newest_version)) {
    team->newest_epoch = view->epoch;
    team->newest_version = view->version;
  }
  totals->frames++;
  totals->snapshots += snapshot;
  totals->rows += frame->row_count;
}

static bool starts(const char *event, size_t len, const char *with) {
  return len >= strlen(with) && memcmp(event, with, strlen(with)) == 0;
}

void view_take(struct view *view, const char *event, size_t len, int64_t now_us, struct view_totals *totals) {
  if (starts(event, len, "event: delta\n")) {
    take_frame(view, event, len, false, now_us, totals);
  } else if (starts(event, len, "event: snapshot\n")) {
    take_frame(view, event, len, true, now_us, totals);
  } else if (starts(event, len, "event: heartbeat\n")) {
    totals->heartbeats++;
  } else if (starts(event, len, "event: stale\n")) {
    totals->stales++;
  } else if (starts(event, len, "retry: ")) {
    totals->byes += memmem(event, len, "event: bye\n", 11) != NULL;
  } else {
    totals->bad++;
  }
}

bool view_is_newest(const struct view *view) {
  const struct view_team *team = view->team;
  return view->version != 0 && view->epoch == team->newest_epoch && view->version >= team->newest_version;
}

bool view_is_whole(const struct view *view) {
  const struct view_team *team = view->team;
  if (view->known != team->count) return false;
  for (uint32_t i = 0; i < team->count; i++) {
    if (view->cells[i].hash != team->workers[i].hash) return false;
  }
  return true;
}

void view_team_write(const struct view_team *team, FILE *file) {
  fputs("{", file);
  for (uint32_t i = 0; i < team->count; i++) {
    const struct worker *worker = &team->workers[i];
    fprintf(file, "%s\"%.*s\":%.*s", i ? "," : "", (int)worker->name_len, worker->row + 2, (int)worker->row_len,
            worker->row);
  }
  fputs("}", file);
}

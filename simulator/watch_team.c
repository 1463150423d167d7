// A hash index of names, and a ring of frames.
#include "watch_team.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "ident.h"
#include "watch_proto.h"

#define FRAMES 8
#define FRAME_KEEP_BYTES (256u << 10)  // longer frames are read each time

// The same bytes say the same in SSE and JSON; in protobuf a snapshot's and a delta's are of different messages.
struct cached_frame {
  struct buffer bytes;
  bool proto;
  enum watch_kind kind;
  struct watch_columns before, after;
  struct watch_base base;
  struct watch_change *changes;
  size_t count, capacity;
};

struct watch_team {
  char name[IDENT_MAX_BYTES + 1];
  char (*workers)[IDENT_MAX_BYTES + 1];
  uint32_t worker_count, worker_capacity;
  uint32_t *slots;  // open addressing: index plus 1, 0 where free
  uint32_t slot_count;
  struct cached_frame frames[FRAMES];
  unsigned next_frame;
};

static void *must(void *memory) {
  if (!memory) abort();
  return memory;
}

struct watch_team *watch_team_new(const char *name) {
  struct watch_team *team = must(calloc(1, sizeof *team));
  strncpy(team->name, name, IDENT_MAX_BYTES);
  team->slot_count = 64;
  team->slots = must(calloc(team->slot_count, sizeof *team->slots));
  return team;
}

void watch_team_free(struct watch_team *team) {
  if (!team) return;
  for (int i = 0; i < FRAMES; i++) {
    buffer_fini(&team->frames[i].bytes);
    free(team->frames[i].changes);
  }
  free(team->workers);
  free(team->slots);
  free(team);
}

const char *watch_team_name(const struct watch_team *team) {
  return team->name;
}

uint32_t watch_team_workers(const struct watch_team *team) {
  return team->worker_count;
}

const char *watch_team_worker(const struct watch_team *team, uint32_t index) {
  return team->workers[index];
}

// FNV-1a, 32 bits.
static uint32_t *find_slot(const struct watch_team *team, const char *name, size_t len) {
  uint32_t hash = 0x811c9dc5u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ (uint8_t)name[i]) * 0x01000193u;
  for (;; hash++) {
    uint32_t *slot = &team->slots[hash & (team->slot_count - 1)];
    if (*slot == 0) return slot;
    const char *other = team->workers[*slot - 1];
    if (strncmp(other, name, len) == 0 && other[len] == '\0') return slot;
  }
}

static void grow_slots(struct watch_team *team) {
  free(team->slots);
  team->slot_count *= 2;
  team->slots = must(calloc(team->slot_count, sizeof *team->slots));
  for (uint32_t i = 0; i < team->worker_count; i++) {
    *find_slot(team, team->workers[i], strlen(team->workers[i])) = i + 1;
  }
}

static uint32_t worker_index(struct watch_team *team, const char *name, size_t len) {
  uint32_t *slot = find_slot(team, name, len);
  if (*slot) return *slot - 1;
  if (team->worker_count == team->worker_capacity) {
    team->worker_capacity = team->worker_capacity ? team->worker_capacity * 2 : 64;
    team->workers = must(realloc(team->workers, team->worker_capacity * sizeof *team->workers));
  }
  char *copy = team->workers[team->worker_count++];
  memcpy(copy, name, len);
  copy[len] = '\0';
  *slot = team->worker_count;
  if (team->worker_count * 2 > team->slot_count) grow_slots(team);
  return team->worker_count - 1;
}

struct read_call {
  struct watch_team *team;
  struct cached_frame *frame;
};

static void add_change(void *context, const struct watch_row *row) {
  const struct read_call *call = context;
  struct cached_frame *frame = call->frame;
  if (frame->count == frame->capacity) {
    frame->capacity = frame->capacity ? frame->capacity * 2 : 16;
    frame->changes = must(realloc(frame->changes, frame->capacity * sizeof *frame->changes));
  }
  frame->changes[frame->count++] = (struct watch_change){
      .worker = row->worker ? worker_index(call->team, row->worker, row->worker_len) : WATCH_NO_WORKER,
      .number = row->number,
      .left = row->left,
      .has_position = row->has_position,
      .online = row->online,
      .taken_at_us = row->taken_at_us,
      .latitude_e7 = row->latitude_e7,
      .longitude_e7 = row->longitude_e7,
  };
}

static struct cached_frame *find_frame(struct watch_team *team, const struct watch_event *event,
                                       const struct watch_columns *columns) {
  bool proto = event->protocol == WATCH_PROTOBUF;
  for (int i = 0; i < FRAMES; i++) {
    struct cached_frame *frame = &team->frames[i];
    if (frame->bytes.len != event->len || event->len == 0 || frame->proto != proto || frame->kind != event->kind)
      continue;
    if (memcmp(frame->bytes.data, event->data, event->len) != 0) continue;
    if (memcmp(&frame->before, columns, sizeof *columns) == 0) return frame;
  }
  return NULL;
}

// Reads it into the oldest place of the ring, and keeps it unless it is bad or too long.
static struct cached_frame *read_frame(struct watch_team *team, const struct watch_event *event,
                                       const struct watch_columns *columns) {
  struct cached_frame *frame = &team->frames[team->next_frame++ % FRAMES];
  struct read_call call = {team, frame};
  frame->bytes.len = 0;
  frame->count = 0;
  frame->proto = event->protocol == WATCH_PROTOBUF;
  frame->kind = event->kind;
  frame->before = frame->after = *columns;
  frame->base = (struct watch_base){0};
  bool good = frame->proto ? watch_proto_read(event, &frame->base, add_change, &call)
                           : watch_frame_read((const char *)event->data, event->len, &frame->after, add_change, &call);
  if (good && event->len <= FRAME_KEEP_BYTES) buffer_append(&frame->bytes, event->data, event->len);
  return good ? frame : NULL;
}

bool watch_team_read(struct watch_team *team, const struct watch_event *event, struct watch_columns *columns,
                     struct watch_changes *out_changes) {
  const struct cached_frame *frame = find_frame(team, event, columns);
  if (!frame) frame = read_frame(team, event, columns);
  if (!frame) return false;
  *columns = frame->after;
  *out_changes = (struct watch_changes){frame->base, frame->changes, frame->count};
  return true;
}

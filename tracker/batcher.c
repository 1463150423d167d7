// Pending batches of a tracker.
#include "batcher.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "ident.h"

#define LOG_SPARES 16  // as many as are on their way to be stored in a third of a second

struct batch_team {
  char name[IDENT_MAX_BYTES + 1];
  uint8_t name_len;
  uint64_t number;             // of the newest live batch
  struct live_batch *pending;  // NULL if the team has no news
  struct batch_team *next_recent;
  int64_t taken_us;  // monotonic; when its last live batch was taken
  uint32_t tails;    // sent since
  bool recent;       // in the list of teams whose tails are not all sent
  UT_hash_handle hh;
};

struct batcher {
  uint8_t origin[BATCH_ORIGIN_BYTES];  // what all its batches begin with
  size_t origin_len;
  struct batch_team *teams;
  struct live_batch *live_first, **live_last;
  struct live_batch *live_spare;
  struct log_batch *log_spare;  // LOG_SPARES at most
  size_t log_spares;
  struct batch_team *recent;
  struct log_batch *open;          // NULL if nothing is pending
  struct log_batch *closed_first;  // closed and not durable, by number
  struct log_batch **closed_last;
  uint64_t log_number;  // of the newest log batch
  size_t closed_bytes;
};

static void *zalloc(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (!memory) abort();
  return memory;
}

struct batcher *batcher_new(const char *tracker, int64_t started_at_us) {
  struct batcher *batcher = zalloc(sizeof *batcher);
  struct slice name = {tracker, strlen(tracker)};
  batcher->origin_len = batch_encode_origin(batcher->origin, name, started_at_us);
  batcher->live_last = &batcher->live_first;
  batcher->closed_last = &batcher->closed_first;
  return batcher;
}

static void free_live(struct live_batch *list) {
  while (list) {
    struct live_batch *next = list->next;
    buffer_fini(&list->bytes);
    free(list);
    list = next;
  }
}

static void free_log(struct log_batch *list) {
  while (list) {
    struct log_batch *next = list->next;
    buffer_fini(&list->bytes);
    free(list->waiters);
    free(list);
    list = next;
  }
}

void batcher_free(struct batcher *batcher) {
  if (!batcher) return;
  free_live(batcher->live_first);
  free_live(batcher->live_spare);
  free_log(batcher->log_spare);
  free_log(batcher->open);
  free_log(batcher->closed_first);
  struct batch_team *team, *next;
  HASH_ITER(hh, batcher->teams, team, next) {
    HASH_DEL(batcher->teams, team);
    free(team);
  }
  free(batcher);
}

struct batch_team *batcher_team(struct batcher *batcher, const char *name) {
  struct batch_team *team;
  HASH_FIND_STR(batcher->teams, name, team);
  if (team) return team;
  team = zalloc(sizeof *team);
  strncpy(team->name, name, sizeof team->name - 1);
  team->name_len = (uint8_t)strlen(team->name);
  HASH_ADD_STR(batcher->teams, name, team);
  return team;
}

const char *batch_team_name(const struct batch_team *team) {
  return team->name;
}

static void append_header(struct batcher *batcher, struct buffer *bytes, uint64_t number) {
  batch_append_number(bytes, batcher->origin, batcher->origin_len, number);
}

// Adds an empty batch to those pending.
static struct live_batch *add_live(struct batcher *batcher, struct batch_team *team, uint64_t number) {
  struct live_batch *batch = batcher->live_spare;
  if (batch) {
    batcher->live_spare = batch->next;
  } else {
    batch = zalloc(sizeof *batch);
  }
  batch->next = NULL;
  batch->team = team;
  batch->bytes.len = 0;
  *batcher->live_last = batch;
  batcher->live_last = &batch->next;
  append_header(batcher, &batch->bytes, number);
  return batch;
}

static struct buffer *pending_live(struct batcher *batcher, struct batch_team *team) {
  if (!team->pending || team->pending->bytes.len >= BATCHER_MAX_BYTES) {
    team->pending = add_live(batcher, team, ++team->number);
  }
  return &team->pending->bytes;
}

static struct log_batch *new_log(struct batcher *batcher) {
  struct log_batch *batch = batcher->log_spare;
  if (!batch) return zalloc(sizeof *batch);
  batcher->log_spare = batch->next;
  batcher->log_spares--;
  batch->bytes.len = 0;
  *batch =
      (struct log_batch){.bytes = batch->bytes, .waiters = batch->waiters, .waiter_capacity = batch->waiter_capacity};
  return batch;
}

// Keeps some, with their memory, for those to come.
static void give_back(struct batcher *batcher, struct log_batch *batch) {
  batch->next = NULL;
  if (batcher->log_spares == LOG_SPARES) {
    free_log(batch);
    return;
  }
  batch->next = batcher->log_spare;
  batcher->log_spare = batch;
  batcher->log_spares++;
}

static struct buffer *open_log(struct batcher *batcher) {
  if (batcher->open && batcher->open->bytes.len >= BATCHER_MAX_BYTES) batcher_close_log(batcher);
  if (!batcher->open) {
    batcher->open = new_log(batcher);
    batcher->open->number = ++batcher->log_number;
    append_header(batcher, &batcher->open->bytes, batcher->open->number);
  }
  return &batcher->open->bytes;
}

uint64_t batcher_append(struct batcher *batcher, struct batch_team *team, struct update *update) {
  update->team = (struct slice){team->name, team->name_len};
  batch_append_update(pending_live(batcher, team), open_log(batcher), update);
  return batcher->log_number;
}

uint64_t batcher_position(struct batcher *batcher, struct batch_team *team, struct slice worker,
                          const struct position *position, struct wire_reader bytes, int64_t received_at_us) {
  struct slice name = {team->name, team->name_len};
  batch_append_position(pending_live(batcher, team), open_log(batcher), name, worker, position, bytes, received_at_us);
  return batcher->log_number;
}

void batcher_wait(struct batcher *batcher, uint64_t number, struct batch_waiter waiter) {
  bool open = batcher->open && batcher->open->number == number;
  struct log_batch *batch = open ? batcher->open : batcher_find_log(batcher, number);
  if (batch->waiter_count == batch->waiter_capacity) {
    size_t capacity = batch->waiter_capacity ? batch->waiter_capacity * 2 : 16;
    struct batch_waiter *waiters = realloc(batch->waiters, capacity * sizeof *waiters);
    if (!waiters) abort();
    batch->waiters = waiters;
    batch->waiter_capacity = capacity;
  }
  batch->waiters[batch->waiter_count++] = waiter;
}

static void note_taken(struct batcher *batcher, struct batch_team *team, int64_t now_us) {
  team->pending = NULL;
  team->taken_us = now_us;
  team->tails = 0;
  if (team->recent) return;
  team->recent = true;
  team->next_recent = batcher->recent;
  batcher->recent = team;
}

struct live_batch *batcher_take_live(struct batcher *batcher, int64_t now_us) {
  struct live_batch *list = batcher->live_first;
  for (struct live_batch *batch = list; batch; batch = batch->next) {
    if (batch->team->pending) note_taken(batcher, batch->team, now_us);  // else it is a tail
  }
  batcher->live_first = NULL;
  batcher->live_last = &batcher->live_first;
  return list;
}

void batcher_add_tails(struct batcher *batcher, int64_t now_us) {
  for (struct batch_team **link = &batcher->recent; *link;) {
    struct batch_team *team = *link;
    if (!team->pending && now_us - team->taken_us >= BATCHER_TAIL_US[team->tails]) {
      add_live(batcher, team, team->number);
      team->tails++;
    }
    if (team->tails == BATCHER_TAILS) {
      team->recent = false;
      *link = team->next_recent;
    } else {
      link = &team->next_recent;
    }
  }
}

void batcher_return_live(struct batcher *batcher, struct live_batch *list) {
  while (list) {
    struct live_batch *next = list->next;
    list->next = batcher->live_spare;
    batcher->live_spare = list;
    list = next;
  }
}

void batcher_close_log(struct batcher *batcher) {
  struct log_batch *batch = batcher->open;
  if (!batch) return;
  batcher->open = NULL;
  *batcher->closed_last = batch;
  batcher->closed_last = &batch->next;
  batcher->closed_bytes += batch->bytes.len;
}

struct log_batch *batcher_first_log(struct batcher *batcher) {
  return batcher->closed_first;
}

struct log_batch *batcher_find_log(struct batcher *batcher, uint64_t number) {
  for (struct log_batch *batch = batcher->closed_first; batch; batch = batch->next) {
    if (batch->number == number) return batch;
  }
  return NULL;
}

void batcher_reap(struct batcher *batcher, batcher_done done, void *context) {
  struct log_batch *batch;
  while ((batch = batcher->closed_first) && batch->durable && !batch->lent) {
    batcher->closed_first = batch->next;
    if (!batcher->closed_first) batcher->closed_last = &batcher->closed_first;
    batcher->closed_bytes -= batch->bytes.len;
    done(context, batch);
    give_back(batcher, batch);
  }
}

uint64_t batcher_newest_log(const struct batcher *batcher) {
  return batcher->log_number;
}

uint64_t batcher_durable_log(const struct batcher *batcher) {
  if (batcher->closed_first) return batcher->closed_first->number - 1;
  return batcher->open ? batcher->open->number - 1 : batcher->log_number;
}

size_t batcher_backlog(const struct batcher *batcher) {
  return batcher->closed_bytes + (batcher->open ? batcher->open->bytes.len : 0);
}

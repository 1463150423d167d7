// Reading log messages into updates.
#include "collected.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

#define ROOM_KEPT 1000  // updates whose memory is kept, however few there are

static bool in_range(int64_t us) {
  return us >= 0 && us / STORE_DAY_US < STORE_DAYS;
}

// Why an update cannot be written, as far as we can tell; no tracker of ours publishes such. NULL: it may be good.
static const char *fault_of(const struct update *update) {
  if (update->team.len == 0) return "it has no team";
  bool good = in_range(update->received_at_us);
  if (update->has_position) good = good && in_range(update->position.taken_at_us);
  if (update->has_presence) good = good && in_range(update->presence.session_us) && in_range(update->presence.at_us);
  return good ? NULL : "a time is out of range";
}

// A place for one more update, which counts once update_count does.
static struct store_update *next_place(struct collected *batch) {
  if (batch->update_count == batch->update_capacity) {
    batch->update_capacity = batch->update_capacity ? batch->update_capacity * 2 : 256;
    batch->updates = realloc(batch->updates, batch->update_capacity * sizeof *batch->updates);
    if (!batch->updates) abort();
  }
  return &batch->updates[batch->update_count];
}

static void refuse(struct store_update *update, const char *fault) {
  update->refused = strdup(fault);
  if (!update->refused) abort();
  log_error("log_batch_bad", "sequence=%llu fault=\"%s\"", (unsigned long long)update->sequence, fault);
}

static void add_bad(struct collected *batch, struct slice tracker, struct slice bytes, const char *fault) {
  struct store_update *place = next_place(batch);
  *place = (struct store_update){.sequence = batch->sequence, .tracker = tracker, .bytes = bytes};
  refuse(place, fault);
  batch->update_count++;
}

static void look_up(struct collected *batch, struct known *known, struct store_update *update) {
  update->worker = known_worker(known, &update->update);
  batch->unknown |= update->worker->id == 0;
  if (!update->update.has_position) return;
  int64_t day = update->update.position.taken_at_us / STORE_DAY_US;
  if (day < batch->first_day) batch->first_day = day;
  if (day > batch->last_day) batch->last_day = day;
}

// The next update; false if it was the last one. *bad counts what cannot be written.
static bool add_next(struct collected *batch, struct known *known, struct batch_reader *reader, struct slice tracker,
                     size_t *bad) {
  const char *from = (const char *)reader->rest.at, *end = (const char *)reader->rest.end;
  struct store_update *place = next_place(batch);
  enum batch_status status = batch_next(reader, &place->update);
  if (status == BATCH_END) return false;
  if (status == BATCH_BAD) {
    add_bad(batch, tracker, (struct slice){from, (size_t)(end - from)}, "it is no update");
    ++*bad;
    return false;
  }
  place->sequence = batch->sequence;
  place->tracker = tracker;
  place->bytes = (struct slice){from, (size_t)((const char *)reader->rest.at - from)};
  place->refused = NULL;
  place->worker = NULL;
  const char *fault = fault_of(&place->update);
  if (fault) {
    refuse(place, fault);
    ++*bad;
  } else {
    look_up(batch, known, place);
  }
  batch->update_count++;
  return true;
}

void collected_init(struct collected *batch) {
  *batch = (struct collected){.messages = calloc(COLLECTED_MESSAGES, sizeof(natsMsg *))};
  if (!batch->messages) abort();
  collected_forget(batch);
}

void collected_fini(struct collected *batch) {
  free(batch->messages);
  free(batch->updates);
}

size_t collected_add(struct collected *batch, struct known *known, natsMsg *message, uint64_t sequence) {
  struct batch_reader reader;
  struct batch_header header;
  struct slice all = {natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)};
  size_t bad = 0;
  batch->sequence = sequence;
  batch->messages[batch->message_count++] = message;
  if (!batch_open(all.data, all.len, &reader, &header)) {
    add_bad(batch, (struct slice){0}, all, "it is no log batch");
    return 1;
  }
  while (add_next(batch, known, &reader, header.tracker, &bad)) continue;
  return bad;
}

void collected_forget(struct collected *batch) {
  for (size_t i = 0; i < batch->update_count; i++) free(batch->updates[i].refused);
  for (size_t i = 0; i < batch->message_count; i++) natsMsg_Destroy(batch->messages[i]);
  if (batch->update_capacity > ROOM_KEPT && batch->update_count < batch->update_capacity / 8) {  // no longer behind
    free(batch->updates);
    batch->updates = NULL;
    batch->update_capacity = 0;
  }
  batch->message_count = batch->update_count = 0;
  batch->first_day = STORE_DAYS;
  batch->last_day = -1;
  batch->unknown = false;
}

// The ring: entries that are done keep their place until all before them are done too.
#include "spool.h"

#include <stdlib.h>
#include <string.h>

#define SPOOL_FIRST_CAPACITY 16u

void spool_init(struct spool *spool, uint32_t most) {
  *spool = (struct spool){.most = most};
}

void spool_fini(struct spool *spool) {
  free(spool->entries);
  *spool = (struct spool){0};
}

struct spool_entry *spool_at(const struct spool *spool, uint64_t sequence) {
  return &spool->entries[sequence & (spool->capacity - 1)];
}

static void resize(struct spool *spool, uint32_t capacity) {
  struct spool_entry *entries = malloc(capacity * sizeof *entries);
  if (!entries) abort();
  for (uint64_t s = spool->first; s < spool->next; s++) entries[s & (capacity - 1)] = *spool_at(spool, s);
  free(spool->entries);
  spool->entries = entries;
  spool->capacity = capacity;
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static void drop_first(struct spool *spool) {
  spool->first++;
  spool->fresh = later(spool->fresh, spool->first);
  spool->backlog = later(spool->backlog, spool->first);
}

static void finish(struct spool *spool, struct spool_entry *entry) {
  entry->done = true;
  spool->waiting--;
  if (entry->report) spool->in_flight--;
}

// Lets go of what is done at the front, and of most of the memory that a long outage took.
static void trim(struct spool *spool) {
  while (spool->first < spool->next && spool_at(spool, spool->first)->done) drop_first(spool);
  if (spool->first == spool->next && spool->capacity > 4 * SPOOL_FIRST_CAPACITY) {
    free(spool->entries);
    spool->entries = NULL;
    spool->capacity = 0;
  }
}

bool spool_has_room(const struct spool *spool, uint32_t count) {
  return spool->next - spool->first + count <= spool->most;
}

bool spool_add(struct spool *spool, const struct position *position, int64_t planned_us,
               struct spool_entry *out_dropped) {
  bool drops = !spool_has_room(spool, 1);
  if (drops) {
    // The oldest is never done: trim would have let go of it.
    struct spool_entry *oldest = spool_at(spool, spool->first);
    *out_dropped = *oldest;
    finish(spool, oldest);
    trim(spool);
  }
  if (spool->next - spool->first == spool->capacity) {
    resize(spool, spool->capacity ? spool->capacity * 2 : SPOOL_FIRST_CAPACITY);
  }
  *spool_at(spool, spool->next++) = (struct spool_entry){.position = *position, .planned_us = planned_us};
  spool->waiting++;
  return drops;
}

void spool_rewind(struct spool *spool) {
  for (uint64_t s = spool->first; s < spool->next; s++) spool_at(spool, s)->report = 0;
  spool->in_flight = 0;
  spool->fresh = spool->next > spool->first ? spool->next - 1 : spool->next;
  spool->backlog = spool->first;
  spool->backlog_end = spool->fresh;
}

static uint32_t pick(const struct spool *spool, uint64_t *from, uint64_t end, uint32_t most) {
  while (*from < end && spool_at(spool, *from)->done) ++*from;
  uint32_t count = 0;
  while (count < most && *from + count < end && !spool_at(spool, *from + count)->done) count++;
  return count;
}

uint32_t spool_pick(struct spool *spool, uint32_t most, uint32_t window, uint64_t *out_sequence) {
  uint32_t count = pick(spool, &spool->fresh, spool->next, most);
  *out_sequence = spool->fresh;
  if (count > 0 || spool->in_flight >= window) return count;
  if (most > window - spool->in_flight) most = window - spool->in_flight;
  count = pick(spool, &spool->backlog, spool->backlog_end, most);
  *out_sequence = spool->backlog;
  return count;
}

void spool_sent(struct spool *spool, uint64_t sequence, uint32_t count, uint32_t report) {
  for (uint32_t i = 0; i < count; i++) {
    struct spool_entry *entry = spool_at(spool, sequence + i);
    entry->report = report;
    entry->index = (uint16_t)i;
    entry->ever_sent = true;
  }
  spool->in_flight += count;
  *(sequence == spool->fresh ? &spool->fresh : &spool->backlog) += count;
}

bool spool_unsent(const struct spool *spool) {
  return spool->waiting > spool->in_flight;
}

void spool_ack(struct spool *spool, uint32_t report, void (*acked)(void *context, const struct spool_entry *entry),
               void *context) {
  for (uint64_t s = spool->first; s < spool->next && spool->in_flight > 0; s++) {
    struct spool_entry *entry = spool_at(spool, s);
    if (entry->done || entry->report == 0 || entry->report > report) continue;
    finish(spool, entry);
    acked(context, entry);
  }
  trim(spool);
}

bool spool_refuse(struct spool *spool, uint32_t report, uint32_t index, struct spool_entry *out_entry) {
  for (uint64_t s = spool->first; s < spool->next; s++) {
    struct spool_entry *entry = spool_at(spool, s);
    if (entry->done || entry->report == 0 || entry->report != report || entry->index != index) continue;
    *out_entry = *entry;
    finish(spool, entry);
    trim(spool);
    return true;
  }
  return false;
}

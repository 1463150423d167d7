// A small array, searched from the front: a gateway hears a few tens of trackers at most.
#include "numbers.h"

#include <stdlib.h>
#include <string.h>

void numbers_fini(struct numbers *numbers) {
  free(numbers->entries);
  *numbers = (struct numbers){0};
}

static struct numbers_entry *find(const struct numbers *numbers, struct slice tracker) {
  for (uint32_t i = 0; i < numbers->count; i++) {
    struct numbers_entry *e = &numbers->entries[i];
    if (e->tracker_len == tracker.len && memcmp(e->tracker, tracker.data, tracker.len) == 0) return e;
  }
  return NULL;
}

static struct numbers_entry *make_room(struct numbers *numbers) {
  if (numbers->count < NUMBERS_TRACKERS) {
    numbers->entries = realloc(numbers->entries, (numbers->count + 1) * sizeof *numbers->entries);
    if (!numbers->entries) abort();
    return &numbers->entries[numbers->count++];
  }
  struct numbers_entry *oldest = numbers->entries;
  for (uint32_t i = 1; i < numbers->count; i++) {
    if (numbers->entries[i].used < oldest->used) oldest = &numbers->entries[i];
  }
  return oldest;
}

enum numbers_status numbers_take(struct numbers *numbers, const struct batch_header *header, bool repeats) {
  if (header->number == 0) return NUMBERS_NEXT;  // words of no process: the recorder's, about trackers that died
  struct numbers_entry *e = find(numbers, header->tracker);
  enum numbers_status status = NUMBERS_NEXT;
  if (!e) {
    e = make_room(numbers);
    *e = (struct numbers_entry){.tracker_len = (uint8_t)header->tracker.len};
    memcpy(e->tracker, header->tracker.data, header->tracker.len);
  } else if (header->started_at_us < e->started_at_us) {
    return NUMBERS_AGAIN;  // a late word of a process that was replaced
  } else {
    uint64_t heard = header->started_at_us == e->started_at_us ? e->number : 0;
    if (header->number <= heard) return NUMBERS_AGAIN;
    if (repeats || header->number != heard + 1) status = NUMBERS_GAP;
  }
  e->started_at_us = header->started_at_us;
  e->number = header->number;
  e->used = ++numbers->uses;
  return status;
}

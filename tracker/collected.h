// What was collected from the log, to be written in one transaction: messages, and the updates in them, which point
// into the messages. The recorder's thread.
#ifndef MUSTER_COLLECTED_H
#define MUSTER_COLLECTED_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "known.h"
#include "store.h"

#define COLLECTED_MESSAGES 16384  // the most

struct collected {
  natsMsg **messages;
  size_t message_count;
  struct store_update *updates;
  size_t update_count, update_capacity;
  uint64_t sequence;            // of the last message
  int64_t first_day, last_day;  // of the positions
  bool unknown;                 // there is a worker whose id was not known
};

void collected_init(struct collected *batch);
void collected_fini(struct collected *batch);  // one that was forgotten
// Takes a message over; there must be room for it. Returns how many updates in it cannot be written: they are there
// too, each with the reason.
size_t collected_add(struct collected *batch, struct known *known, natsMsg *message, uint64_t sequence);
// Begins anew; the sequence stays.
void collected_forget(struct collected *batch);

#endif

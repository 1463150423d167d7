// Two marks: the oldest batch that is waited for, and the newest.
#include "ack.h"

void ack_note(struct ack *ack, uint64_t report, uint64_t batch) {
  ack->received = report;
  if (ack->mark_count == 0) {
    if (batch == 0) {  // nothing to wait for
      ack->durable = report;
      return;
    }
    ack->mark_count = 1;
  } else {
    uint64_t newest = ack->marks[ack->mark_count - 1].batch;
    if (batch < newest) batch = newest;  // cumulative: not before the ones before
    if (batch > newest && ack->mark_count == 1) ack->mark_count = 2;
  }
  ack->marks[ack->mark_count - 1].report = report;
  ack->marks[ack->mark_count - 1].batch = batch;
}

bool ack_advance(struct ack *ack, uint64_t durable_batch) {
  while (ack->mark_count > 0 && ack->marks[0].batch <= durable_batch) {
    ack->durable = ack->marks[0].report;
    ack->marks[0] = ack->marks[1];
    ack->mark_count--;
  }
  return ack->durable > ack->sent;
}

uint64_t ack_newest_batch(const struct ack *ack) {
  return ack->mark_count ? ack->marks[ack->mark_count - 1].batch : 0;
}

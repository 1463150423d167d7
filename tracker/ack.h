// Which reports of a connection may be acked: reports go into log batches, log batches become durable, and an Ack is
// cumulative. Two marks are enough, because merging a mark into a later one only makes the Ack later, never wrong.
// Pure; owned by the session.
#ifndef MUSTER_ACK_H
#define MUSTER_ACK_H

#include <stdbool.h>
#include <stdint.h>

struct ack {
  uint64_t received;  // greatest report number that was noted
  uint64_t durable;   // every report up to here is durable or was refused
  uint64_t sent;      // the last Ack that went out
  struct {
    uint64_t report, batch;
  } marks[2];
  uint32_t mark_count;
};

// The positions of `report` (greater than all before) are in log batches up to `batch`; 0 if none of them was taken.
void ack_note(struct ack *ack, uint64_t report, uint64_t batch);

// All log batches up to `durable_batch` are durable. True if an Ack of ack->durable would say something new.
bool ack_advance(struct ack *ack, uint64_t durable_batch);

// The log batch that the newest report waits for; 0 if it waits for none.
uint64_t ack_newest_batch(const struct ack *ack);

#endif

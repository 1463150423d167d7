// What a device has taken and no tracker has acked yet: a bounded ring, oldest first, that also says what to send next.
// Full, it drops the oldest. Pure; owned by its device.
//
// Entries are named by a sequence number that only grows. After a reconnect everything counts as unsent, and the newest
// is sent first, then what is new, and in between the backlog, oldest first.
#ifndef MUSTER_SPOOL_H
#define MUSTER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "position.h"

struct spool_entry {
  struct position position;
  int64_t planned_us;  // when it was to be sent; the device's clock
  uint32_t report;     // the report that carried it on this connection; 0: not sent yet
  uint16_t index;      // its place in that report
  bool ever_sent;      // on this connection or an earlier one
  bool done;           // acked or refused; goes when it is the oldest
};

struct spool {
  struct spool_entry *entries;
  uint32_t capacity;  // a power of two, or 0
  uint32_t most;
  uint32_t waiting;    // entries that are not done
  uint32_t in_flight;  // of them, those sent on this connection
  uint64_t first, next;
  uint64_t fresh;                 // the next to send of what is new
  uint64_t backlog, backlog_end;  // the next to send of what is old
};

// most: the greatest number of positions kept, at least 1.
void spool_init(struct spool *spool, uint32_t most);
void spool_fini(struct spool *spool);

// Appends a position. True if that pushed out the oldest, which is then in out_dropped.
bool spool_add(struct spool *spool, const struct position *position, int64_t planned_us,
               struct spool_entry *out_dropped);

// True if `count` more can be added without dropping any.
bool spool_has_room(const struct spool *spool, uint32_t count);

struct spool_entry *spool_at(const struct spool *spool, uint64_t sequence);

// A new connection: nothing is sent yet.
void spool_rewind(struct spool *spool);

// The next run of unsent entries, at most `most`: returns how many, and where it begins in out_sequence. Entries of the
// backlog are given only while fewer than `window` are in flight.
uint32_t spool_pick(struct spool *spool, uint32_t most, uint32_t window, uint64_t *out_sequence);
// Marks that run as sent in a report.
void spool_sent(struct spool *spool, uint64_t sequence, uint32_t count, uint32_t report);
// True if anything has not been sent on this connection.
bool spool_unsent(const struct spool *spool);

// Takes out all that was sent in reports up to this one, calling back for each.
void spool_ack(struct spool *spool, uint32_t report, void (*acked)(void *context, const struct spool_entry *entry),
               void *context);

// Takes out one; false if it is not there.
bool spool_refuse(struct spool *spool, uint32_t report, uint32_t index, struct spool_entry *out_entry);

#endif

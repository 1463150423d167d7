// What a run counts. Plain numbers, written by the loop's thread and read by the report.
#ifndef MUSTER_TOTALS_H
#define MUSTER_TOTALS_H

#include <stdint.h>

#include "device_message.h"
#include "hist.h"
#include "position.h"

// Positions: taken = acked + refused + dropped + what is still kept.
struct device_totals {
  uint64_t taken;   // handed to devices
  uint64_t sent;    // of them, sent at least once
  uint64_t resent;  // sent again, after a reconnect or on purpose
  uint64_t wanted;  // sent, times the viewers of their team: what would be delivered if no frame ever left any out
  uint64_t acked;
  uint64_t refused[POSITION_FAULTS];  // by reason; [0]: a reason that is not known
  uint64_t dropped;                   // pushed out of a full spool …
  uint64_t dropped_sent;              // … after they had been sent
  int64_t first_us, last_us;          // taken_at of those sent: the least and the greatest; 0: none was
  uint64_t sessions, reconnects;      // Welcomes; of them, those of a worker that had been welcomed before
  uint64_t errors[TRACKER_ERROR_CODES];
  struct hist ack;       // from the planned time of a position to its ack
  struct hist lateness;  // from the planned time of a position to its being taken
};

struct viewer_totals {
  uint64_t connects, connect_failures, reconnects;
  uint64_t errors;  // answers that are no stream, and streams that broke the rules
  uint64_t snapshots, deltas, heartbeats, stales, byes;
  uint64_t bytes;          // that came on their connections
  uint64_t rows;           // of snapshots and deltas
  uint64_t snapshot_rows;  // of snapshots
  uint64_t positions;      // of the rows, those newer than what the view had, and taken in this run
  uint64_t left;           // workers that deltas told had left the bbox
  uint64_t backward;       // rows of deltas older than what the view had
  uint64_t outside;        // rows that are not in the bbox, and workers that left without having been in it
  struct hist view;        // from taken_at to the viewer, of the rows of deltas of viewers that are not slow
};

#endif

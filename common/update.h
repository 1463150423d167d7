// Updates, and the two kinds of batch that carry them (proto/team.proto): the live TeamBatch and the durable LogBatch,
// which have the same wire form. An update's bytes are the same in both but for the team at its end, so a tracker
// encodes once and appends twice. Pure; any thread.
#ifndef MUSTER_UPDATE_H
#define MUSTER_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "ident.h"
#include "position.h"
#include "wire.h"

// Text inside somebody else's bytes; not ended by NUL.
struct slice {
  const char *data;
  size_t len;
};

struct presence {
  bool online;
  int64_t session_us;  // the session's start and identity
  int64_t at_us;
  struct slice reason;  // offline only
  uint64_t reports;     // offline only
};

struct update {
  struct slice team;  // empty in a TeamBatch
  struct slice worker;
  int64_t received_at_us;
  bool has_position;
  bool has_presence;
  struct position position;
  struct presence presence;
};

struct batch_header {
  struct slice tracker;
  int64_t started_at_us;
  uint64_t number;
};

// Appends the header of a batch; updates follow. The tracker's name is a valid id.
void batch_append_header(struct buffer *buffer, const struct batch_header *header);
// The same in two parts, for who begins many: what is the same in all (into out, BATCH_ORIGIN_BYTES; returns its
// length), and the number.
#define BATCH_ORIGIN_BYTES (IDENT_MAX_BYTES + 11)
size_t batch_encode_origin(uint8_t *out, struct slice tracker, int64_t started_at_us);
void batch_append_number(struct buffer *buffer, const uint8_t *origin, size_t origin_len, uint64_t number);

// Appends one update to a live batch and to a log batch, either of which may be NULL. Both ids are valid ids, and a
// reason has at most UPDATE_REASON_BYTES.
#define UPDATE_REASON_BYTES 64
void batch_append_update(struct buffer *live, struct buffer *log, const struct update *update);

// The same of a worker's position, which was read from `bytes`: they are passed on as they came. If they are more than
// a position of ours can take, or none are given, it is encoded anew.
void batch_append_position(struct buffer *live, struct buffer *log, struct slice team, struct slice worker,
                           const struct position *position, struct wire_reader bytes, int64_t received_at_us);

// Reads a batch: first the header, then update after update. The header must come before the updates, as
// batch_append_header writes it. `bytes` must outlive header and updates, which point into them.
struct batch_reader {
  struct wire_reader rest;
};
enum batch_status { BATCH_UPDATE, BATCH_END, BATCH_BAD };
bool batch_open(const void *bytes, size_t len, struct batch_reader *out_reader, struct batch_header *out_header)
    __attribute__((warn_unused_result));
// BATCH_BAD also for an update whose worker or team is no id (an empty team is none given).
enum batch_status batch_next(struct batch_reader *reader, struct update *out_update)
    __attribute__((warn_unused_result));

#endif

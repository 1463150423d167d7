// An event of a live view (docs/http-api.md), whichever protocol brought it, and what it says of a worker.
#ifndef MUSTER_WATCH_EVENT_H
#define MUSTER_WATCH_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum watch_protocol {
  WATCH_SSE,       // /stream
  WATCH_JSON,      // /socket with muster.v1.json
  WATCH_PROTOBUF,  // /socket with muster.v1.protobuf
  WATCH_PROTOCOLS,
};

// As --view-protocol spells it.
static inline const char *watch_protocol_name(enum watch_protocol protocol) {
  return protocol == WATCH_SSE ? "sse" : protocol == WATCH_JSON ? "json" : "protobuf";
}

enum watch_kind {
  WATCH_OTHER,  // one that we do not know
  WATCH_SNAPSHOT,
  WATCH_DELTA,
  WATCH_HEARTBEAT,
  WATCH_STALE,
  WATCH_BYE,
  WATCH_ERROR,
  WATCH_BAD,  // none at all: the gateway breaks its rules
};

struct watch_event {
  enum watch_protocol protocol;
  enum watch_kind kind;
  const uint8_t *data;  // a JSON object; in WATCH_PROTOBUF the message of that kind
  size_t len;
};

#define WATCH_NO_NUMBER UINT32_MAX

struct watch_row {
  const char *worker;  // points into the event; NULL if the row has its number only
  size_t worker_len;
  uint32_t number;    // in protobuf; WATCH_NO_NUMBER else
  bool left;          // it is outside the bbox now; the rest is unset
  bool has_position;  // in protobuf, its values count from the snapshot's base
  bool online;
  int64_t taken_at_us, latitude_e7, longitude_e7;
};

struct watch_base {
  int64_t taken_at_us, latitude_e7, longitude_e7;
};

#endif

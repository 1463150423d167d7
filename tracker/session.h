// A device's session: the protocol's state machine (docs/protocol.md). Bytes and time come in, orders go out through
// the callbacks of its host. It knows nothing of sockets, NATS or other sessions. Pure; the tracker's loop.
#ifndef MUSTER_SESSION_H
#define MUSTER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ack.h"
#include "message.h"
#include "position.h"

struct session;

// What every session of a tracker shares. The host outlives its sessions.
struct session_host {
  Muster__Limits limits;
  uint32_t ack_reports;  // ack after so many reports …
  int64_t ack_delay_us;  // … or so long after the first that is not acked
  int64_t oldest_us;     // positions before are too old; kept up to date by the host
  struct report report;  // the one at hand; the host ends with report_fini

  // Checks the token, which Hello has, and makes the worker known; false: refuse with *out_code. Called once, on Hello.
  bool (*open)(struct session *session, const Muster__Hello *hello, Muster__ErrorCode *out_code, const char **out_text);
  // A good position came; returns the number of the log batch that it is in.
  uint64_t (*position)(struct session *session, const struct reported *reported, int64_t now_us);
  // Tell this session (session_durable) when this log batch is durable.
  void (*wait)(struct session *session, uint64_t batch);
  void (*send)(struct session *session, const uint8_t *bytes, size_t len);
  void (*refused)(struct session *session, enum position_fault fault);  // for counting
  void (*failed)(struct session *session, Muster__ErrorCode code);      // an Error was sent
  uint64_t (*durable)(struct session *session);                         // log batches up to this are durable
};

// Embedded in the host's connection.
struct session {
  struct session_host *host;
  bool open;                 // Hello was taken
  bool over;                 // an Error or GoAway was sent, or the host ended the connection: nothing more is read
  int64_t session_us;        // its start and identity: greater than that of the worker's sessions before
  int64_t unacked_since_us;  // receive time of the first report that is not acked; 0 if there is none
  uint64_t reports;
  uint64_t waiting_for;  // the newest log batch that `wait` was called for
  struct ack ack;
};

void session_init(struct session *session, struct session_host *host);

// Takes whole frames from the front of bytes; returns how many bytes were used. now_us: wall time. Stops early when the
// session is over, which it also is once any callback has called session_end.
size_t session_receive(struct session *session, const uint8_t *bytes, size_t len, int64_t now_us);

// A log batch waited for is durable: acks.
void session_durable(struct session *session);

// Called every second or so: acks what has waited too long.
void session_tick(struct session *session, int64_t now_us);

// Ends the session without a word, because its connection has ended. Also from within a callback.
void session_end(struct session *session);

// Ends the session with an Error, or a GoAway, to the device.
void session_fail(struct session *session, Muster__ErrorCode code, const char *text);
void session_go_away(struct session *session, const char *reason, uint32_t retry_after_ms);

#endif

// The fan-out: one thread with a libuv loop that owns all channels, viewers and frames. Every other thread talks to it
// through its mailbox; nothing here waits for a socket, for NATS or for Postgres.
//
// Boot order: fanout_new, fanout_start, …, fanout_drain, fanout_stop (joins the thread), fanout_free.
#ifndef MUSTER_FANOUT_H
#define MUSTER_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "arrival.h"
#include "gateway_metrics.h"
#include "mailbox.h"
#include "team.h"
#include "token_guard.h"

struct fanout;

// Where the fan-out asks for a team, from its own thread; both only queue the wish and never wait.
struct fanout_needs {
  void *context;
  // Join this team (again): subscribe, load, replay, then fanout_merge with the same ticket. The newest ticket counts.
  void (*join)(void *context, const char *team, uint64_t ticket);
  // Nobody looks at it any more.
  void (*leave)(void *context, const char *team);
};

struct fanout_options {
  unsigned linger_ms, stall_ms, stale_after_ms;
  struct gateway_metrics *metrics;
  const struct token_guard *guard;  // NULL: views do not end with their tokens
  struct fanout_needs needs;
};

enum merge_kind {
  MERGE_MORE,      // something that came later
  MERGE_WHOLE,     // the answer to the wish that the ticket names, or to the join thread's own (0)
  MERGE_FROM_LOG,  // the same without Postgres: what the log no longer has may be missing
};

// A live batch of a team. Whoever posts it owns the bytes; release is called on the fan-out's thread once it is merged.
struct live_batch {
  struct letter letter;  // the fan-out's
  uint8_t kind;          // the fan-out's
  const void *bytes;
  size_t len;
  char team[IDENT_MAX_BYTES + 1];
  void (*release)(struct live_batch *batch);
};

struct fanout *fanout_new(const struct fanout_options *options);
bool fanout_start(struct fanout *fanout) __attribute__((warn_unused_result));

// ---- any thread ----

// Takes over a new viewer.
void fanout_attach(struct fanout *fanout, const struct arrival *arrival);
void fanout_batch(struct fanout *fanout, struct live_batch *batch);
// Takes over `state` (may be NULL) and merges it.
void fanout_merge(struct fanout *fanout, struct team *state, uint64_t ticket, enum merge_kind kind, const char *team);
// NATS is connected, or it is gone.
void fanout_link(struct fanout *fanout, bool connected);
// Something live was, or may have been, lost: all teams are joined again.
void fanout_heal(struct fanout *fanout, enum heal_reason reason);
// The same of one team.
void fanout_heal_team(struct fanout *fanout, const char *team, enum heal_reason reason);
// A copy of a team's state if it is held here and live, else NULL; the caller frees it. *out_partial: it was joined
// without Postgres and may lack something. Waits for the loop.
struct team *fanout_copy(struct fanout *fanout, const char *team, bool *out_partial);
// Whether a new viewer of this team would get its state at once. Waits for the loop.
bool fanout_holds(struct fanout *fanout, const char *team);
// Says bye to all viewers and closes them; later ones are closed at once. Waits until that is done.
void fanout_drain(struct fanout *fanout);

void fanout_stop(struct fanout *fanout);  // no other thread may post any more
void fanout_free(struct fanout *fanout);

#endif

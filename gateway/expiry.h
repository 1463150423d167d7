// Ends views whose tokens have expired or were revoked. Once a second each lane is looked at, and its viewers only if
// the first of their tokens has expired, or something was revoked since. Fan-out thread only.
#ifndef MUSTER_EXPIRY_H
#define MUSTER_EXPIRY_H

#include "lane.h"
#include "token_guard.h"

struct expiry {
  const struct token_guard *guard;  // NULL: nobody's token ends
  uint64_t looked, version;         // revoked_version: that all viewers were looked at for; of this round
  int64_t now_s;
  struct view_event expired, revoked;  // what they are told; made in the round that needs it
};

// A round: begin, look at every lane, end.
void expiry_begin(struct expiry *expiry, int64_t now_s);
void expiry_look(struct expiry *expiry, struct lane *lane);
void expiry_end(struct expiry *expiry);

// Whether somebody who arrives may stay: a token may have been revoked on the way from the thread that has checked it.
bool expiry_admits(const struct expiry *expiry, const struct token_stamp *stamp, int64_t now_s);

#endif

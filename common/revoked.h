// What is revoked, as far as this process has heard: single tokens by their jti, and all tokens of a holder that were
// issued up to a time. Known by 64 bits of a hash: should two names ever share them, a good token is refused, never a
// revoked one taken. It only grows, but for what has expired by itself. Any thread.
#ifndef MUSTER_REVOKED_H
#define MUSTER_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token.h"

#define REVOCATION_REASON_BYTES 128

struct revocation {
  char id[IDENT_MAX_BYTES + 1];     // a jti; "": of a holder
  char holder[TOKEN_HOLDER_BYTES];  // as token_holder has it; "": of a jti
  int64_t issued_until_s;           // of a holder: tokens issued then or before, and those that do not say when
  int64_t until_s;                  // no such token is valid then any more, so it can be forgotten; 0: never
  int64_t at_us;                    // when it was revoked
  char reason[REVOCATION_REASON_BYTES];
};

struct revoked;

struct revoked *revoked_new(void);
void revoked_free(struct revoked *revoked);

void revoked_add(struct revoked *revoked, const struct revocation *revocation);
// Forgets what has expired by itself.
void revoked_tidy(struct revoked *revoked, int64_t now_s);
// All that was revoked up to some moment is in it. Until then nobody can tell whether a token is good.
void revoked_set_known(struct revoked *revoked);

bool revoked_known(struct revoked *revoked);
bool revoked_has(struct revoked *revoked, const struct token_stamp *stamp);
size_t revoked_count(struct revoked *revoked);
// Grows with everything added: while it is the same, whoever was looked at need not be looked at again.
uint64_t revoked_version(struct revoked *revoked);

#endif

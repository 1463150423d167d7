// Tokens: JWTs signed with HS256, RS256 or ES256 by one of the keys in token_keys.h. docs/http-api.md tells the claims.
// What is checked here is the token alone; token_guard.h adds what is revoked. Any thread.
#ifndef MUSTER_TOKEN_H
#define MUSTER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"
#include "token_keys.h"

enum token_role {
  TOKEN_WORKER,
  TOKEN_MANAGER,
  TOKEN_ADMIN,
  TOKEN_VIEWER,  // whoever has a share link: looks at one team, or at one worker of it, and does nothing else
};

// Who a token speaks for.
struct token {
  char subject[IDENT_MAX_BYTES + 1];  // a worker's id for role worker; else free, cut to fit
  char id[IDENT_MAX_BYTES + 1];       // jti, by which it alone can be revoked; "": none
  char worker[IDENT_MAX_BYTES + 1];   // the only one that a viewer may see; "": all of the team
  enum token_role role;
  int64_t expires_s;     // Unix time, as all times here
  int64_t issued_s;      // 0: it does not say
  int64_t not_before_s;  // 0: it does not say
  size_t team_count;
  char (*teams)[IDENT_MAX_BYTES + 1];
};

enum token_status {
  TOKEN_OK,
  TOKEN_MALFORMED,  // no JWT, a missing or impossible claim, or an id that is none
  TOKEN_SIGNATURE,  // of another algorithm, or not signed with our key of that kid
  TOKEN_EXPIRED,
  TOKEN_EARLY,    // not valid yet
  TOKEN_REVOKED,  // token_guard.h only
  TOKEN_UNKNOWN,  // token_guard.h only: what is revoked has not been heard yet
};
#define TOKEN_STATUSES 7

#define TOKEN_MAX_BYTES 8192
// Clocks differ: a token counts from so long before its nbf, to so long after its exp. The second is the shorter one
// because what a token has opened has to end within 5 s of exp.
#define TOKEN_EARLY_S 5
#define TOKEN_LATE_S 2

// Checks a token (text_len bytes, no NUL needed) at time now_s. On TOKEN_OK, token_fini frees what out_token holds. A
// worker's token has exactly one team and a valid id as its subject; a viewer's has one team.
enum token_status token_verify(struct token_keys *keys, const char *text, size_t text_len, int64_t now_s,
                               struct token *out_token) __attribute__((warn_unused_result));
void token_fini(struct token *token);

// Reads a token's claims whoever has signed it, for people to look at; only TOKEN_OK and TOKEN_MALFORMED.
enum token_status token_read(const char *text, size_t text_len, struct token *out_token)
    __attribute__((warn_unused_result));
// Its header or claims as JSON; the caller frees it. NULL if it is malformed.
char *token_json(const char *text, size_t text_len, bool header);

// True if the token names this team; an admin's speaks for every team.
bool token_names_team(const struct token *token, const char *team);
bool token_may_see(const struct token *token, const char *team);
// Of a team that it may see.
bool token_may_see_worker(const struct token *token, const char *worker);

// What token_guard.h needs to know of a token that has opened something. Small: there is one for each device and
// viewer.
struct token_stamp {
  int64_t expires_s, issued_s;
  uint64_t id, holder;  // digests; id 0: it has none
};
struct token_stamp token_stamp_of(const struct token *token);
// The name by which all of a holder's tokens are revoked: "team/worker" of a worker, else the subject.
#define TOKEN_HOLDER_BYTES (2 * IDENT_MAX_BYTES + 2)
void token_holder(const struct token *token, char out[TOKEN_HOLDER_BYTES]);
uint64_t token_hash(const char *name, size_t len);

// Whether a token may be used at now_s: TOKEN_OK, TOKEN_EXPIRED or TOKEN_EARLY.
enum token_status token_time_status(int64_t not_before_s, int64_t expires_s, int64_t now_s);

// ---- signing ----

struct token_signer {
  enum token_algorithm algorithm;
  const char *kid;  // "" for none
  const char *key;  // the secret of HS256; else a private key as PEM
};
struct token_order {
  const char *subject, *id;  // id: "" for none
  enum token_role role;
  const char *const *teams;  // valid ids
  size_t team_count;
  int64_t issued_s, not_before_s, expires_s;  // not_before_s: 0 for none
  const char *worker;                         // of a viewer: the only one that it may see; NULL for all
};

// The token is the caller's to free. NULL if the key is not one of the algorithm, or memory or libjwt fails.
char *token_sign(const struct token_signer *signer, const struct token_order *order);
// The same by HS256 without a kid, valid from now on.
char *token_mint(const char *key, const char *subject, enum token_role role, const char *const *teams,
                 size_t team_count, int64_t now_s, int64_t expires_s);

const char *token_status_text(enum token_status status);
const char *token_status_code(enum token_status status);  // "token_expired", …; docs/http-api.md
const char *token_role_name(enum token_role role);

#endif

// Tokens: JWT signed with HS256, checked and minted with libjwt. docs/http-api.md tells the claims. Any thread.
#ifndef MUSTER_TOKEN_H
#define MUSTER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

enum token_role { TOKEN_WORKER, TOKEN_MANAGER, TOKEN_ADMIN };

// Who a token speaks for.
struct token {
  char subject[IDENT_MAX_BYTES + 1];  // a worker's id for role worker; else free, cut to fit
  enum token_role role;
  int64_t expires_s;  // Unix time
  size_t team_count;
  char (*teams)[IDENT_MAX_BYTES + 1];
};

enum token_status {
  TOKEN_OK,
  TOKEN_MALFORMED,  // no JWT, a missing or impossible claim, or an id that is none
  TOKEN_SIGNATURE,  // not HS256, or not signed with this key
  TOKEN_EXPIRED,
};

#define TOKEN_MAX_BYTES 8192
#define TOKEN_KEY_MIN_BYTES 32  // RFC 7518 3.2: a key as long as the hash, at least

// Checks a token (text_len bytes, no NUL needed) against the key at time now_s. On TOKEN_OK, token_fini frees what
// out_token holds. A worker's token has exactly one team and a valid id as its subject.
enum token_status token_verify(const char *key, const char *text, size_t text_len, int64_t now_s,
                               struct token *out_token) __attribute__((warn_unused_result));
void token_fini(struct token *token);

// True if the token names this team; an admin's speaks for every team.
bool token_names_team(const struct token *token, const char *team);
bool token_may_see(const struct token *token, const char *team);

// Signs a token; the result is the caller's to free. NULL only if memory or libjwt fails. teams: team_count valid ids.
char *token_mint(const char *key, const char *subject, enum token_role role, const char *const *teams,
                 size_t team_count, int64_t now_s, int64_t expires_s);

const char *token_status_text(enum token_status status);

#endif

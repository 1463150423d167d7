// Whether a token is good: its signature, its times, and that it is not revoked. What every door of ours asks, when
// somebody comes, and again as long as they stay. Any thread.
#ifndef MUSTER_TOKEN_GUARD_H
#define MUSTER_TOKEN_GUARD_H

#include "revoked.h"
#include "token.h"
#include "token_keys.h"

struct token_guard {
  struct token_keys *keys;
  struct revoked *revoked;
};

// With keys as token_keys_new takes them, and nothing revoked that is known of. False with what is wrong with the keys.
bool token_guard_open(struct token_guard *guard, const char *plain, const char *path,
                      char out_fault[TOKEN_KEYS_FAULT_BYTES]) __attribute__((warn_unused_result));
void token_guard_close(struct token_guard *guard);
// Reads the keys again, and logs whether those are in force now, or still the old ones.
void token_guard_reload(const struct token_guard *guard);

// As token_verify, and TOKEN_REVOKED, or TOKEN_UNKNOWN as long as it cannot be told: somebody is then asked to come
// again, and nobody is let in who should not be.
enum token_status token_guard_admit(const struct token_guard *guard, const char *text, size_t text_len, int64_t now_s,
                                    struct token *out_token) __attribute__((warn_unused_result));

// Of somebody who was let in: TOKEN_OK, TOKEN_EXPIRED or TOKEN_REVOKED. What is revoked is not looked for if `looked`
// (a revoked_version) says that it was before; cheap enough then to be asked of everybody once a second.
enum token_status token_guard_look(const struct token_guard *guard, const struct token_stamp *stamp, int64_t now_s,
                                   uint64_t looked) __attribute__((warn_unused_result));

#endif

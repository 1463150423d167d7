// One key that tokens are signed with: it knows its algorithm, and signs and checks by no other. For RS256 and ES256 it
// is the public half only. Immutable once made; any thread.
#ifndef MUSTER_TOKEN_KEY_H
#define MUSTER_TOKEN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

enum token_algorithm { TOKEN_HS256, TOKEN_RS256, TOKEN_ES256 };
#define TOKEN_ALGORITHMS 3

#define TOKEN_KEY_MIN_BYTES 32  // of HS256: RFC 7518 3.2, a key as long as the hash, at least
#define TOKEN_RSA_MIN_BITS 2048
#define TOKEN_RSA_MAX_BITS 4096  // checking takes time and stack, and both are the servers'
#define TOKEN_SIGNATURE_MAX_BYTES (TOKEN_RSA_MAX_BITS / 8)

struct token_key;

// kid: an id, or "" for a key that tokens name by no kid. bytes: the secret of HS256, without NUL; else a public key as
// PEM. NULL with what is wrong in *out_fault, which never has a part of the key.
struct token_key *token_key_new(enum token_algorithm algorithm, const char *kid, const char *bytes, size_t len,
                                const char **out_fault) __attribute__((warn_unused_result));
void token_key_free(struct token_key *key);

enum token_algorithm token_key_algorithm(const struct token_key *key);
const char *token_key_kid(const struct token_key *key);
// The secret of HS256, without a NUL; NULL of a public key.
const char *token_key_secret(const struct token_key *key, size_t *out_len);

// True if the signature, as RFC 7518 3.2 to 3.4 has it, is this key's for the text.
bool token_key_verifies(const struct token_key *key, const char *text, size_t text_len, const uint8_t *signature,
                        size_t signature_len) __attribute__((warn_unused_result));

const char *token_algorithm_name(enum token_algorithm algorithm);  // "HS256", …
bool token_algorithm_parse(const char *text, enum token_algorithm *out) __attribute__((warn_unused_result));

// A name (a jti, a token's holder) as 16 bytes of its SHA-256: for subjects and tables, and not to be forged.
#define TOKEN_DIGEST_BYTES 16
void token_digest(const char *name, size_t len, uint8_t out[TOKEN_DIGEST_BYTES]);

#endif

// The keys that tokens are checked with, by kid, from a folder; read anew without stopping anybody. Any thread: who
// checks a token works on the keys as they were when it began.
//
// In the folder each file is a key. Its name is KID.ALGORITHM, as 2026-11.es256, with .pem at its end or not; without a
// kid, .hs256, it would be hidden, so that one is named no-kid.hs256. Hidden files are passed over (an orchestrator's
// mount has some); any other name is a fault, so that none is taken for a key that is in force.
#ifndef MUSTER_TOKEN_KEYS_H
#define MUSTER_TOKEN_KEYS_H

#include "token_key.h"

struct token_keys;

#define TOKEN_KEYS_MAX 64
#define TOKEN_KEYS_NO_KID "no-kid"
#define TOKEN_KEYS_FAULT_BYTES 256

// plain: a secret of HS256 without a kid, "" for none. path: the folder, or the file of a single key, "" for none. NULL
// with what is wrong, if there is no key, or one is not good.
struct token_keys *token_keys_new(const char *plain, const char *path, char out_fault[TOKEN_KEYS_FAULT_BYTES])
    __attribute__((warn_unused_result));
void token_keys_free(struct token_keys *keys);

// Reads the folder again. If anything in it is wrong, all stays as it was: false with what is wrong.
bool token_keys_reload(struct token_keys *keys, char out_fault[TOKEN_KEYS_FAULT_BYTES])
    __attribute__((warn_unused_result));
size_t token_keys_count(struct token_keys *keys);

// The secret to sign with: of the keys of HS256 the one whose kid is the last by name, because kids that are dates then
// say which is the newest; one without a kid comes first. A text that the caller wipes (token_keys_wipe), and its kid,
// "" for none. NULL if all keys are public ones.
char *token_keys_secret(struct token_keys *keys, char out_kid[IDENT_MAX_BYTES + 1]) __attribute__((warn_unused_result));
void token_keys_wipe(char *secret);  // NULL is fine

// True if there is a key of that kid (NULL: without one) and algorithm, and it has signed the text.
bool token_keys_verify(struct token_keys *keys, enum token_algorithm algorithm, const char *kid, const char *text,
                       size_t text_len, const uint8_t *signature, size_t signature_len)
    __attribute__((warn_unused_result));

#endif

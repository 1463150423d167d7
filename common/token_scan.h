// What a text must look like before a JWT library may see it. Pure; any thread.
#ifndef MUSTER_TOKEN_SCAN_H
#define MUSTER_TOKEN_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Offsets into the text.
struct token_parts {
  size_t signed_len;  // header, dot and claims: what is signed
  size_t signature_at, signature_len;
};

// True if the text is three parts in base64url as RFC 7515 writes it (no padding, no other alphabet, and no spare bits,
// so that a token can be written in one way only), none of which nests deeper than a token of ours.
bool token_scan(const char *text, size_t len, struct token_parts *out) __attribute__((warn_unused_result));

// Decodes base64url that token_scan has seen. False if it does not fit.
bool token_scan_decode(const char *text, size_t len, uint8_t *out, size_t out_bytes, size_t *out_len)
    __attribute__((warn_unused_result));

#endif

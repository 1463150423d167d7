// What the two parts of the model have in common: random numbers, JSON Web Tokens written by hand, and counts.
#ifndef MUSTER_MODEL_H
#define MUSTER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NOW INT64_C(1784370000)
#define MODEL_TOKEN_BYTES 2048
#define MODEL_SECRET "a secret of thirty-two bytes, or so"
#define MODEL_OTHER_SECRET "A secret of thirty-two bytes, or so"

// splitmix64: the same seed gives the same run.
uint64_t model_random(void);
void model_seed(uint64_t seed);
static inline uint32_t model_below(uint32_t n) {
  return (uint32_t)(model_random() % n);
}

// Writes base64url with its NUL and returns where it is.
char *model_encode(char *to, const void *bytes, size_t len);
// Writes a token of HS256, signed with this secret.
void model_sign(char out[MODEL_TOKEN_BYTES], const char *header, const char *claims, const char *secret);

// Each does `count` runs and returns how many were wrong, having said which.
uint64_t model_forge(uint64_t count);
uint64_t model_who(uint64_t count);

#endif

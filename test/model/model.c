// usage: model COUNT SEED
// Holds tokens, and who may see what, against a model of them that shares no code with ours: docs/testing.md.
#include "model.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

void model_seed(uint64_t seed) {
  state = seed;
}

uint64_t model_random(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

char *model_encode(char *to, const void *bytes, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const uint8_t *at = bytes;
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i < 3 ? len - i : 3;
    uint32_t word = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
    for (size_t k = 0; k <= left; k++) *to++ = digits[word >> (18 - 6 * k) & 63];
  }
  *to = '\0';
  return to;
}

void model_sign(char out[MODEL_TOKEN_BYTES], const char *header, const char *claims, const char *secret) {
  uint8_t signature[32];
  unsigned len;
  char *at = model_encode(out, header, strlen(header));
  *at++ = '.';
  at = model_encode(at, claims, strlen(claims));
  HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)out, (size_t)(at - out), signature, &len);
  *at++ = '.';
  model_encode(at, signature, sizeof signature);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: model COUNT SEED\n");
    return 2;
  }
  uint64_t count = strtoull(argv[1], NULL, 10), seed = strtoull(argv[2], NULL, 10);
  printf("model: count=%llu seed=%llu\n", (unsigned long long)count, (unsigned long long)seed);
  model_seed(seed);
  uint64_t wrong = model_forge(count);
  model_seed(seed);
  wrong += model_who(count);
  printf("model: %llu wrong\n", (unsigned long long)wrong);
  return wrong ? 1 : 0;
}

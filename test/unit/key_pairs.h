// Key pairs for tests, made anew each time.
#ifndef MUSTER_KEY_PAIRS_H
#define MUSTER_KEY_PAIRS_H

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

struct key_pair {
  char private[4096], public[1024];  // PEM
};

static inline void key_pair_write(EVP_PKEY *key, struct key_pair *out) {
  for (int public = 0; public < 2; public ++) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    if (public) {
      PEM_write_bio_PUBKEY(bio, key);
    } else {
      PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    }
    long len = BIO_get_mem_data(bio, &text);
    char *to = public ? out->public : out->private;
    memcpy(to, text, (size_t)len);
    to[len] = '\0';
    BIO_free(bio);
  }
  EVP_PKEY_free(key);
}

static inline void key_pair_rsa(unsigned bits, struct key_pair *out) {
  key_pair_write(EVP_RSA_gen(bits), out);
}

static inline void key_pair_ec(const char *curve, struct key_pair *out) {
  key_pair_write(EVP_EC_gen(curve), out);
}

#endif

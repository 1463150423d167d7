// Tokens that nobody has signed: good ones with something changed, parts of several put together, headers and claims
// rewritten under an old signature, and tokens signed with what an attacker has. None may be taken, unless it is, byte
// for byte, one that was signed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/key_pairs.h"
#include "model.h"
#include "token.h"

#define SIGNED 48
#define WAYS 12

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.{}\" ";

static struct key_pair rsa, ec, foreign_rsa, foreign_ec;
static char signed_ones[SIGNED][MODEL_TOKEN_BYTES];

static void sign_some(void) {
  static const char *const teams[] = {"red", "blue", "green"};
  const struct token_signer signers[] = {{TOKEN_HS256, "", MODEL_SECRET},
                                         {TOKEN_HS256, "h", MODEL_OTHER_SECRET},
                                         {TOKEN_RS256, "r", rsa.private},
                                         {TOKEN_ES256, "e", ec.private}};
  for (size_t i = 0; i < SIGNED; i++) {
    enum token_role role = (enum token_role)(i % 3);  // not a viewer, who has one team
    struct token_order order = {.subject = "someone",
                                .id = i % 2 ? "an-id" : "",
                                .role = role,
                                .teams = teams,
                                .team_count = role == TOKEN_WORKER ? 1 : i % 3 + 1,
                                .issued_s = MODEL_NOW,
                                .expires_s = MODEL_NOW + 60 + (int64_t)i};
    char *text = token_sign(&signers[i / 3 % 4], &order);
    if (!text || strlen(text) >= MODEL_TOKEN_BYTES) abort();
    strcpy(signed_ones[i], text);
    free(text);
  }
}

static struct token_keys *make_keys(void) {
  char folder[] = "/tmp/muster-model-XXXXXX", path[64], fault[TOKEN_KEYS_FAULT_BYTES];
  const struct {
    const char *name, *text;
  } files[] = {
      {"no-kid.hs256", MODEL_SECRET}, {"h.hs256", MODEL_OTHER_SECRET}, {"r.rs256", rsa.public}, {"e.es256", ec.public}};
  if (!mkdtemp(folder)) abort();
  for (size_t i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
    FILE *file = fopen(path, "w");
    if (!file) abort();
    fputs(files[i].text, file);
    fclose(file);
  }
  struct token_keys *keys = token_keys_new("", folder, fault);
  for (size_t i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
    remove(path);
  }
  remove(folder);
  if (!keys) abort();
  return keys;
}

static const char *any(void) {
  return signed_ones[model_below(SIGNED)];
}

// Part 0, 1 or 2 of a token.
static void part_of(const char *token, int part, char *out) {
  while (part--) token = strchr(token, '.') + 1;
  size_t len = strcspn(token, ".");
  memcpy(out, token, len);
  out[len] = '\0';
}

static char random_char(void) {
  return model_below(8) ? alphabet[model_below(sizeof alphabet - 1)] : (char)(1 + model_below(255));
}

static void mutate(char *text) {
  size_t len = strlen(text);
  for (unsigned changes = 1 + model_below(4); changes && len > 2; changes--) {
    size_t at = model_below((uint32_t)len);
    switch (model_below(4)) {
      case 0:
        text[at] = random_char();
        break;
      case 1:
        memmove(text + at, text + at + 1, len - at);
        break;
      case 2:
        if (len + 2 < MODEL_TOKEN_BYTES) memmove(text + at + 1, text + at, len - at + 1), text[at] = random_char();
        break;
      default:
        text[at] ^= (char)(1 << model_below(7));
        if (!text[at]) text[at] = 'A';
        break;
    }
    len = strlen(text);
  }
}

// A header that names an algorithm and a key as an attacker might.
static void write_header(char *out, size_t bytes) {
  static const char *const algorithms[] = {"none",  "None",  "NONE",  "nOnE",  "HS256", "RS256", "ES256",       "HS384",
                                           "HS512", "RS512", "PS256", "ES384", "hs256", "",      "HS256\\u0000"};
  static const char *const kids[] = {"",
                                     ",\"kid\":\"\"",
                                     ",\"kid\":\"h\"",
                                     ",\"kid\":\"r\"",
                                     ",\"kid\":\"e\"",
                                     ",\"kid\":\"no-kid\"",
                                     ",\"kid\":\"../r\"",
                                     ",\"kid\":null",
                                     ",\"kid\":0",
                                     ",\"kid\":\"r\",\"alg\":\"HS256\"",
                                     ",\"kid\":\"h\\u0000\"",
                                     ",\"jku\":\"http://x/\"",
                                     ",\"x5c\":[\"AAAA\"]",
                                     ",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}"};
  snprintf(out, bytes, "{\"alg\":\"%s\"%s}", algorithms[model_below(sizeof algorithms / sizeof *algorithms)],
           kids[model_below(sizeof kids / sizeof *kids)]);
}

static void write_claims(char *out, size_t bytes) {
  static const char *const roles[] = {"worker", "manager", "admin", "viewer"};
  snprintf(out, bytes, "{\"sub\":\"eve\",\"role\":\"%s\",\"team\":\"red\",\"exp\":%lld}", roles[model_below(4)],
           (long long)(MODEL_NOW + 1000));
}

// Puts a token together of parts that are another's, or our own invention.
static void assemble(char *out) {
  char header[512], claims[512], part[MODEL_TOKEN_BYTES], *at = out;
  for (int i = 0; i < 3; i++) {
    write_header(header, sizeof header);
    write_claims(claims, sizeof claims);
    if (i < 2 && model_below(2)) {
      at = model_encode(at, i ? claims : header, strlen(i ? claims : header));
    } else if (i == 2 && model_below(4) == 0) {
      *at = '\0';
    } else {
      part_of(any(), i, part);
      at = stpcpy(at, part);
    }
    if (i < 2) *at++ = '.';
  }
}

// Signs by HMAC with what is no secret: public keys in any dress, nothing, guesses.
static void sign_as_attacker(char *out) {
  static char trimmed[1024];
  char header[512], claims[512];
  snprintf(trimmed, sizeof trimmed, "%.*s", (int)strlen(rsa.public) - 1, rsa.public);
  const char *const secrets[] = {rsa.public, ec.public, trimmed, "", "secret", "r", "h", foreign_rsa.public};
  write_header(header, sizeof header);
  write_claims(claims, sizeof claims);
  model_sign(out, header, claims, secrets[model_below(sizeof secrets / sizeof *secrets)]);
}

// Signed as it should be, but with a pair of keys, or a secret, that is not ours; or ours under another kid.
static const char *sign_foreign(char *out) {
  static char kept[64][MODEL_TOKEN_BYTES];  // signing takes a while
  static size_t count;
  if (count == 64) return strcpy(out, kept[model_below(64)]);
  static const char *const teams[] = {"red"}, *const kids[] = {"", "h", "r", "e"};
  const struct token_signer signers[] = {
      {TOKEN_RS256, kids[model_below(4)], foreign_rsa.private}, {TOKEN_ES256, kids[model_below(4)], foreign_ec.private},
      {TOKEN_HS256, kids[2 + model_below(2)], MODEL_SECRET},    {TOKEN_HS256, "", MODEL_OTHER_SECRET},
      {TOKEN_RS256, kids[3 * model_below(2)], rsa.private},     {TOKEN_ES256, kids[model_below(3)], ec.private}};
  struct token_order order = {.subject = "eve",
                              .id = "",
                              .role = TOKEN_ADMIN,
                              .teams = teams,
                              .team_count = 1,
                              .issued_s = MODEL_NOW,
                              .expires_s = MODEL_NOW + 60};
  char *text = token_sign(&signers[model_below(6)], &order);
  if (!text) abort();
  strcpy(kept[count++], text);
  strcpy(out, text);
  free(text);
  return out;
}

static void forge(char *out, unsigned way) {
  strcpy(out, any());
  if (way < 5) {
    mutate(out);
  } else if (way < 8) {
    assemble(out);
    if (way == 7) mutate(out);
  } else if (way < 10) {
    sign_as_attacker(out);
  } else if (way == 10) {
    sign_foreign(out);
  } else {
    out[model_below((uint32_t)strlen(out))] = '\0';
  }
}

static bool was_signed(const char *text) {
  for (size_t i = 0; i < SIGNED; i++) {
    if (strcmp(text, signed_ones[i]) == 0) return true;
  }
  return false;
}

uint64_t model_forge(uint64_t count) {
  uint64_t wrong = 0, statuses[TOKEN_STATUSES] = {0};
  key_pair_rsa(2048, &rsa);
  key_pair_rsa(2048, &foreign_rsa);
  key_pair_ec("P-256", &ec);
  key_pair_ec("P-256", &foreign_ec);
  struct token_keys *keys = make_keys();
  sign_some();
  for (uint64_t i = 0; i < count + SIGNED; i++) {
    char text[2 * MODEL_TOKEN_BYTES];
    struct token token;
    if (i < SIGNED) {
      strcpy(text, signed_ones[i]);  // those must be taken, or the rest shows nothing
    } else {
      forge(text, model_below(WAYS));
    }
    enum token_status status = token_verify(keys, text, strlen(text), MODEL_NOW, &token);
    statuses[status]++;
    if (status == TOKEN_OK) token_fini(&token);
    if ((status == TOKEN_OK) == was_signed(text)) continue;
    if (wrong++ < 10) printf("forged, but %s: %s\n", token_status_code(status), text);
  }
  token_keys_free(keys);
  printf(
      "forge: %llu tokens: %llu malformed, %llu not signed by us, %llu signed by us as they are, %llu accepted "
      "wrongly\n",
      (unsigned long long)(count + SIGNED), (unsigned long long)statuses[TOKEN_MALFORMED],
      (unsigned long long)statuses[TOKEN_SIGNATURE], (unsigned long long)(statuses[TOKEN_OK] - wrong),
      (unsigned long long)wrong);
  return wrong;
}

// A set is made whole, and then takes the place of the one before; that one goes when the last check on it is over.
#include "token_keys.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES 65536
#define PATH_BYTES 4096

struct set {
  unsigned refs;  // the lock's
  size_t count;
  struct token_key *keys[TOKEN_KEYS_MAX];
};

struct token_keys {
  char *plain, *path;
  pthread_mutex_t lock;
  struct set *set;
};

static void set_free(struct set *set) {
  for (size_t i = 0; set && i < set->count; i++) token_key_free(set->keys[i]);
  free(set);
}

static const struct token_key *set_find(const struct set *set, enum token_algorithm algorithm, const char *kid) {
  for (size_t i = 0; i < set->count; i++) {
    if (strcmp(token_key_kid(set->keys[i]), kid) != 0) continue;
    return token_key_algorithm(set->keys[i]) == algorithm ? set->keys[i] : NULL;
  }
  return NULL;
}

// ---- reading ----

static bool fault(char *out_fault, const char *name, const char *text) {
  snprintf(out_fault, TOKEN_KEYS_FAULT_BYTES, "%s%s%s", name, *name ? ": " : "", text);
  return false;
}

static bool add(struct set *set, enum token_algorithm algorithm, const char *kid, const char *bytes, size_t len,
                const char *name, char *out_fault) {
  const char *wrong;
  if (set->count == TOKEN_KEYS_MAX) return fault(out_fault, name, "there are more than 64 keys");
  // A kid is of one key, and of one algorithm: which of two a token means must not be the token's choice.
  for (size_t i = 0; i < set->count; i++) {
    if (strcmp(token_key_kid(set->keys[i]), kid) == 0) return fault(out_fault, name, "another key has this kid");
  }
  struct token_key *key = token_key_new(algorithm, kid, bytes, len, &wrong);
  if (!key) return fault(out_fault, name, wrong);
  set->keys[set->count++] = key;
  return true;
}

// Takes KID.ALGORITHM or KID.ALGORITHM.pem apart; kid has PATH_BYTES.
static bool split_name(const char *name, char *kid, enum token_algorithm *out_algorithm) {
  snprintf(kid, PATH_BYTES, "%s", name);
  char *dot = strrchr(kid, '.');
  if (dot && strcmp(dot, ".pem") == 0) {
    *dot = '\0';
    dot = strrchr(kid, '.');
  }
  if (!dot || !token_algorithm_parse(dot + 1, out_algorithm)) return false;
  *dot = '\0';
  if (!ident_valid(kid, strlen(kid))) return false;
  if (strcmp(kid, TOKEN_KEYS_NO_KID) == 0) *kid = '\0';
  return true;
}

static bool add_file(struct set *set, const char *path, const char *name, char *out_fault) {
  char kid[PATH_BYTES], bytes[FILE_MAX_BYTES];
  enum token_algorithm algorithm;
  if (!split_name(name, kid, &algorithm))
    return fault(out_fault, name, "a key's file is named KID.hs256, .rs256 or .es256");
  FILE *file = fopen(path, "re");
  if (!file) return fault(out_fault, name, strerror(errno));
  size_t len = fread(bytes, 1, sizeof bytes, file);
  bool whole = !ferror(file) && len < sizeof bytes;
  fclose(file);
  while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r')) len--;
  bool good =
      whole ? add(set, algorithm, kid, bytes, len, name, out_fault) : fault(out_fault, name, "cannot be read whole");
  explicit_bzero(bytes, sizeof bytes);
  return good;
}

static bool add_folder(struct set *set, const char *path, char *out_fault) {
  DIR *folder = opendir(path);
  if (!folder) return fault(out_fault, path, strerror(errno));
  bool good = true;
  const struct dirent *entry;
  while (good && (entry = readdir(folder))) {
    char file[PATH_BYTES];
    if (*entry->d_name == '.') continue;
    if ((size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) >= sizeof file) {
      good = fault(out_fault, path, "the path is too long");
    } else {
      good = add_file(set, file, entry->d_name, out_fault);
    }
  }
  closedir(folder);
  return good;
}

static bool fill(struct set *set, const char *plain, const char *path, char *out_fault) {
  struct stat status;
  if (*plain && !add(set, TOKEN_HS256, "", plain, strlen(plain), "", out_fault)) return false;
  if (*path && stat(path, &status) < 0) return fault(out_fault, path, strerror(errno));
  if (*path && S_ISDIR(status.st_mode) && !add_folder(set, path, out_fault)) return false;
  if (*path && !S_ISDIR(status.st_mode)) {
    const char *slash = strrchr(path, '/');
    if (!add_file(set, path, slash ? slash + 1 : path, out_fault)) return false;
  }
  return set->count > 0 || fault(out_fault, path, "there is no key");
}

static struct set *set_read(const struct token_keys *keys, char *out_fault) {
  struct set *set = calloc(1, sizeof *set);
  if (!set) abort();
  set->refs = 1;
  if (fill(set, keys->plain, keys->path, out_fault)) return set;
  set_free(set);
  return NULL;
}

// ---- the set in force ----

static struct set *take(struct token_keys *keys) {
  pthread_mutex_lock(&keys->lock);
  struct set *set = keys->set;
  set->refs++;
  pthread_mutex_unlock(&keys->lock);
  return set;
}

static void give_back(struct token_keys *keys, struct set *set) {
  if (!set) return;
  pthread_mutex_lock(&keys->lock);
  bool last = --set->refs == 0;
  pthread_mutex_unlock(&keys->lock);
  if (last) set_free(set);
}

struct token_keys *token_keys_new(const char *plain, const char *path, char out_fault[TOKEN_KEYS_FAULT_BYTES]) {
  struct token_keys *keys = calloc(1, sizeof *keys);
  if (!keys) abort();
  keys->plain = strdup(plain);
  keys->path = strdup(path);
  if (!keys->plain || !keys->path) abort();
  pthread_mutex_init(&keys->lock, NULL);
  keys->set = set_read(keys, out_fault);
  if (keys->set) return keys;
  token_keys_free(keys);
  return NULL;
}

void token_keys_free(struct token_keys *keys) {
  if (!keys) return;
  set_free(keys->set);
  pthread_mutex_destroy(&keys->lock);
  explicit_bzero(keys->plain, strlen(keys->plain));
  free(keys->plain);
  free(keys->path);
  free(keys);
}

bool token_keys_reload(struct token_keys *keys, char out_fault[TOKEN_KEYS_FAULT_BYTES]) {
  struct set *set = set_read(keys, out_fault);
  if (!set) return false;
  pthread_mutex_lock(&keys->lock);
  struct set *old = keys->set;
  keys->set = set;
  pthread_mutex_unlock(&keys->lock);
  give_back(keys, old);
  return true;
}

size_t token_keys_count(struct token_keys *keys) {
  struct set *set = take(keys);
  size_t count = set->count;
  give_back(keys, set);
  return count;
}

bool token_keys_verify(struct token_keys *keys, enum token_algorithm algorithm, const char *kid, const char *text,
                       size_t text_len, const uint8_t *signature, size_t signature_len) {
  struct set *set = take(keys);
  // Tokens may not say "": a key without a kid is for tokens without one.
  const struct token_key *key = kid && !*kid ? NULL : set_find(set, algorithm, kid ? kid : "");
  bool good = key && token_key_verifies(key, text, text_len, signature, signature_len);
  give_back(keys, set);
  return good;
}

char *token_keys_secret(struct token_keys *keys, char out_kid[IDENT_MAX_BYTES + 1]) {
  struct set *set = take(keys);
  const struct token_key *last = NULL;
  for (size_t i = 0; i < set->count; i++) {
    const struct token_key *key = set->keys[i];
    if (token_key_algorithm(key) != TOKEN_HS256) continue;
    if (!last || strcmp(token_key_kid(key), token_key_kid(last)) > 0) last = key;
  }
  char *copy = NULL;
  size_t len;
  const char *secret = last ? token_key_secret(last, &len) : NULL;
  if (secret) {
    copy = strndup(secret, len);
    if (!copy) abort();
    strcpy(out_kid, token_key_kid(last));
  }
  give_back(keys, set);
  return copy;
}

void token_keys_wipe(char *secret) {
  if (secret) explicit_bzero(secret, strlen(secret));
  free(secret);
}

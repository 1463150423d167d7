// A hash table of workers, and the list of those that are being asked for.
#include "known.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "ident.h"

struct known_one {
  struct store_worker worker;  // the first member: a worker leads to its entry
  bool asked;
  UT_hash_handle hh;
  char key[];  // team/name
};

struct known {
  struct known_one *all;
  struct store_worker **asked;
  size_t asked_count, asked_capacity;
};

struct known *known_new(void) {
  struct known *known = calloc(1, sizeof *known);
  if (!known) abort();
  return known;
}

void known_free(struct known *known) {
  if (!known) return;
  known_forget(known);
  free(known->asked);
  free(known);
}

void known_forget(struct known *known) {
  struct known_one *one, *next;
  HASH_ITER(hh, known->all, one, next) {
    HASH_DEL(known->all, one);
    free(one);
  }
}

struct store_worker *known_worker(struct known *known, const struct update *update) {
  char key[2 * IDENT_MAX_BYTES + 2];
  size_t team_len = update->team.len, name_len = update->worker.len, len = team_len + 1 + name_len;
  memcpy(key, update->team.data, team_len);
  key[team_len] = '/';
  memcpy(key + team_len + 1, update->worker.data, name_len);
  struct known_one *one;
  HASH_FIND(hh, known->all, key, len, one);
  if (one) return &one->worker;
  one = calloc(1, sizeof *one + len);
  if (!one) abort();
  memcpy(one->key, key, len);
  one->worker = (struct store_worker){
      .team = {one->key, team_len}, .name = {one->key + team_len + 1, name_len}, .newest_us = STORE_NEVER};
  HASH_ADD_KEYPTR(hh, known->all, one->key, len, one);
  return &one->worker;
}

static void ask_for(struct known *known, struct store_worker *worker) {
  struct known_one *one = (struct known_one *)worker;
  if (one->asked) return;
  one->asked = true;
  if (known->asked_count == known->asked_capacity) {
    known->asked_capacity = known->asked_capacity ? known->asked_capacity * 2 : 256;
    known->asked = realloc(known->asked, known->asked_capacity * sizeof(struct store_worker *));
    if (!known->asked) abort();
  }
  known->asked[known->asked_count++] = worker;
}

static void refuse(struct store_update *update) {
  const char *reason = update->worker->refused;
  if (!reason) return;
  update->refused = strdup(reason);
  if (!update->refused) abort();
}

bool known_resolve(struct known *known, struct store *store, struct store_update *updates, size_t count) {
  known->asked_count = 0;
  for (size_t i = 0; i < count; i++) {
    if (!updates[i].refused && updates[i].worker->id == 0) ask_for(known, updates[i].worker);
  }
  if (known->asked_count == 0) return true;
  bool good = store_workers(store, known->asked, known->asked_count);
  for (size_t i = 0; i < count; i++) {
    if (!updates[i].refused) refuse(&updates[i]);
  }
  for (size_t i = 0; i < known->asked_count; i++) {
    struct known_one *one = (struct known_one *)known->asked[i];
    one->asked = false;
    free(one->worker.refused);
    one->worker.refused = NULL;
    if (!good) one->worker.id = 0;
  }
  return good;
}

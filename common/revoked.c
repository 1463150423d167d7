// Two tables under a lock that readers share: it is taken when a token is checked, never for a position or a frame.
#include "revoked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
  uint64_t name;
  int64_t issued_until_s, until_s;
  UT_hash_handle hh;
};

struct revoked {
  pthread_rwlock_t lock;
  struct entry *ids, *holders;
  _Atomic uint64_t version;
  _Atomic bool known;
};

struct revoked *revoked_new(void) {
  struct revoked *revoked = calloc(1, sizeof *revoked);
  if (!revoked || pthread_rwlock_init(&revoked->lock, NULL)) abort();
  return revoked;
}

static void free_table(struct entry **table) {
  struct entry *entry, *next;
  HASH_ITER(hh, *table, entry, next) {
    HASH_DEL(*table, entry);
    free(entry);
  }
}

void revoked_free(struct revoked *revoked) {
  if (!revoked) return;
  free_table(&revoked->ids);
  free_table(&revoked->holders);
  pthread_rwlock_destroy(&revoked->lock);
  free(revoked);
}

// Of two for the same name the one that revokes more counts, whichever came first.
static void put(struct entry **table, uint64_t name, int64_t issued_until_s, int64_t until_s) {
  struct entry *entry;
  HASH_FIND(hh, *table, &name, sizeof name, entry);
  if (!entry) {
    entry = calloc(1, sizeof *entry);
    if (!entry) abort();
    *entry = (struct entry){.name = name, .issued_until_s = issued_until_s, .until_s = until_s};
    HASH_ADD(hh, *table, name, sizeof entry->name, entry);
    return;
  }
  if (entry->issued_until_s < issued_until_s) entry->issued_until_s = issued_until_s;
  if (entry->until_s && (!until_s || until_s > entry->until_s)) entry->until_s = until_s;
}

void revoked_add(struct revoked *revoked, const struct revocation *r) {
  pthread_rwlock_wrlock(&revoked->lock);
  if (*r->id) put(&revoked->ids, token_hash(r->id, strlen(r->id)), INT64_MAX, r->until_s);
  if (*r->holder) put(&revoked->holders, token_hash(r->holder, strlen(r->holder)), r->issued_until_s, r->until_s);
  pthread_rwlock_unlock(&revoked->lock);
  atomic_fetch_add(&revoked->version, 1);  // after it is in: whoever sees the version finds it
}

static void tidy_table(struct entry **table, int64_t now_s) {
  struct entry *entry, *next;
  HASH_ITER(hh, *table, entry, next) {
    // A clock that was set back for a while must not bring a token to life again: the day is for that.
    if (!entry->until_s || now_s - 86400 < entry->until_s) continue;
    HASH_DEL(*table, entry);
    free(entry);
  }
}

void revoked_tidy(struct revoked *revoked, int64_t now_s) {
  pthread_rwlock_wrlock(&revoked->lock);
  tidy_table(&revoked->ids, now_s);
  tidy_table(&revoked->holders, now_s);
  pthread_rwlock_unlock(&revoked->lock);
}

void revoked_set_known(struct revoked *revoked) {
  atomic_store(&revoked->known, true);
}

bool revoked_known(struct revoked *revoked) {
  return atomic_load(&revoked->known);
}

bool revoked_has(struct revoked *revoked, const struct token_stamp *stamp) {
  struct entry *id = NULL, *holder;
  pthread_rwlock_rdlock(&revoked->lock);
  if (stamp->id) HASH_FIND(hh, revoked->ids, &stamp->id, sizeof stamp->id, id);
  HASH_FIND(hh, revoked->holders, &stamp->holder, sizeof stamp->holder, holder);
  bool has = id || (holder && stamp->issued_s <= holder->issued_until_s);
  pthread_rwlock_unlock(&revoked->lock);
  return has;
}

size_t revoked_count(struct revoked *revoked) {
  pthread_rwlock_rdlock(&revoked->lock);
  size_t count = HASH_COUNT(revoked->ids) + HASH_COUNT(revoked->holders);
  pthread_rwlock_unlock(&revoked->lock);
  return count;
}

uint64_t revoked_version(struct revoked *revoked) {
  return atomic_load(&revoked->version);
}

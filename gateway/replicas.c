// An array under a mutex, kept sorted; those long gone are dropped as new heartbeats come.
#include "replicas.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "team.pb-c.h"

#define REPLICAS_MAX 1024              // more are not kept
#define REPLICA_FORGET_US 600000000LL  // dead ones are remembered for their live_lost, and then forgotten

struct replicas {
  pthread_mutex_t lock;
  struct replica *entries;
  size_t count;
  uint64_t mark;
  bool replaced;  // a tracker that did not say that it stops, by a new process; until it is asked for
};

struct replicas *replicas_new(void) {
  struct replicas *replicas = calloc(1, sizeof *replicas);
  if (!replicas) abort();
  pthread_mutex_init(&replicas->lock, NULL);
  return replicas;
}

void replicas_free(struct replicas *replicas) {
  if (!replicas) return;
  pthread_mutex_destroy(&replicas->lock);
  free(replicas->entries);
  free(replicas);
}

static bool decode(const void *bytes, size_t len, struct replica *out) {
  Muster__Replica *message = muster__replica__unpack(NULL, len, bytes);
  if (!message) return false;
  bool good = message->kind && message->id && strlen(message->kind) < sizeof out->kind &&
              ident_valid(message->kind, strlen(message->kind)) && ident_valid(message->id, strlen(message->id));
  if (good) {
    *out = (struct replica){.started_at_us = message->started_at_us,
                            .at_us = message->at_us,
                            .connections = message->connections,
                            .log_number = message->log_number,
                            .log_acked = message->log_acked,
                            .live_lost = message->live_lost,
                            .handled = message->handled,
                            .stopping = message->stopping,
                            .recorder = message->recorder};
    snprintf(out->kind, sizeof out->kind, "%s", message->kind);
    snprintf(out->id, sizeof out->id, "%s", message->id);
    snprintf(out->version, sizeof out->version, "%s", message->version ? message->version : "");
  }
  muster__replica__free_unpacked(message, NULL);
  return good;
}

static int compare(const void *a, const void *b) {
  const struct replica *x = a, *y = b;
  int kinds = strcmp(x->kind, y->kind);
  return kinds ? kinds : strcmp(x->id, y->id);
}

static bool is_tracker(const struct replica *replica) {
  return strcmp(replica->kind, "tracker") == 0;
}

static void forget_old(struct replicas *replicas, int64_t now_us) {
  size_t kept = 0;
  for (size_t i = 0; i < replicas->count; i++) {
    if (now_us - replicas->entries[i].heard_us < REPLICA_FORGET_US) replicas->entries[kept++] = replicas->entries[i];
  }
  replicas->count = kept;
}

static void add(struct replicas *replicas, const struct replica *heard) {
  if (replicas->count == REPLICAS_MAX) return;
  replicas->entries = realloc(replicas->entries, (replicas->count + 1) * sizeof *replicas->entries);
  if (!replicas->entries) abort();
  replicas->entries[replicas->count++] = *heard;
  qsort(replicas->entries, replicas->count, sizeof *replicas->entries, compare);
}

uint64_t replicas_hear(struct replicas *replicas, const void *bytes, size_t len, int64_t now_us, bool *out_lost,
                       struct replica *out_replica) {
  struct replica heard;
  *out_lost = false;
  if (!decode(bytes, len, &heard)) return 0;
  heard.heard_us = now_us;
  pthread_mutex_lock(&replicas->lock);
  heard.heard_mark = ++replicas->mark;
  forget_old(replicas, now_us);
  struct replica *known =
      replicas->count ? bsearch(&heard, replicas->entries, replicas->count, sizeof heard, compare) : NULL;
  bool same_process = known && known->started_at_us == heard.started_at_us;
  // One not heard before may have lost it just now: it was cut off when our views were joined, and came back.
  *out_lost = heard.live_lost > (same_process ? known->live_lost : 0);
  if (known) {
    if (!same_process && !known->stopping && !known->dead && is_tracker(known)) replicas->replaced = true;
    *known = heard;
  } else {
    add(replicas, &heard);
  }
  pthread_mutex_unlock(&replicas->lock);
  *out_replica = heard;
  return heard.heard_mark;
}

struct replica *replicas_alive(struct replicas *replicas, int64_t now_us, size_t *out_count) {
  pthread_mutex_lock(&replicas->lock);
  struct replica *copy = calloc(replicas->count + 1, sizeof *copy);
  if (!copy) abort();
  size_t count = 0;
  for (size_t i = 0; i < replicas->count; i++) {
    const struct replica *r = &replicas->entries[i];
    if (!r->stopping && now_us - r->heard_us < REPLICA_ALIVE_US) copy[count++] = *r;
  }
  pthread_mutex_unlock(&replicas->lock);
  *out_count = count;
  return copy;
}

bool replicas_take_dead(struct replicas *replicas, int64_t now_us) {
  pthread_mutex_lock(&replicas->lock);
  bool found = replicas->replaced;
  replicas->replaced = false;
  for (size_t i = 0; i < replicas->count; i++) {
    struct replica *r = &replicas->entries[i];
    if (r->dead || r->stopping || !is_tracker(r) || now_us - r->heard_us < REPLICA_ALIVE_US) continue;
    r->dead = found = true;
  }
  pthread_mutex_unlock(&replicas->lock);
  return found;
}

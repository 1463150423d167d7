// Two tables under one lock, of those teams and tokens that have viewers. Viewers with the same team and token share
// one place, so a viewer costs no more than its count.
#include "places.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "ident.h"

struct team_count {
  char team[IDENT_MAX_BYTES + 1];
  uint32_t viewers;
  UT_hash_handle hh;
};

struct token_count {
  uint64_t token;
  uint32_t viewers;
  UT_hash_handle hh;
};

struct place_key {
  struct team_count *team;
  struct token_count *token;
};

struct place {
  struct place_key key;
  struct places *places;
  uint32_t viewers;
  UT_hash_handle hh;
};

struct places {
  struct places_limits limits;
  pthread_mutex_t lock;
  uint32_t viewers;
  struct team_count *teams;
  struct token_count *tokens;
  struct place *places;
};

static void *zalloc(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (!memory) abort();
  return memory;
}

struct places *places_new(const struct places_limits *limits) {
  struct places *places = zalloc(sizeof *places);
  places->limits = *limits;
  pthread_mutex_init(&places->lock, NULL);
  return places;
}

void places_free(struct places *places) {
  if (!places) return;
  pthread_mutex_destroy(&places->lock);
  free(places);
}

static bool is_full(uint32_t viewers, uint32_t limit) {
  return limit && viewers >= limit;
}

static struct team_count *find_or_add_team(struct places *places, const char *name) {
  struct team_count *team;
  HASH_FIND_STR(places->teams, name, team);
  if (team) return team;
  team = zalloc(sizeof *team);
  snprintf(team->team, sizeof team->team, "%s", name);
  HASH_ADD_STR(places->teams, team, team);
  return team;
}

static struct token_count *find_or_add_token(struct places *places, uint64_t name) {
  struct token_count *token;
  HASH_FIND(hh, places->tokens, &name, sizeof name, token);
  if (token) return token;
  token = zalloc(sizeof *token);
  token->token = name;
  HASH_ADD(hh, places->tokens, token, sizeof token->token, token);
  return token;
}

static struct place *find_or_add_place(struct places *places, const struct place_key *key) {
  struct place *place;
  HASH_FIND(hh, places->places, key, sizeof *key, place);
  if (place) return place;
  place = zalloc(sizeof *place);
  place->key = *key;
  place->places = places;
  HASH_ADD(hh, places->places, key, sizeof place->key, place);
  return place;
}

// The lock is held. What nobody is in goes.
static void sweep(struct places *places, const struct place_key *key) {
  if (!key->team->viewers) {
    HASH_DEL(places->teams, key->team);
    free(key->team);
  }
  if (!key->token->viewers) {
    HASH_DEL(places->tokens, key->token);
    free(key->token);
  }
}

// The lock is held.
static enum places_status take(struct places *places, const char *team, uint64_t token, struct place **out_place) {
  if (is_full(places->viewers, places->limits.process)) return PLACES_FULL;
  struct place_key key = {find_or_add_team(places, team), find_or_add_token(places, token)};
  enum places_status status = PLACES_TAKEN;
  if (is_full(key.token->viewers, places->limits.token)) {
    status = PLACES_TOKEN_FULL;
  } else if (is_full(key.team->viewers, places->limits.team)) {
    status = PLACES_TEAM_FULL;
  }
  if (status != PLACES_TAKEN) {
    sweep(places, &key);
    return status;
  }
  places->viewers++;
  key.team->viewers++;
  key.token->viewers++;
  *out_place = find_or_add_place(places, &key);
  (*out_place)->viewers++;
  return PLACES_TAKEN;
}

enum places_status places_take(struct places *places, const char *team, uint64_t token, struct place **out_place) {
  pthread_mutex_lock(&places->lock);
  enum places_status status = take(places, team, token, out_place);
  pthread_mutex_unlock(&places->lock);
  return status;
}

void places_release(struct place *place) {
  if (!place) return;
  struct places *places = place->places;
  pthread_mutex_lock(&places->lock);
  struct place_key key = place->key;
  places->viewers--;
  key.team->viewers--;
  key.token->viewers--;
  if (--place->viewers == 0) {
    HASH_DEL(places->places, place);
    free(place);
    sweep(places, &key);
  }
  pthread_mutex_unlock(&places->lock);
}

// The lock is held while Postgres is asked: those who want the same list at the same time then find it fresh.
#include "directory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define KEEP_US 1000000

struct directory {
  pthread_mutex_t lock;
  struct snapshot *snapshot;
  struct snapshot_team *teams;
  size_t count;
  int64_t loaded_us, stale_after_us;
};

struct directory *directory_new(const char *database_url, int64_t stale_after_us) {
  struct directory *directory = calloc(1, sizeof *directory);
  if (!directory) abort();
  pthread_mutex_init(&directory->lock, NULL);
  directory->snapshot = snapshot_new(database_url);
  directory->loaded_us = -KEEP_US;
  directory->stale_after_us = stale_after_us;
  return directory;
}

void directory_free(struct directory *directory) {
  if (!directory) return;
  snapshot_free(directory->snapshot);
  free(directory->teams);
  pthread_mutex_destroy(&directory->lock);
  free(directory);
}

// With the lock held.
static bool refresh(struct directory *directory) {
  int64_t now_us = clock_mono_us();
  if (directory->teams && now_us - directory->loaded_us < KEEP_US) return true;
  struct snapshot_team *teams;
  size_t count;
  if (!snapshot_teams(directory->snapshot, directory->stale_after_us, &teams, &count)) return false;
  free(directory->teams);
  directory->teams = teams;
  directory->count = count;
  directory->loaded_us = now_us;
  return true;
}

enum directory_status directory_teams(struct directory *directory, struct snapshot_team **out_teams,
                                      size_t *out_count) {
  pthread_mutex_lock(&directory->lock);
  bool good = refresh(directory);
  if (good) {
    *out_count = directory->count;
    *out_teams = calloc(directory->count + 1, sizeof **out_teams);
    if (!*out_teams) abort();
    memcpy(*out_teams, directory->teams, directory->count * sizeof **out_teams);
  }
  pthread_mutex_unlock(&directory->lock);
  return good ? DIRECTORY_OK : DIRECTORY_UNAVAILABLE;
}

static int compare(const void *name, const void *team) {
  return strcmp(name, ((const struct snapshot_team *)team)->name);
}

// A team that the list has is known whatever the list's age; one that it lacks may have come since.
enum directory_status directory_knows(struct directory *directory, const char *team, bool *out_known) {
  pthread_mutex_lock(&directory->lock);
  bool good = true;
  *out_known = directory->count && bsearch(team, directory->teams, directory->count, sizeof *directory->teams, compare);
  if (!*out_known) good = snapshot_knows(directory->snapshot, team, out_known);
  pthread_mutex_unlock(&directory->lock);
  return good ? DIRECTORY_OK : DIRECTORY_UNAVAILABLE;
}

enum directory_status directory_load(struct directory *directory, const char *team, struct team **out_team) {
  struct snapshot_point point;
  struct team *state = team_new(team);
  team_watch(state, directory->stale_after_us, clock_mono_us());
  pthread_mutex_lock(&directory->lock);
  bool good = snapshot_load(directory->snapshot, &state, 1, &point);
  pthread_mutex_unlock(&directory->lock);
  if (good) {
    *out_team = state;
  } else {
    team_free(state);
  }
  return good ? DIRECTORY_OK : DIRECTORY_UNAVAILABLE;
}

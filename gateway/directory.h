// What REST asks Postgres for: the teams and their counts, and a team's state when the fan-out does not hold it. One
// connection under a lock, and the list of teams kept for a second. Any thread.
#ifndef MUSTER_DIRECTORY_H
#define MUSTER_DIRECTORY_H

#include "snapshot.h"

struct directory;

enum directory_status {
  DIRECTORY_OK,
  DIRECTORY_UNAVAILABLE,  // Postgres is out of reach
};

// stale_after_us: the silence after which a connected worker is stale; 0: never.
struct directory *directory_new(const char *database_url, int64_t stale_after_us);
void directory_free(struct directory *directory);

// A copy of the list, at most a second old; the caller frees it.
enum directory_status directory_teams(struct directory *directory, struct snapshot_team **out_teams, size_t *out_count)
    __attribute__((warn_unused_result));
// Whether any worker of this team was ever seen.
enum directory_status directory_knows(struct directory *directory, const char *team, bool *out_known)
    __attribute__((warn_unused_result));
// The team's state as Postgres has it; the caller frees it.
enum directory_status directory_load(struct directory *directory, const char *team, struct team **out_team)
    __attribute__((warn_unused_result));

#endif

// Teams that are joined together: their states, built aside from Postgres and the log, before (and a while after) the
// fan-out gets them. Pure; the join thread's.
#ifndef MUSTER_GROUP_H
#define MUSTER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "follow.h"
#include "team.h"

struct group_member {
  struct team *state;  // what was gathered since it was last taken; NULL once the team was left
  uint64_t ticket;     // of the fan-out's wish; 0 if it is our own
  int64_t asked_us;
  char name[IDENT_MAX_BYTES + 1];
};

struct group {
  struct group *next;
  struct follow follow;
  uint64_t until;  // the log's end when the follow had all it needs; 0: not yet
  struct group_member *members;
  size_t count;
  uint32_t *table;  // of 1 + index, by the hash of the name
  size_t table_size;
};

// Wishes come one by one; group_index is called when all are there.
struct group *group_new(void);
void group_free(struct group *group);
void group_add(struct group *group, const char *team, uint64_t ticket, int64_t asked_us);
void group_index(struct group *group);

// Drops a team that is not wanted any more; NULL states are passed over everywhere.
void group_remove(struct group *group, const char *team);

// Merges what a log batch says of these teams, read at this moment on both clocks. False if the bytes are no batch.
bool group_merge_log(struct group *group, const void *bytes, size_t len, int64_t now_wall_us, int64_t now_us)
    __attribute__((warn_unused_result));

// Gives away what was gathered for a member, and begins anew; NULL if there is nothing.
struct team *group_take(struct group_member *member);

#endif

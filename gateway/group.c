// A log batch holds all teams, so finding the few that are joined must be quick: an open-addressing table of indexes.
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"

struct group *group_new(void) {
  struct group *group = calloc(1, sizeof *group);
  if (!group) abort();
  return group;
}

void group_free(struct group *group) {
  if (!group) return;
  for (size_t i = 0; i < group->count; i++) team_free(group->members[i].state);
  follow_fini(&group->follow);
  free(group->members);
  free(group->table);
  free(group);
}

void group_add(struct group *group, const char *team, uint64_t ticket, int64_t asked_us) {
  group->members = realloc(group->members, (group->count + 1) * sizeof *group->members);
  if (!group->members) abort();
  struct group_member *member = &group->members[group->count++];
  *member = (struct group_member){.state = team_new(team), .ticket = ticket, .asked_us = asked_us};
  snprintf(member->name, sizeof member->name, "%s", team);
}

void group_index(struct group *group) {
  group->table_size = 8;
  while (group->table_size < 2 * group->count) group->table_size *= 2;
  group->table = calloc(group->table_size, sizeof *group->table);
  if (!group->table) abort();
  for (size_t i = 0; i < group->count; i++) {
    size_t at = hash_bytes(group->members[i].name, strlen(group->members[i].name));
    while (group->table[at & (group->table_size - 1)]) at++;
    group->table[at & (group->table_size - 1)] = (uint32_t)i + 1;
  }
}

static struct group_member *find(const struct group *group, struct slice team) {
  for (size_t at = hash_bytes(team.data, team.len);; at++) {
    uint32_t index = group->table[at & (group->table_size - 1)];
    if (!index) return NULL;
    struct group_member *member = &group->members[index - 1];
    if (strncmp(member->name, team.data, team.len) == 0 && !member->name[team.len]) return member;
  }
}

void group_remove(struct group *group, const char *team) {
  struct group_member *member = find(group, (struct slice){team, strlen(team)});
  if (!member) return;
  team_free(member->state);
  member->state = NULL;
}

bool group_merge_log(struct group *group, const void *bytes, size_t len, int64_t now_wall_us, int64_t now_us) {
  struct batch_reader reader;
  struct batch_header header;
  struct update update;
  enum batch_status status;
  if (!batch_open(bytes, len, &reader, &header)) return false;
  while ((status = batch_next(&reader, &update)) == BATCH_UPDATE) {
    struct group_member *member = find(group, update.team);
    if (!member || !member->state) continue;
    int64_t heard_us = team_heard_us(update.received_at_us, now_wall_us, now_us);
    team_merge_update(member->state, &update, header.tracker, heard_us);
  }
  return status == BATCH_END;
}

struct team *group_take(struct group_member *member) {
  if (!member->state || team_count(member->state) == 0) return NULL;
  struct team *state = member->state;
  member->state = team_new(member->name);
  return state;
}

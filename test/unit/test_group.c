// Teams joined together: a log batch of all teams reaches those that are joined, and no other.
#include "../../gateway/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"

static void append(struct buffer *log, const char *team, const char *worker, int64_t taken_at_us) {
  struct update update = {.team = {team, strlen(team)},
                          .worker = {worker, strlen(worker)},
                          .has_position = true,
                          .position = {.taken_at_us = taken_at_us, .has = POSITION_HAS_ALL_REQUIRED}};
  batch_append_update(NULL, log, &update);
}

static struct group *group_of(const char *const *teams, size_t count) {
  struct group *group = group_new();
  for (size_t i = 0; i < count; i++) group_add(group, teams[i], i + 1, 0);
  group_index(group);
  return group;
}

static void test_updates_reach_the_joined_teams_only(void **state) {
  (void)state;
  const char *const teams[] = {"team-1", "team-3"};
  struct group *group = group_of(teams, 2);
  struct buffer log = {0};
  batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
  append(&log, "team-1", "a", 10);
  append(&log, "team-2", "b", 10);
  append(&log, "team-3", "c", 10);
  append(&log, "team-3", "d", 10);
  append(&log, "team", "e", 10);
  append(&log, "team-11", "f", 10);
  assert_true(group_merge_log(group, log.data, log.len, 0, 0));
  assert_int_equal(team_count(group->members[0].state), 1);
  assert_int_equal(team_count(group->members[1].state), 2);
  buffer_fini(&log);
  group_free(group);
}

static void test_what_is_taken_is_not_given_again(void **state) {
  (void)state;
  const char *const teams[] = {"team-1"};
  struct group *group = group_of(teams, 1);
  struct buffer log = {0};
  assert_null(group_take(&group->members[0]));
  batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
  append(&log, "team-1", "a", 10);
  assert_true(group_merge_log(group, log.data, log.len, 0, 0));
  struct team *taken = group_take(&group->members[0]);
  assert_int_equal(team_count(taken), 1);
  assert_null(group_take(&group->members[0]));
  team_free(taken);
  buffer_fini(&log);
  group_free(group);
}

static void test_a_team_that_was_left_is_passed_over(void **state) {
  (void)state;
  const char *const teams[] = {"team-1", "team-2"};
  struct group *group = group_of(teams, 2);
  struct buffer log = {0};
  group_remove(group, "team-1");
  group_remove(group, "team-7");
  batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
  append(&log, "team-1", "a", 10);
  append(&log, "team-2", "b", 10);
  assert_true(group_merge_log(group, log.data, log.len, 0, 0));
  assert_null(group_take(&group->members[0]));
  assert_int_equal(team_count(group->members[1].state), 1);
  buffer_fini(&log);
  group_free(group);
}

static void test_many_teams_are_all_found(void **state) {
  (void)state;
  struct group *group = group_new();
  struct buffer log = {0};
  char name[16];
  batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
  for (int i = 0; i < 1000; i++) {
    snprintf(name, sizeof name, "team-%d", i);
    group_add(group, name, 1, 0);
    append(&log, name, "a", 10);
  }
  group_index(group);
  assert_true(group_merge_log(group, log.data, log.len, 0, 0));
  for (int i = 0; i < 1000; i++) assert_int_equal(team_count(group->members[i].state), 1);
  buffer_fini(&log);
  group_free(group);
}

// Names that begin alike, and meet in the table.
static void test_a_name_is_compared_to_its_end(void **state) {
  (void)state;
  char longer[16], shorter[16];
  unsigned i = 10;
  do {
    snprintf(longer, sizeof longer, "team-%u", i++);
    snprintf(shorter, sizeof shorter, "%.*s", (int)strlen(longer) - 1, longer);
  } while ((hash_bytes(longer, strlen(longer)) ^ hash_bytes(shorter, strlen(shorter))) & 7);
  const char *const teams[] = {longer};
  struct group *group = group_of(teams, 1);
  struct buffer log = {0};
  batch_append_header(&log, &(struct batch_header){{"tracker-1", 9}, 1, 1});
  append(&log, shorter, "a", 10);
  assert_true(group_merge_log(group, log.data, log.len, 0, 0));
  assert_int_equal(team_count(group->members[0].state), 0);
  buffer_fini(&log);
  group_free(group);
}

static void test_bytes_that_are_no_batch(void **state) {
  (void)state;
  const char *const teams[] = {"team-1"};
  struct group *group = group_of(teams, 1);
  assert_false(group_merge_log(group, "garbage", 7, 0, 0));
  assert_false(group_merge_log(group, "", 0, 0, 0));
  group_free(group);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_updates_reach_the_joined_teams_only),
      cmocka_unit_test(test_what_is_taken_is_not_given_again),
      cmocka_unit_test(test_a_team_that_was_left_is_passed_over),
      cmocka_unit_test(test_many_teams_are_all_found),
      cmocka_unit_test(test_a_name_is_compared_to_its_end),
      cmocka_unit_test(test_bytes_that_are_no_batch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

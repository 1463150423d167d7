// A team's state against a naive model: whatever comes in whatever order, the state is right, and a viewer that applies
// frames at random times has exactly the state.
#include "../../gateway/team.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKERS 12
#define SESSIONS 5
#define VIEWERS 6

static const int64_t now_us = 1784370000000000;

static struct slice text(const char *s) {
  return (struct slice){s, strlen(s)};
}

static const char *worker_name(unsigned i) {
  static char names[WORKERS][8];
  snprintf(names[i], sizeof names[i], "w-%u", i);
  return names[i];
}

// ---- a viewer, as simple as can be: the last row of each worker, as text ----

struct screen {
  char rows[WORKERS][VIEW_ROW_BYTES + 1];
  uint64_t version;
};

static void apply(struct screen *screen, const struct view_frame *frame) {
  char *body = strndup(frame->data, frame->len);
  assert_non_null(body);
  bool snapshot = strncmp(body, "event: snapshot\n", 16) == 0;
  assert_true(snapshot || strncmp(body, "event: delta\n", 13) == 0);
  assert_string_equal(body + strlen(body) - 2, "\n\n");
  cJSON *json = cJSON_Parse(strstr(body, "data: ") + 6);
  assert_non_null(json);
  if (snapshot) memset(screen->rows, 0, sizeof screen->rows);
  double version = cJSON_GetNumberValue(cJSON_GetObjectItem(json, "version"));
  assert_true(version >= (double)screen->version);
  assert_true((uint64_t)version == frame->version);
  screen->version = (uint64_t)version;
  cJSON *row, *rows = cJSON_GetObjectItem(json, "rows");
  assert_int_equal(cJSON_GetArraySize(rows), frame->rows);
  cJSON_ArrayForEach(row, rows) {
    unsigned i = (unsigned)atoi(cJSON_GetStringValue(cJSON_GetArrayItem(row, 0)) + 2);
    char *printed = cJSON_PrintUnformatted(row);
    snprintf(screen->rows[i], sizeof screen->rows[i], "%s", printed);
    free(printed);
  }
  cJSON_Delete(json);
  free(body);
}

static void bring_up(struct screen *screen, struct team *team) {
  struct view_frame *frame = team_frame(team, VIEW_SSE, screen->version, now_us);
  apply(screen, frame);
  view_frame_unref(frame);
}

// ---- the model ----

struct model {
  bool known, online;
  int64_t taken_at_us, session_us;
  int tracker;
};

static const char *const trackers[] = {"tracker-1", "tracker-2", "t3"};

static void expect(const struct model *model, unsigned i, char *out, size_t out_bytes) {
  char position[160] = "null,null,null,null,null,null,null,null", tracker[32] = "null";
  if (!model->known) {
    *out = '\0';
    return;
  }
  if (model->taken_at_us) {
    snprintf(position, sizeof position, "%lld,1.5,2.5,null,null,null,null,%u", (long long)model->taken_at_us,
             (unsigned)(model->taken_at_us % 101));
  }
  if (model->session_us) snprintf(tracker, sizeof tracker, "\"%s\"", trackers[model->tracker]);
  snprintf(out, out_bytes, "[\"%s\",%s,\"%s\",%s]", worker_name(i), position, model->online ? "online" : "offline",
           tracker);
}

static void assert_screen(const struct screen *screen, const struct model *models) {
  for (unsigned i = 0; i < WORKERS; i++) {
    char row[VIEW_ROW_BYTES + 1];
    expect(&models[i], i, row, sizeof row);
    assert_string_equal(screen->rows[i], row);
  }
}

static struct position position_at(int64_t taken_at_us) {
  return (struct position){.taken_at_us = taken_at_us,
                           .longitude_e7 = 15000000,
                           .latitude_e7 = 25000000,
                           .battery_percent = (uint32_t)(taken_at_us % 101),
                           .has = POSITION_HAS_ALL_REQUIRED | POSITION_HAS_BATTERY};
}

// A session's tracker follows from the session, as it does in truth.
static int tracker_of(int64_t session_us) {
  return (int)(session_us % 3);
}

static void model_presence(struct model *model, bool online, int64_t session_us) {
  if (session_us > model->session_us) {
    *model = (struct model){true, online, model->taken_at_us, session_us, tracker_of(session_us)};
  } else if (session_us == model->session_us && !online) {
    model->online = false;
  }
  model->known = true;
}

static void random_operation(struct team *team, struct model *models) {
  unsigned i = (unsigned)rand() % WORKERS;
  int64_t session_us = 1 + rand() % SESSIONS, taken_at_us = 1000 + rand() % 300;
  struct position position = position_at(taken_at_us);
  bool online = rand() % 2, both = rand() % 4 == 0;
  int what = rand() % 8;
  struct update update = {.worker = text(worker_name(i)),
                          .has_position = both || what >= 3,
                          .has_presence = both || (what < 3 && what > 0),
                          .position = position,
                          .presence = {.online = online, .session_us = session_us}};
  if (what == 0 && !both) {
    team_merge_worker(team, update.worker);
  } else {
    team_merge_update(team, &update, text(trackers[tracker_of(session_us)]), 0);
  }
  models[i].known = true;
  if (update.has_position && taken_at_us > models[i].taken_at_us) models[i].taken_at_us = taken_at_us;
  if (update.has_presence) model_presence(&models[i], online, session_us);
}

static void test_viewers_at_any_time_see_the_state(void **state) {
  (void)state;
  for (unsigned seed = 1; seed <= 40; seed++) {
    srand(seed);
    struct team *team = team_new("team-1");
    struct model models[WORKERS] = {0};
    struct screen screens[VIEWERS] = {0};
    for (int step = 0; step < 500; step++) {
      random_operation(team, models);
      struct screen *screen = &screens[rand() % VIEWERS];
      if (rand() % 3 == 0) {
        bring_up(screen, team);
        assert_screen(screen, models);
      }
      if (rand() % 200 == 0) *screen = (struct screen){0};  // one that comes anew
    }
    for (int i = 0; i < VIEWERS; i++) {
      bring_up(&screens[i], team);
      assert_screen(&screens[i], models);
    }
    team_free(team);
  }
}

// The same operations in another order, and some twice, give the same state; and so does merging two halves.
static void test_order_and_repetition_do_not_matter(void **state) {
  (void)state;
  for (unsigned seed = 1; seed <= 40; seed++) {
    struct team *forward = team_new("team-1"), *shuffled = team_new("team-1"), *half = team_new("team-1");
    struct update updates[120];
    srand(seed);
    for (int k = 0; k < 120; k++) {
      int64_t session_us = 1 + rand() % SESSIONS;
      updates[k] = (struct update){.worker = text(worker_name((unsigned)rand() % WORKERS)),
                                   .has_position = rand() % 2,
                                   .position = position_at(1000 + rand() % 50),
                                   .has_presence = rand() % 2,
                                   .presence = {.online = rand() % 2, .session_us = session_us}};
      team_merge_update(forward, &updates[k], text(trackers[tracker_of(session_us)]), 0);
    }
    for (int k = 0; k < 400; k++) {
      int at = k < 120 ? 119 - k : rand() % 120;
      struct slice tracker = text(trackers[tracker_of(updates[at].presence.session_us)]);
      team_merge_update(rand() % 2 || k < 120 ? shuffled : half, &updates[at], tracker, 0);
    }
    team_merge_team(shuffled, half);
    struct screen a = {0}, b = {0}, c = {0};
    struct team *copy = team_copy(forward);
    bring_up(&a, forward);
    bring_up(&b, shuffled);
    bring_up(&c, copy);
    assert_memory_equal(a.rows, b.rows, sizeof a.rows);
    assert_memory_equal(a.rows, c.rows, sizeof a.rows);
    team_free(forward);
    team_free(shuffled);
    team_free(half);
    team_free(copy);
  }
}

// A mirror of one worker has exactly that worker's row at any time, and its bytes do not depend on anybody else.
static void test_a_mirror_shows_one_worker_and_nothing_of_others(void **state) {
  (void)state;
  const unsigned only = 3;
  for (unsigned seed = 1; seed <= 40; seed++) {
    srand(seed);
    struct team *whole = team_new("team-1"), *mirror = team_new("team-1");
    struct model models[WORKERS] = {0};
    struct screen whole_screen = {0}, screen = {0};
    team_watch(whole, 1000000, 0);
    for (int step = 0; step < 500; step++) {
      uint64_t before = team_version(mirror);
      char row[sizeof *screen.rows];
      memcpy(row, screen.rows[only], sizeof row);
      random_operation(whole, models);
      if (step % 50 == 49) team_expire(whole, (step / 50 + 2) * 1000000LL);
      bool changed = team_mirror(mirror, whole, text(worker_name(only)));
      assert_true(changed == (team_version(mirror) > before));
      bring_up(&whole_screen, whole);
      bring_up(&screen, mirror);
      assert_true(changed == (strcmp(row, screen.rows[only]) != 0));
      assert_string_equal(screen.rows[only], whole_screen.rows[only]);
      assert_int_equal(team_count(mirror), models[only].known);
      for (unsigned i = 0; i < WORKERS; i++) assert_true(i == only || !*screen.rows[i]);
    }
    team_free(whole);
    team_free(mirror);
  }
}

// The bytes of a viewer's frames over each protocol, after the team has lived with others, and alone.
static void test_a_mirrors_bytes_are_those_of_a_worker_who_is_alone(void **state) {
  (void)state;
  for (int protocol = 0; protocol < VIEW_PROTOCOLS; protocol++) {
    struct view_frame *frames[2][2];
    for (int crowded = 0; crowded < 2; crowded++) {
      struct team *whole = team_new("team-1"), *mirror = team_new("team-1");
      for (unsigned i = 0; crowded && i < WORKERS - 1; i++) {
        struct position elsewhere = {
            .taken_at_us = 5 + i, .longitude_e7 = -700000000, .has = POSITION_HAS_ALL_REQUIRED};
        team_merge_presence(whole, text(worker_name(i)), true, 5, text("tracker-of-others"), 0);
        team_merge_position(whole, text(worker_name(i)), &elsewhere, 0);
        team_mirror(mirror, whole, text(worker_name(WORKERS - 1)));
      }
      for (int64_t k = 0; k < 2; k++) {
        struct position position = position_at(1000 + k);
        team_merge_presence(whole, text(worker_name(WORKERS - 1)), true, 7, text("tracker-1"), 0);
        team_merge_position(whole, text(worker_name(WORKERS - 1)), &position, 0);
        assert_true(team_mirror(mirror, whole, text(worker_name(WORKERS - 1))));
        assert_false(team_mirror(mirror, whole, text(worker_name(WORKERS - 1))));
        frames[crowded][k] =
            team_frame(mirror, (enum view_protocol)protocol, k ? frames[crowded][0]->version : 0, now_us);
      }
      team_free(whole);
      team_free(mirror);
    }
    for (int k = 0; k < 2; k++) {
      assert_int_equal(frames[0][k]->len, frames[1][k]->len);
      assert_memory_equal(frames[0][k]->data, frames[1][k]->data, frames[0][k]->len);
      view_frame_unref(frames[0][k]);
      view_frame_unref(frames[1][k]);
    }
  }
}

static void test_offline_ends_only_the_session_it_names(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  struct slice worker = text("w-1");
  assert_true(team_merge_presence(team, worker, true, 10, text("tracker-1"), 0));
  assert_true(team_merge_presence(team, worker, true, 20, text("tracker-2"), 0));
  assert_false(team_merge_presence(team, worker, false, 10, text("tracker-1"), 0));
  struct screen screen = {0};
  bring_up(&screen, team);
  assert_non_null(strstr(screen.rows[1], "\"online\",\"tracker-2\""));
  assert_true(team_merge_presence(team, worker, false, 20, text("tracker-2"), 0));
  assert_false(team_merge_presence(team, worker, true, 20, text("tracker-2"), 0));  // a late word of the ended session
  bring_up(&screen, team);
  assert_non_null(strstr(screen.rows[1], "\"offline\",\"tracker-2\""));
  team_free(team);
}

static void test_what_changes_nothing_makes_no_version(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  struct position position = position_at(1000), older = position_at(999);
  assert_int_equal(team_version(team), 1);
  assert_true(team_merge_position(team, text("w-1"), &position, 0));
  uint64_t version = team_version(team);
  assert_false(team_merge_position(team, text("w-1"), &position, 0));
  assert_false(team_merge_position(team, text("w-1"), &older, 0));
  assert_false(team_merge_worker(team, text("w-1")));
  assert_int_equal(team_version(team), version);
  team_free(team);
}

static void test_frames_are_shared_while_nothing_changes(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  struct position position = position_at(1000);
  team_merge_position(team, text("w-1"), &position, 0);
  uint64_t cursor = team_version(team);
  position = position_at(1001);
  team_merge_position(team, text("w-2"), &position, 0);
  struct view_frame *a = team_frame(team, VIEW_SSE, cursor, now_us), *b = team_frame(team, VIEW_SSE, cursor, now_us);
  struct view_frame *s = team_frame(team, VIEW_SSE, 0, now_us), *t = team_frame(team, VIEW_SSE, 0, now_us);
  assert_ptr_equal(a, b);
  assert_ptr_equal(s, t);
  assert_int_equal(a->rows, 1);
  assert_int_equal(s->rows, 2);
  // A frame in a viewer's hands stays as it is while the team goes on.
  position = position_at(1002);
  team_merge_position(team, text("w-1"), &position, 0);
  struct view_frame *c = team_frame(team, VIEW_SSE, cursor, now_us), *u = team_frame(team, VIEW_SSE, 0, now_us);
  assert_ptr_not_equal(a, c);
  assert_ptr_not_equal(s, u);
  assert_int_equal(a->rows, 1);
  assert_int_equal(c->rows, 2);
  struct view_frame *all[] = {a, b, c, s, t, u};
  for (int i = 0; i < 6; i++) view_frame_unref(all[i]);
  team_free(team);
}

static void test_an_old_frame_is_made_anew_for_its_stamp(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  team_merge_worker(team, text("w-1"));
  struct view_frame *a = team_frame(team, VIEW_SSE, 0, now_us), *b = team_frame(team, VIEW_SSE, 0, now_us + 2000000);
  assert_ptr_not_equal(a, b);
  assert_non_null(strstr(b->data, "\"time_us\":1784370002000000,"));
  view_frame_unref(a);
  view_frame_unref(b);
  team_free(team);
}

static void test_more_cursors_than_the_cache_holds(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  struct view_frame *frames[10];
  for (int i = 0; i < 10; i++) {
    struct position position = position_at(1000 + i);
    team_merge_position(team, text(worker_name((unsigned)i)), &position, 0);
  }
  for (uint64_t i = 0; i < 10; i++) frames[i] = team_frame(team, VIEW_SSE, i + 2, now_us);
  for (uint64_t i = 0; i < 10; i++) {
    assert_int_equal(frames[i]->rows, 9 - i);
    view_frame_unref(frames[i]);
  }
  team_free(team);
}

// ---- staleness ----

#define SECOND_US 1000000LL

static void copy_status(void *context, const struct view_row *row) {
  enum view_status *statuses = context;
  statuses[atoi(row->worker.data + 2)] = row->status;
}

static enum view_status status_of(const struct team *team, unsigned worker) {
  enum view_status statuses[WORKERS] = {0};
  team_each(team, copy_status, statuses);
  return statuses[worker];
}

static struct team *watched_team(int64_t now) {
  struct team *team = team_new("team-1");
  team_watch(team, 10 * SECOND_US, now);
  return team;
}

static void test_a_silent_worker_turns_stale_once_and_back_with_its_next_position(void **state) {
  (void)state;
  struct team *team = watched_team(1000 * SECOND_US);
  struct position first = position_at(1), second = position_at(2);
  team_merge_presence(team, text("w-0"), true, 5, text("t3"), 1000 * SECOND_US);
  team_merge_position(team, text("w-0"), &first, 1002 * SECOND_US);
  for (int64_t t = 1000; t < 1012; t++) assert_false(team_expire(team, t * SECOND_US));
  assert_int_equal(status_of(team, 0), VIEW_ONLINE);
  uint64_t version = team_version(team);
  assert_true(team_expire(team, 1013 * SECOND_US));
  assert_int_equal(status_of(team, 0), VIEW_STALE);
  assert_int_equal(team_version(team), version + 1);
  assert_false(team_merge_position(team, text("w-0"), &first, 1013 * SECOND_US));  // nothing new was heard
  for (int64_t t = 1014; t < 1050; t++) assert_false(team_expire(team, t * SECOND_US));
  assert_true(team_merge_position(team, text("w-0"), &second, 1050 * SECOND_US));
  assert_int_equal(status_of(team, 0), VIEW_ONLINE);
  assert_false(team_expire(team, 1059 * SECOND_US));
  assert_true(team_expire(team, 1061 * SECOND_US));
  assert_int_equal(status_of(team, 0), VIEW_STALE);
  assert_true(team_merge_presence(team, text("w-0"), false, 5, text("t3"), 0));
  assert_int_equal(status_of(team, 0), VIEW_OFFLINE);
  assert_true(team_merge_presence(team, text("w-0"), true, 6, text("t3"), 1062 * SECOND_US));  // it connects anew
  assert_int_equal(status_of(team, 0), VIEW_ONLINE);
  team_free(team);
}

static void test_what_was_heard_long_ago_is_stale_at_once(void **state) {
  (void)state;
  struct team *team = watched_team(1000 * SECOND_US), *aside = team_new("team-1");
  struct position position = position_at(1);
  for (unsigned i = 0; i < 3; i++) {
    team_merge_presence(aside, text(worker_name(i)), i < 2, 5, text("t3"), 900 * SECOND_US);
    team_merge_position(aside, text(worker_name(i)), &position, (i ? 980 : 995) * SECOND_US);
  }
  team_merge_team(team, aside);
  assert_int_equal(status_of(team, 0), VIEW_ONLINE);
  assert_int_equal(status_of(team, 1), VIEW_STALE);
  assert_int_equal(status_of(team, 2), VIEW_OFFLINE);
  assert_int_equal(status_of(aside, 1), VIEW_ONLINE);  // nobody watches it
  struct team *copy = team_copy(team);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(status_of(copy, i), status_of(team, i));
  team_free(copy);
  assert_true(team_expire(team, 1006 * SECOND_US));
  assert_int_equal(status_of(team, 0), VIEW_STALE);
  team_free(aside);
  team_free(team);
}

// Against the definition, with silences from none to longer than a turn of the wheel, and a clock that leaps.
static void test_the_wheel_misses_nobody(void **state) {
  (void)state;
  srand(7);
  for (int64_t after = 1; after <= 40; after += 13) {
    struct team *team = team_new("team-1");
    int64_t now = 5000 * SECOND_US, heard[WORKERS] = {0};
    team_watch(team, after * SECOND_US, now);
    for (int64_t taken_at_us = 1; taken_at_us < 3000; taken_at_us++) {
      unsigned i = (unsigned)rand() % WORKERS;
      struct position position = position_at(taken_at_us);
      team_merge_presence(team, text(worker_name(i)), true, 5, text("t3"), now);
      if (rand() % 3) {
        team_merge_position(team, text(worker_name(i)), &position, now);
        heard[i] = now;
      } else if (!heard[i]) {
        heard[i] = now;
      }
      now += rand() % 20 ? rand() % (int)SECOND_US : rand() % (60 * (int)SECOND_US);
      team_expire(team, now);
      for (unsigned k = 0; k < WORKERS; k++) {
        int64_t silence = now - heard[k];
        if (heard[k] && silence < after * SECOND_US) assert_int_equal(status_of(team, k), VIEW_ONLINE);
        if (heard[k] && silence >= after * SECOND_US + 250000) assert_int_equal(status_of(team, k), VIEW_STALE);
      }
    }
    team_free(team);
  }
}

static void test_silence_is_told_by_our_own_clock(void **state) {
  (void)state;
  assert_int_equal(team_heard_us(900, 1000, 50), -50);
  assert_int_equal(team_heard_us(1000, 1000, 50), 50);
  assert_int_equal(team_heard_us(9000, 1000, 50), 50);  // the tracker's clock is ahead
  assert_int_equal(team_heard_us(INT64_MIN, 1000, 50), -950);
}

static void count_row(void *context, const struct view_row *row) {
  assert_true(row->worker.len > 0);
  ++*(size_t *)context;
}

static size_t count_ahead(const struct team *team, const struct team *than) {
  size_t count = 0;
  team_each_ahead(team, than, count_row, &count);
  return count;
}

static void test_who_is_ahead_is_who_a_merge_would_change(void **state) {
  (void)state;
  struct team *a = team_new("team-1"), *b = team_new("team-1");
  struct position old = position_at(1), new = position_at(2);
  team_merge_position(a, text("w-0"), &old, 0);
  assert_int_equal(count_ahead(a, b), 1);  // b does not know it
  team_merge_position(b, text("w-0"), &new, 0);
  assert_int_equal(count_ahead(a, b), 0);
  assert_int_equal(count_ahead(b, a), 1);
  team_merge_presence(a, text("w-0"), true, 5, text("t3"), 0);
  assert_int_equal(count_ahead(a, b), 1);
  team_merge_presence(b, text("w-0"), false, 5, text("t3"), 0);
  assert_int_equal(count_ahead(a, b), 0);  // offline wins within a session
  team_merge_presence(a, text("w-0"), true, 6, text("t3"), 0);
  assert_int_equal(count_ahead(a, b), 1);
  team_merge_team(a, b);
  team_merge_team(b, a);
  assert_int_equal(count_ahead(a, b) + count_ahead(b, a), 0);
  team_free(a);
  team_free(b);
}

static void test_many_workers_are_all_found_again(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  char name[16];
  size_t visited = 0;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 5000; i++) {
      snprintf(name, sizeof name, "worker-%d", i);
      assert_true(team_merge_worker(team, text(name)) == (round == 0));
    }
  }
  assert_int_equal(team_count(team), 5000);
  team_each(team, count_row, &visited);
  assert_int_equal(visited, 5000);
  team_free(team);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_viewers_at_any_time_see_the_state),
      cmocka_unit_test(test_order_and_repetition_do_not_matter),
      cmocka_unit_test(test_a_mirror_shows_one_worker_and_nothing_of_others),
      cmocka_unit_test(test_a_mirrors_bytes_are_those_of_a_worker_who_is_alone),
      cmocka_unit_test(test_offline_ends_only_the_session_it_names),
      cmocka_unit_test(test_what_changes_nothing_makes_no_version),
      cmocka_unit_test(test_frames_are_shared_while_nothing_changes),
      cmocka_unit_test(test_an_old_frame_is_made_anew_for_its_stamp),
      cmocka_unit_test(test_more_cursors_than_the_cache_holds),
      cmocka_unit_test(test_a_silent_worker_turns_stale_once_and_back_with_its_next_position),
      cmocka_unit_test(test_what_was_heard_long_ago_is_stale_at_once),
      cmocka_unit_test(test_the_wheel_misses_nobody),
      cmocka_unit_test(test_silence_is_told_by_our_own_clock),
      cmocka_unit_test(test_who_is_ahead_is_who_a_merge_would_change),
      cmocka_unit_test(test_many_workers_are_all_found_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// Frames of every protocol, for the whole team and through windows that move, against the state itself: viewers that
// come, lag and change their box at random times always have exactly what the team has, or what of it is in their box.
#include "../../gateway/team.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../gateway/ws.h"
#include "view.pb-c.h"

#define WORKERS 150  // more than a word of a window's bits
#define VIEWERS 12
#define GRID 10

static const int64_t start_us = 1784370000000000;

static struct slice text(const char *s) {
  return (struct slice){s, strlen(s)};
}

// What one viewer has of one worker.
struct shown {
  bool known;
  bool placed;
  int64_t taken_at_us;
  int32_t latitude_e7, longitude_e7;
  int battery;  // -1: unknown
  enum view_status status;
  char tracker[16];
};

struct screen {
  enum view_protocol protocol;
  struct window *window;
  struct view_frame *spare;
  uint64_t cursor;
  struct shown rows[WORKERS];
  // Of a protobuf stream:
  char names[WORKERS][8];
  char trackers[8][16];
  int64_t base_time_us;
  int32_t base_latitude_e7, base_longitude_e7;
};

static unsigned worker_of(const char *name) {
  unsigned i = (unsigned)atoi(name + 2);
  assert_true(strncmp(name, "w-", 2) == 0 && i < WORKERS);
  return i;
}

// ---- JSON ----

static const char *json_text(const cJSON *row, int column) {
  return cJSON_GetStringValue(cJSON_GetArrayItem(row, column));
}

static int64_t json_number(const cJSON *row, int column, double scale) {
  double value = cJSON_GetNumberValue(cJSON_GetArrayItem(row, column)) * scale;
  return (int64_t)(value + (value < 0 ? -0.5 : 0.5));
}

static void apply_json_row(struct screen *screen, const cJSON *row) {
  struct shown *shown = &screen->rows[worker_of(json_text(row, 0))];
  *shown = (struct shown){.known = true, .battery = -1};
  if (!cJSON_IsNull(cJSON_GetArrayItem(row, 1))) {
    shown->placed = true;
    shown->taken_at_us = json_number(row, 1, 1);
    shown->longitude_e7 = (int32_t)json_number(row, 2, 1e7);
    shown->latitude_e7 = (int32_t)json_number(row, 3, 1e7);
    if (!cJSON_IsNull(cJSON_GetArrayItem(row, 8))) shown->battery = (int)json_number(row, 8, 1);
  }
  const char *status = json_text(row, 9), *tracker = json_text(row, 10);
  shown->status = strcmp(status, "online") == 0  ? VIEW_ONLINE
                  : strcmp(status, "stale") == 0 ? VIEW_STALE
                                                 : VIEW_OFFLINE;
  snprintf(shown->tracker, sizeof shown->tracker, "%s", tracker ? tracker : "");
}

static void apply_json(struct screen *screen, bool snapshot, const cJSON *data, uint64_t version) {
  const cJSON *item;
  if (snapshot) memset(screen->rows, 0, sizeof screen->rows);
  assert_true((uint64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(data, "version")) == version);
  assert_int_equal(cJSON_HasObjectItem(data, "columns"), snapshot);
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, "rows")) apply_json_row(screen, item);
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, "left")) {
    struct shown *shown = &screen->rows[worker_of(cJSON_GetStringValue(item))];
    assert_true(shown->known);  // nobody leaves who was not there
    *shown = (struct shown){0};
  }
}

static void apply_sse(struct screen *screen, const struct view_frame *frame) {
  char *body = strndup(frame->data, frame->len);
  assert_non_null(body);
  bool snapshot = strncmp(body, "event: snapshot\n", 16) == 0;
  assert_true(snapshot || strncmp(body, "event: delta\n", 13) == 0);
  assert_string_equal(body + strlen(body) - 2, "\n\n");
  cJSON *data = cJSON_ParseWithOpts(strstr(body, "data: ") + 6, NULL, true);
  assert_non_null(data);
  apply_json(screen, snapshot, data, frame->version);
  cJSON_Delete(data);
  free(body);
}

// A whole server frame of this opcode; returns its payload.
static const uint8_t *payload_of(const struct view_frame *frame, unsigned opcode, size_t *out_len) {
  const uint8_t *bytes = (const uint8_t *)frame->data;
  assert_int_equal(bytes[0], 0x80 | opcode);
  size_t len = bytes[1], head = 2;
  if (len == 126) {
    len = (size_t)bytes[2] << 8 | bytes[3];
    head = 4;
  }
  assert_true(len < 65536 && head + len == frame->len);
  *out_len = len;
  return bytes + head;
}

static void apply_socket_json(struct screen *screen, const struct view_frame *frame) {
  size_t len;
  const char *payload = (const char *)payload_of(frame, WS_TEXT, &len);
  cJSON *message = cJSON_ParseWithLength(payload, len);
  assert_non_null(message);
  const char *event = cJSON_GetStringValue(cJSON_GetObjectItem(message, "event"));
  assert_true(strcmp(event, "snapshot") == 0 || strcmp(event, "delta") == 0);
  apply_json(screen, *event == 's', cJSON_GetObjectItem(message, "data"), frame->version);
  cJSON_Delete(message);
}

// ---- protobuf ----

static void apply_proto_row(struct screen *screen, const Muster__ViewRow *row) {
  assert_true(row->has_number && row->number < WORKERS);
  if (row->worker) snprintf(screen->names[row->number], sizeof screen->names[0], "%s", row->worker);
  assert_true(*screen->names[row->number]);  // whoever is seen for the first time is named
  struct shown *shown = &screen->rows[worker_of(screen->names[row->number])];
  *shown = (struct shown){.known = true, .battery = -1};
  if (row->has_taken_at_us) {
    shown->placed = true;
    shown->taken_at_us = row->taken_at_us + screen->base_time_us;
    shown->longitude_e7 = (int32_t)(row->longitude_e7 + screen->base_longitude_e7);
    shown->latitude_e7 = (int32_t)(row->latitude_e7 + screen->base_latitude_e7);
    if (row->has_battery_percent) shown->battery = (int)row->battery_percent;
  }
  shown->status = !row->has_status                                        ? VIEW_ONLINE
                  : row->status == MUSTER__VIEW_STATUS__VIEW_STATUS_STALE ? VIEW_STALE
                                                                          : VIEW_OFFLINE;
  if (!row->has_tracker) return;
  assert_true(row->tracker < 8 && *screen->trackers[row->tracker]);
  memcpy(shown->tracker, screen->trackers[row->tracker], sizeof shown->tracker);
}

static void apply_trackers(struct screen *screen, Muster__ViewTracker **trackers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    assert_true(trackers[i]->number < 8);
    snprintf(screen->trackers[trackers[i]->number], sizeof screen->trackers[0], "%s", trackers[i]->id);
  }
}

static void apply_snapshot(struct screen *screen, const Muster__ViewSnapshot *snapshot) {
  assert_string_equal(snapshot->team, "team-1");
  memset(screen->rows, 0, sizeof screen->rows);
  memset(screen->names, 0, sizeof screen->names);
  memset(screen->trackers, 0, sizeof screen->trackers);
  screen->base_time_us = snapshot->base_time_us;
  screen->base_longitude_e7 = snapshot->base_longitude_e7;
  screen->base_latitude_e7 = snapshot->base_latitude_e7;
  apply_trackers(screen, snapshot->trackers, snapshot->n_trackers);
  for (size_t i = 0; i < snapshot->n_rows; i++) apply_proto_row(screen, snapshot->rows[i]);
}

static void apply_delta(struct screen *screen, const Muster__ViewDelta *delta) {
  apply_trackers(screen, delta->trackers, delta->n_trackers);
  for (size_t i = 0; i < delta->n_rows; i++) apply_proto_row(screen, delta->rows[i]);
  for (size_t i = 0; i < delta->n_left; i++) {
    struct shown *shown = &screen->rows[worker_of(screen->names[delta->left[i]])];
    assert_true(shown->known);
    *shown = (struct shown){0};
  }
}

static void apply_socket_proto(struct screen *screen, const struct view_frame *frame) {
  size_t len;
  const uint8_t *payload = payload_of(frame, WS_BINARY, &len);
  Muster__ViewEvent *event = muster__view_event__unpack(NULL, len, payload);
  assert_non_null(event);
  assert_true(!event->snapshot != !event->delta);
  assert_true((event->snapshot ? event->snapshot->version : event->delta->version) == frame->version);
  if (event->snapshot) apply_snapshot(screen, event->snapshot);
  if (event->delta) apply_delta(screen, event->delta);
  muster__view_event__free_unpacked(event, NULL);
}

// ---- viewers ----

static void bring_up(struct screen *screen, struct team *team) {
  struct view_frame *frame = screen->window ? team_window_frame(team, screen->protocol, screen->cursor, screen->window,
                                                                false, start_us, &screen->spare)
                                            : team_frame(team, screen->protocol, screen->cursor, start_us);
  if (screen->window && !screen->window->boxed) {
    window_free(screen->window);
    screen->window = NULL;
  }
  screen->cursor = team_version(team);
  if (!frame) return;
  assert_int_equal(frame->version, team_version(team));
  if (screen->protocol == VIEW_SSE) apply_sse(screen, frame);
  if (screen->protocol == VIEW_SOCKET_JSON) apply_socket_json(screen, frame);
  if (screen->protocol == VIEW_SOCKET_PROTOBUF) apply_socket_proto(screen, frame);
  view_frame_unref(frame);
}

static struct view_box random_box(void) {
  int32_t a = rand() % GRID, b = rand() % GRID;
  return (struct view_box){.west_e7 = rand() % GRID,  // west > east now and then
                           .east_e7 = rand() % GRID,
                           .south_e7 = a < b ? a : b,
                           .north_e7 = a < b ? b : a};
}

// As lane_show does it.
static void change_box(struct screen *screen, const struct team *team) {
  bool boxed = rand() % 3 > 0;
  struct view_box box = random_box();
  if (boxed && !screen->window) {
    screen->window = window_new(&box);
    if (screen->cursor) team_fill_window(team, screen->cursor, screen->window);
  }
  if (!screen->window) return;
  screen->window->boxed = boxed;
  screen->window->box = box;
  screen->window->changed = true;
}

static void leave(struct screen *screen) {
  window_free(screen->window);
  view_frame_unref(screen->spare);
  enum view_protocol protocol = screen->protocol;
  *screen = (struct screen){.protocol = protocol};
}

// ---- against the state ----

struct expectation {
  const struct screen *screen;
  struct shown rows[WORKERS];
};

static void expect(void *context, const struct view_row *row) {
  struct expectation *expectation = context;
  const struct window *window = expectation->screen->window;
  char name[IDENT_MAX_BYTES + 1];
  snprintf(name, sizeof name, "%.*s", (int)row->worker.len, row->worker.data);
  const struct position *p = row->position;
  if (window && !(p && view_box_has(&window->box, p->latitude_e7, p->longitude_e7))) return;
  struct shown *shown = &expectation->rows[worker_of(name)];
  *shown = (struct shown){.known = true, .battery = -1, .status = row->status};
  if (p) {
    shown->placed = true;
    shown->taken_at_us = p->taken_at_us;
    shown->latitude_e7 = p->latitude_e7;
    shown->longitude_e7 = p->longitude_e7;
    if (p->has & POSITION_HAS_BATTERY) shown->battery = (int)p->battery_percent;
  }
  snprintf(shown->tracker, sizeof shown->tracker, "%.*s", (int)row->tracker.len, row->tracker.data);
}

static void assert_exact(const struct screen *screen, const struct team *team) {
  struct expectation expectation = {.screen = screen};
  team_each(team, expect, &expectation);
  for (unsigned i = 0; i < WORKERS; i++) {
    const struct shown *a = &screen->rows[i], *b = &expectation.rows[i];
    assert_int_equal(a->known, b->known);
    assert_int_equal(a->placed, b->placed);
    assert_int_equal(a->taken_at_us, b->taken_at_us);
    assert_int_equal(a->latitude_e7, b->latitude_e7);
    assert_int_equal(a->longitude_e7, b->longitude_e7);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->tracker, b->tracker);
    if (a->known) assert_int_equal(a->battery, b->battery);
  }
}

static void random_change(struct team *team, int64_t *taken_at_us) {
  char name[8], tracker[16];
  snprintf(name, sizeof name, "w-%d", rand() % WORKERS);
  snprintf(tracker, sizeof tracker, "tracker-%d", rand() % 5);
  int64_t session_us = 1 + rand() % 30;
  struct update update = {.worker = text(name),
                          .has_position = rand() % 5 > 0,
                          .has_presence = rand() % 5 == 0,
                          .position = {.taken_at_us = start_us + ++*taken_at_us - rand() % 20,
                                       .longitude_e7 = rand() % GRID,
                                       .latitude_e7 = rand() % GRID,
                                       .battery_percent = (uint32_t)rand() % 101,
                                       .has = POSITION_HAS_ALL_REQUIRED | (rand() % 2 ? POSITION_HAS_BATTERY : 0)},
                          .presence = {.online = rand() % 2, .session_us = session_us}};
  team_merge_update(team, &update, text(tracker), 0);
}

static void test_viewers_of_all_protocols_have_what_is_in_their_box(void **state) {
  (void)state;
  for (unsigned seed = 1; seed <= 15; seed++) {
    struct screen screens[VIEWERS] = {0};
    struct team *team = team_new("team-1");
    int64_t taken_at_us = 0;
    srand(seed);
    for (int i = 0; i < VIEWERS; i++) screens[i].protocol = (enum view_protocol)(i % VIEW_PROTOCOLS);
    for (int step = 0; step < 1500; step++) {
      struct screen *screen = &screens[rand() % VIEWERS];
      random_change(team, &taken_at_us);
      if (rand() % 10 == 0) change_box(screen, team);
      if (rand() % 4 == 0) {
        bring_up(screen, team);
        assert_exact(screen, team);
      }
      if (rand() % 100 == 0) leave(screen);
      if (rand() % 300 == 0) screen->cursor = 0;  // gets a whole snapshot again
    }
    for (int i = 0; i < VIEWERS; i++) {
      bring_up(&screens[i], team);
      assert_exact(&screens[i], team);
      leave(&screens[i]);
    }
    team_free(team);
  }
}

static void move(struct team *team, const char *worker, int64_t taken_at_us, int32_t longitude_e7) {
  struct position position = {.taken_at_us = start_us + taken_at_us,
                              .longitude_e7 = longitude_e7,
                              .latitude_e7 = 5,
                              .has = POSITION_HAS_ALL_REQUIRED};
  team_merge_position(team, text(worker), &position, 0);
}

static void test_what_happens_outside_the_box_sends_nothing(void **state) {
  (void)state;
  struct view_box box = {0, 0, 9, 9};
  struct team *team = team_new("team-1");
  for (enum view_protocol protocol = VIEW_SSE; protocol < VIEW_PROTOCOLS; protocol++) {
    struct window *window = window_new(&box);
    struct view_frame *spare = NULL;
    int64_t t = 10 * (protocol + 1);
    move(team, "w-1", t, 5);
    move(team, "w-2", t, 100);
    struct view_frame *first = team_window_frame(team, protocol, 0, window, false, start_us, &spare);
    uint64_t cursor = team_version(team);
    assert_int_equal(first->rows, 1);
    move(team, "w-2", t + 1, 200);
    assert_null(team_window_frame(team, protocol, cursor, window, false, start_us, &spare));
    struct view_frame *empty = team_window_frame(team, protocol, cursor, window, true, start_us, &spare);
    assert_int_equal(empty->rows, 0);
    view_frame_unref(empty);
    // Frames for one viewer use the same memory again, unless somebody has kept it.
    view_frame_unref(first);
    cursor = team_version(team);
    move(team, "w-1", t + 2, 100);
    struct view_frame *left = team_window_frame(team, protocol, cursor, window, false, start_us, &spare);
    assert_ptr_equal(left, spare);
    assert_int_equal(left->rows, 0);
    move(team, "w-1", t + 3, 6);
    struct view_frame *again =
        team_window_frame(team, protocol, team_version(team) - 1, window, false, start_us, &spare);
    assert_ptr_not_equal(left, again);
    view_frame_unref(left);
    view_frame_unref(again);
    view_frame_unref(spare);
    window_free(window);
  }
  team_free(team);
}

static void test_a_new_tracker_is_told_even_to_a_window_that_nothing_happens_in(void **state) {
  (void)state;
  struct view_box box = {0, 0, 9, 9};
  struct team *team = team_new("team-1");
  struct screen screen = {.protocol = VIEW_SOCKET_PROTOBUF, .window = window_new(&box)};
  move(team, "w-1", 1, 5);
  bring_up(&screen, team);
  team_merge_presence(team, text("w-2"), true, 5, text("tracker-2"), 0);  // nowhere, so outside
  bring_up(&screen, team);
  team_merge_presence(team, text("w-1"), true, 6, text("tracker-2"), 0);
  bring_up(&screen, team);
  assert_exact(&screen, team);
  assert_string_equal(screen.rows[1].tracker, "tracker-2");
  leave(&screen);
  team_free(team);
}

// The far ends of the world are further apart than 32 bits of 1e-7 degrees.
static void test_coordinates_far_from_the_base(void **state) {
  (void)state;
  struct team *team = team_new("team-1");
  struct screen screen = {.protocol = VIEW_SOCKET_PROTOBUF};
  move(team, "w-1", 1, 1800000000);
  bring_up(&screen, team);
  move(team, "w-2", 2, -1800000000);
  bring_up(&screen, team);
  assert_exact(&screen, team);
  assert_int_equal(screen.rows[2].longitude_e7, -1800000000);
  leave(&screen);
  team_free(team);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_viewers_of_all_protocols_have_what_is_in_their_box),
      cmocka_unit_test(test_what_happens_outside_the_box_sends_nothing),
      cmocka_unit_test(test_a_new_tracker_is_told_even_to_a_window_that_nothing_happens_in),
      cmocka_unit_test(test_coordinates_far_from_the_base),
  };
  return cmocka_run_group_tests_name("team_frame", tests, NULL, NULL);
}

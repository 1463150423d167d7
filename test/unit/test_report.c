// report.c: which promises a run broke, and that its JSON has what docs/simulator.md says.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "../../simulator/report.h"

static const struct settings settings = {
    .teams = 3, .processes = 2, .scenario = "steady", .replay = "", .view_bbox = ""};

// A good run of four workers and two viewers.
static struct figures *good(void) {
  static struct figures f;
  memset(&f, 0, sizeof f);
  f.workers = f.welcomed = 4;
  f.viewers = f.shown = 2;
  f.devices.sent = f.devices.taken = f.devices.acked = 40;
  return &f;
}

static size_t faults_of(const struct figures *f, bool has_played, int64_t recorded) {
  const struct report report = {
      .settings = &settings, .seconds = 10, .has_played = has_played, .figures = f, .recorded = recorded};
  struct buffer text = {0};
  size_t lines = 0;
  report_faults(&report, &text);
  for (size_t i = 0; i < text.len; i++) lines += text.data[i] == '\n';
  buffer_fini(&text);
  return lines;
}

static size_t faults(const struct figures *f, bool has_played) {
  return faults_of(f, has_played, REPORT_UNASKED);
}

static void a_good_run_broke_nothing(void **state) {
  (void)state;
  assert_int_equal(faults(good(), true), 0);
  struct figures *f = good();
  f->devices.refused[1] = f->devices.resent = f->devices.dropped = f->views.stales = f->connect_failures = 5;
  assert_int_equal(faults(f, true), 0);
}

#define BREAKS(field, value)              \
  do {                                    \
    struct figures *f = good();           \
    f->field = (value);                   \
    assert_int_equal(faults(f, true), 1); \
  } while (0)

static void each_broken_promise_is_told(void **state) {
  (void)state;
  BREAKS(unacked, 1);
  BREAKS(welcomed, 3);
  BREAKS(shown, 1);
  BREAKS(devices.dropped_sent, 1);
  BREAKS(views.backward, 1);
  BREAKS(views.outside, 1);
  BREAKS(views.errors, 1);
}

static void what_was_acked_must_be_recorded(void **state) {
  (void)state;
  assert_int_equal(faults_of(good(), true, 40), 0);
  assert_int_equal(faults_of(good(), true, 39), 1);
  assert_int_equal(faults_of(good(), true, 0), 1);
  assert_int_equal(faults_of(good(), true, 41), 1);
  assert_int_equal(faults_of(good(), true, REPORT_UNKNOWN), 1);
  struct figures *f = good();
  f->devices.acked = 38;  // what was sent may be recorded without an ack
  assert_int_equal(faults_of(f, true, 40), 0);
}

static void who_was_stopped_early_need_not_have_let_all_in(void **state) {
  (void)state;
  struct figures *f = good();
  f->welcomed = 1;
  f->shown = 0;
  assert_int_equal(faults(f, false), 0);
  f->welcomed = 0;
  assert_true(faults(f, false) > 0);
}

static cJSON *parsed(const struct figures *f, int64_t recorded) {
  const struct report report = {
      .settings = &settings, .seconds = 10, .has_played = true, .figures = f, .recorded = recorded};
  struct buffer text = {0};
  report_json(&report, &text);
  cJSON *json = cJSON_ParseWithLength((const char *)text.data, text.len);
  buffer_fini(&text);
  return json;
}

static void the_json_is_whole(void **state) {
  (void)state;
  struct figures *f = good();
  hist_record(&f->devices.ack, 2000);
  f->devices.wanted = 80;
  f->views.positions = 33;
  cJSON *json = parsed(f, 39);
  assert_non_null(json);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "recorded")), 39);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "acked")), 40);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "processes")), 2);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "ack_ms"), "p50")), 2);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "conflated")), 47);
  cJSON_Delete(json);
  json = parsed(f, REPORT_UNASKED);
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "recorded")));
  cJSON_Delete(json);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_good_run_broke_nothing),
      cmocka_unit_test(each_broken_promise_is_told),
      cmocka_unit_test(who_was_stopped_early_need_not_have_let_all_in),
      cmocka_unit_test(what_was_acked_must_be_recorded),
      cmocka_unit_test(the_json_is_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// trace.c: CSV of recorded fixes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/trace.h"

static struct trace trace;
static uint32_t bad_lines[16];
static const char *bad_reasons[16];
static int bad_count;

static void on_bad(void *context, uint32_t line, const char *reason) {
  (void)context;
  bad_lines[bad_count % 16] = line;
  bad_reasons[bad_count++ % 16] = reason;
}

static int setup(void **state) {
  (void)state;
  bad_count = 0;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  trace_fini(&trace);
  return 0;
}

static void parse(const char *text) {
  assert_null(trace_parse(text, strlen(text), on_bad, NULL, &trace));
}

static int64_t time_of(const char *text) {
  int64_t us;
  assert_true(trace_time(text, strlen(text), &us));
  return us;
}

static void reads_times(void **state) {
  (void)state;
  assert_int_equal(time_of("2020-07-18T08:00:00Z"), INT64_C(1595059200000000));
  assert_int_equal(time_of("2020-07-18T08:00:00"), INT64_C(1595059200000000));
  assert_int_equal(time_of("2020-07-18 08:00:00.25+00:00"), INT64_C(1595059200250000));
  assert_int_equal(time_of("2020-07-18T08:00:00.123456Z"), INT64_C(1595059200123456));
  assert_int_equal(time_of("1970-01-01T00:00:00Z"), 0);
  assert_int_equal(time_of("2000-02-29T23:59:59Z"), INT64_C(951868799000000));
  assert_int_equal(time_of("2100-03-01T00:00:00Z"), INT64_C(4107542400000000));
  assert_int_equal(time_of("1595059200"), INT64_C(1595059200000000));
  assert_int_equal(time_of("1595059200.000001"), INT64_C(1595059200000001));
}

static void refuses_what_is_no_time(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "now",
      "-5",
      "2020-07-18",
      "2020-13-18T08:00:00Z",
      "2020-00-18T08:00:00Z",
      "2021-02-29T08:00:00Z",
      "2100-02-29T08:00:00Z",
      "2020-07-32T08:00:00Z",
      "2020-07-18T24:00:00Z",
      "2020-07-18T08:60:00Z",
      "2020-07-18T08:00:60Z",
      "2020-07-18T08:00:00+02:00",
      "2020-07-18T08:00:00.Z5",
      "2020-07-18T08:00:0",
      "1969-12-31T23:59:59Z",
      "2020-07-18T08:00:00ZZ",
      "1e9",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int64_t us;
    if (trace_time(bad[i], strlen(bad[i]), &us)) fail_msg("\"%s\" was taken", bad[i]);
  }
}

static void finds_columns_by_name(void **state) {
  (void)state;
  parse("longitude,speed,worker,time,latitude\n8.5417,3,van-7,10,47.3769\n");
  assert_int_equal(trace.fix_count, 1);
  assert_int_equal(trace.fixes[0].taken_at_us, 10000000);
  assert_int_equal(trace.fixes[0].latitude_e7, 473769000);
  assert_int_equal(trace.fixes[0].longitude_e7, 85417000);
  assert_string_equal(trace.workers[0].name, "van-7");
}

static void takes_crlf_quotes_a_byte_order_mark_and_empty_lines(void **state) {
  (void)state;
  parse("\xef\xbb\xbftime,\"worker\",latitude,longitude\r\n\r\n\"10\",\"a\",\"1\",\"2\"\r\n11,a,1,2");
  assert_int_equal(trace.fix_count, 2);
  assert_int_equal(bad_count, 0);
}

static void says_which_column_is_missing(void **state) {
  (void)state;
  const char text[] = "time,worker,latitude\n1,a,2\n";
  const char *fault = trace_parse(text, sizeof text - 1, on_bad, NULL, &trace);
  assert_non_null(strstr(fault, "longitude"));
  assert_non_null(trace_parse("", 0, on_bad, NULL, &trace));
}

static void names_bad_lines_and_goes_on(void **state) {
  (void)state;
  parse(
      "time,worker,latitude,longitude\n"
      "1,a,1,1\n"
      "x,a,1,1\n"
      "2,a b,1,1\n"
      "3,a,91,1\n"
      "4,a,1,-180.1\n"
      "5,a,1\n"
      "6,a,1,1\n");
  assert_int_equal(trace.fix_count, 2);
  assert_int_equal(trace.bad_lines, 5);
  static const char *const words[] = {"time", "worker", "latitude", "longitude", "missing"};
  for (uint32_t i = 0; i < 5; i++) {
    assert_int_equal(bad_lines[i], i + 3);
    assert_non_null(strstr(bad_reasons[i], words[i]));
  }
}

static void sorts_by_worker_and_time(void **state) {
  (void)state;
  parse("time,worker,latitude,longitude\n3,b,1,1\n2,a,1,1\n1,b,1,1\n1,a,1,1\n");
  assert_int_equal(trace.worker_count, 2);
  for (uint32_t w = 0; w < 2; w++) {
    const struct trace_worker *worker = &trace.workers[w];
    assert_int_equal(worker->count, 2);
    for (uint32_t i = 0; i < 2; i++) assert_int_equal(trace.fixes[worker->first + i].worker, w);
    assert_true(trace.fixes[worker->first].taken_at_us < trace.fixes[worker->first + 1].taken_at_us);
  }
}

static void fixes_of_one_second_stay_apart_by_their_fraction(void **state) {
  (void)state;
  parse("time,worker,latitude,longitude\n5.1,a,1,1\n5.2,a,2,2\n5.1,b,3,3\n");
  assert_int_equal(trace.fix_count, 3);
}

static void the_first_of_two_with_one_identity_is_kept(void **state) {
  (void)state;
  parse("time,worker,latitude,longitude\n5,a,1,1\n4,a,1,1\n5,a,2,2\n5,b,3,3\n");
  assert_int_equal(trace.fix_count, 3);
  assert_int_equal(bad_count, 1);
  assert_int_equal(bad_lines[0], 4);
  assert_int_equal(trace.fixes[1].latitude_e7, 10000000);
  assert_int_equal(trace.workers[1].first, 2);
}

static void takes_many_workers(void **state) {
  (void)state;
  enum { WORKERS = 5000 };
  char *text = malloc(WORKERS * 2 * 40), *at = text;
  at += sprintf(at, "time,worker,latitude,longitude\n");
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < WORKERS; i++) at += sprintf(at, "%d,worker-%d,1,1\n", 10 + round, i);
  }
  parse(text);
  free(text);
  assert_int_equal(trace.worker_count, WORKERS);
  for (int i = 0; i < WORKERS; i++) assert_int_equal(trace.workers[i].count, 2);
}

// The published test values of FNV-1a (64 bits) for "" and "a" are the start value and 0xaf63dc4c8601ec8c.
static void a_workers_team_is_fnv1a_modulo_teams(void **state) {
  (void)state;
  assert_int_equal(trace_team("a", 10), UINT64_C(0xaf63dc4c8601ec8c) % 10);
  assert_int_equal(trace_team("a", 7), UINT64_C(0xaf63dc4c8601ec8c) % 7);
  assert_int_equal(trace_team("foobar", 1000), UINT64_C(0x85944171f73967e8) % 1000);
}

static void no_bytes_lead_it_astray(void **state) {
  (void)state;
  static const char alphabet[] = "time,worker,latitude,longitude\n\r\",,01.-aZ\xef";
  srand(2);
  for (int i = 0; i < 20000; i++) {
    char head[] = "time,worker,latitude,longitude\n";
    size_t len = (size_t)rand() % 80, head_len = rand() % 4 ? sizeof head - 1 : 0;
    char *text = malloc(head_len + len + 1);  // so that a sanitizer sees an overrun
    memcpy(text, head, head_len);
    for (size_t k = 0; k < len; k++) text[head_len + k] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
    if (trace_parse(text, head_len + len, on_bad, NULL, &trace) == NULL) trace_fini(&trace);
    free(text);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(reads_times),
      TEST(refuses_what_is_no_time),
      TEST(finds_columns_by_name),
      TEST(takes_crlf_quotes_a_byte_order_mark_and_empty_lines),
      TEST(says_which_column_is_missing),
      TEST(names_bad_lines_and_goes_on),
      TEST(sorts_by_worker_and_time),
      TEST(fixes_of_one_second_stay_apart_by_their_fraction),
      TEST(the_first_of_two_with_one_identity_is_kept),
      TEST(takes_many_workers),
      TEST(a_workers_team_is_fnv1a_modulo_teams),
      TEST(no_bytes_lead_it_astray),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

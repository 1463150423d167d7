// spool.c: what is kept, in what order it is sent, and what acks take out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/spool.h"

static struct spool spool;
static struct spool_entry dropped;
static int64_t acked[64];
static int acked_count;

static void on_acked(void *context, const struct spool_entry *entry) {
  (void)context;
  acked[acked_count++] = entry->position.taken_at_us;
}

static int setup(void **state) {
  (void)state;
  acked_count = 0;
  spool_init(&spool, 8);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  spool_fini(&spool);
  return 0;
}

// Adds positions with these times.
static void add(int64_t from, int64_t to) {
  for (int64_t t = from; t <= to; t++) {
    const struct position position = {.taken_at_us = t, .has = POSITION_HAS_ALL_REQUIRED};
    assert_false(spool_add(&spool, &position, t, &dropped));
  }
}

// Sends the next run as this report and returns the time of its first position; checks that it has so many.
static int64_t send(uint32_t report, uint32_t most, uint32_t window, uint32_t count) {
  uint64_t sequence;
  assert_int_equal(spool_pick(&spool, most, window, &sequence), count);
  if (count == 0) return -1;
  int64_t first = spool_at(&spool, sequence)->position.taken_at_us;
  spool_sent(&spool, sequence, count, report);
  return first;
}

static void sends_in_order_and_in_batches(void **state) {
  (void)state;
  add(1, 5);
  assert_int_equal(send(1, 3, 100, 3), 1);
  assert_int_equal(send(2, 3, 100, 2), 4);
  assert_int_equal(send(3, 3, 100, 0), -1);
  assert_false(spool_unsent(&spool));
}

static void an_ack_is_cumulative(void **state) {
  (void)state;
  add(1, 5);
  send(1, 2, 100, 2);
  send(2, 2, 100, 2);
  send(3, 2, 100, 1);
  spool_ack(&spool, 2, on_acked, NULL);
  assert_int_equal(acked_count, 4);
  for (int i = 0; i < 4; i++) assert_int_equal(acked[i], i + 1);
  assert_int_equal(spool.waiting, 1);
  spool_ack(&spool, 2, on_acked, NULL);
  assert_int_equal(acked_count, 4);
}

static void after_a_rewind_the_newest_is_sent_first_then_the_backlog(void **state) {
  (void)state;
  add(1, 5);
  send(1, 8, 100, 5);
  spool_rewind(&spool);
  assert_int_equal(send(1, 2, 100, 1), 5);
  assert_int_equal(send(2, 2, 100, 2), 1);
  assert_int_equal(send(3, 2, 100, 2), 3);
  assert_false(spool_unsent(&spool));
}

static void what_is_new_goes_before_the_backlog(void **state) {
  (void)state;
  add(1, 4);
  spool_rewind(&spool);
  send(1, 1, 100, 1);
  assert_int_equal(send(2, 1, 100, 1), 1);
  add(5, 5);
  assert_int_equal(send(3, 1, 100, 1), 5);
  assert_int_equal(send(4, 8, 100, 2), 2);
}

static void the_window_holds_back_the_backlog_only(void **state) {
  (void)state;
  add(1, 5);
  spool_rewind(&spool);
  assert_int_equal(send(1, 8, 3, 1), 5);
  assert_int_equal(send(2, 8, 3, 2), 1);
  assert_int_equal(send(3, 8, 3, 0), -1);
  assert_true(spool_unsent(&spool));
  add(6, 6);
  assert_int_equal(send(3, 8, 3, 1), 6);
  assert_int_equal(send(4, 8, 3, 0), -1);  // more in flight than the window
  spool_ack(&spool, 2, on_acked, NULL);
  assert_int_equal(send(4, 8, 3, 2), 3);
}

static void acked_out_of_order_are_not_sent_again(void **state) {
  (void)state;
  add(1, 4);
  spool_rewind(&spool);
  send(1, 1, 100, 1);  // 4
  spool_ack(&spool, 1, on_acked, NULL);
  spool_rewind(&spool);
  assert_int_equal(spool.waiting, 3);
  assert_int_equal(send(1, 8, 100, 3), 1);
  add(5, 5);
  assert_int_equal(send(2, 8, 100, 1), 5);
}

static void full_it_drops_the_oldest(void **state) {
  (void)state;
  add(1, 8);
  send(1, 2, 100, 2);
  const struct position ninth = {.taken_at_us = 9};
  assert_true(spool_add(&spool, &ninth, 9, &dropped));
  assert_int_equal(dropped.position.taken_at_us, 1);
  assert_true(dropped.ever_sent);
  assert_int_equal(spool.waiting, 8);
  assert_int_equal(spool.in_flight, 1);
  assert_int_equal(send(2, 100, 100, 7), 3);
}

static void a_position_is_refused_by_report_and_index(void **state) {
  (void)state;
  struct spool_entry entry;
  add(1, 4);
  send(1, 2, 100, 2);
  send(2, 2, 100, 2);
  assert_true(spool_refuse(&spool, 2, 1, &entry));
  assert_int_equal(entry.position.taken_at_us, 4);
  assert_false(spool_refuse(&spool, 2, 1, &entry));
  assert_false(spool_refuse(&spool, 3, 0, &entry));
  spool_ack(&spool, 2, on_acked, NULL);
  assert_int_equal(acked_count, 3);
  assert_int_equal(spool.waiting, 0);
}

static void what_was_never_sent_is_never_acked(void **state) {
  (void)state;
  struct spool_entry entry;
  add(1, 2);
  spool_ack(&spool, 5, on_acked, NULL);
  assert_int_equal(acked_count, 0);
  assert_false(spool_refuse(&spool, 0, 0, &entry));
}

static void gives_memory_back_after_a_long_outage(void **state) {
  (void)state;
  spool_init(&spool, 1000);
  add(1, 900);
  send(1, 1000, 1000, 900);
  struct spool_entry entry;
  for (uint32_t i = 0; i < 900; i++) assert_true(spool_refuse(&spool, 1, i, &entry));
  assert_null(spool.entries);
  add(901, 901);
  assert_int_equal(send(2, 8, 8, 1), 901);
}

// Against a model: random adds, sends, acks, refusals and reconnects; nothing is lost, acked twice or sent out of turn.
static void agrees_with_a_model(void **state) {
  (void)state;
  enum { GONE, KEPT };
  srand(9);
  for (int round = 0; round < 300; round++) {
    char model[600] = {0};
    uint32_t report_of[600] = {0}, reports = 0;
    int64_t next = 1;
    spool_fini(&spool);
    spool_init(&spool, 40);
    for (int i = 0; i < 400; i++) {
      int what = rand() % 10;
      uint64_t sequence;
      if (what < 5 && next < 600) {
        const struct position position = {.taken_at_us = next};
        if (spool_add(&spool, &position, next, &dropped)) model[dropped.position.taken_at_us] = GONE;
        model[next++] = KEPT;
      } else if (what < 8) {
        uint32_t count = spool_pick(&spool, (uint32_t)(rand() % 5 + 1), 20, &sequence);
        if (count > 0) reports++;
        for (uint32_t k = 0; k < count; k++) {
          int64_t t = spool_at(&spool, sequence + k)->position.taken_at_us;
          assert_int_equal(model[t], KEPT);
          assert_int_equal(report_of[t], 0);
          report_of[t] = reports;
        }
        if (count > 0) spool_sent(&spool, sequence, count, reports);
      } else if (what == 8 && reports > 0) {
        uint32_t report = (uint32_t)rand() % reports + 1;
        acked_count = 0;
        spool_ack(&spool, report, on_acked, NULL);
        for (int k = 0; k < acked_count; k++) {
          assert_int_equal(model[acked[k]], KEPT);
          model[acked[k]] = GONE;
        }
        for (int64_t t = 1; t < next; t++) assert_false(model[t] == KEPT && report_of[t] && report_of[t] <= report);
      } else if (rand() % 4 == 0) {
        spool_rewind(&spool);
        memset(report_of, 0, sizeof report_of);
        reports = 0;
      }
      uint32_t kept = 0;
      for (int64_t t = 1; t < next; t++) kept += model[t] == KEPT;
      assert_int_equal(spool.waiting, kept);
    }
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sends_in_order_and_in_batches),
      TEST(an_ack_is_cumulative),
      TEST(after_a_rewind_the_newest_is_sent_first_then_the_backlog),
      TEST(what_is_new_goes_before_the_backlog),
      TEST(the_window_holds_back_the_backlog_only),
      TEST(acked_out_of_order_are_not_sent_again),
      TEST(full_it_drops_the_oldest),
      TEST(a_position_is_refused_by_report_and_index),
      TEST(what_was_never_sent_is_never_acked),
      TEST(gives_memory_back_after_a_long_outage),
      TEST(agrees_with_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

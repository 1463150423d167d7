// batcher.c: pending batches, and what "durable" means when batches are stored out of order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tracker/batcher.h"

static struct update position_of(const char *worker, int64_t taken_at_us) {
  return (struct update){
      .worker = {worker, strlen(worker)},
      .received_at_us = taken_at_us + 5,
      .has_position = true,
      .position = {.taken_at_us = taken_at_us, .latitude_e7 = 1, .longitude_e7 = 2, .has = POSITION_HAS_ALL_REQUIRED},
  };
}

static uint64_t append(struct batcher *batcher, const char *team, const char *worker, int64_t taken_at_us) {
  struct update update = position_of(worker, taken_at_us);
  return batcher_append(batcher, batcher_team(batcher, team), &update);
}

static size_t count_updates(const struct buffer *bytes, struct batch_header *out_header) {
  struct batch_reader reader;
  struct update update;
  assert_true(batch_open(bytes->data, bytes->len, &reader, out_header));
  size_t count = 0;
  while (batch_next(&reader, &update) == BATCH_UPDATE) count++;
  return count;
}

static void groups_live_by_team_and_log_by_time(void **state) {
  (void)state;
  struct batcher *batcher = batcher_new("t1", 99);
  append(batcher, "a", "w1", 1);
  append(batcher, "b", "w2", 2);
  append(batcher, "a", "w3", 3);
  struct live_batch *live = batcher_take_live(batcher, 0);
  struct batch_header header;
  assert_string_equal(batch_team_name(live->team), "a");
  assert_int_equal(count_updates(&live->bytes, &header), 2);
  assert_int_equal(header.number, 1);
  assert_int_equal(header.started_at_us, 99);
  assert_string_equal(batch_team_name(live->next->team), "b");
  assert_null(live->next->next);
  batcher_return_live(batcher, live);
  batcher_close_log(batcher);
  assert_int_equal(count_updates(&batcher_first_log(batcher)->bytes, &header), 3);
  batcher_free(batcher);
}

static void numbers_live_batches_per_team_without_gaps(void **state) {
  (void)state;
  struct batcher *batcher = batcher_new("t1", 99);
  struct batch_header header;
  for (uint64_t number = 1; number <= 5; number++) {
    if (number % 2) append(batcher, "other", "w", 1);
    append(batcher, "a", "w", (int64_t)number);
    struct live_batch *live = batcher_take_live(batcher, 0);
    struct live_batch *of_a = strcmp(batch_team_name(live->team), "a") == 0 ? live : live->next;
    count_updates(&of_a->bytes, &header);
    assert_int_equal(header.number, number);
    batcher_return_live(batcher, live);
  }
  assert_null(batcher_take_live(batcher, 0));
  batcher_free(batcher);
}

// The number of the one pending batch, which must be empty; 0 if none is pending.
static uint64_t take_tail(struct batcher *batcher, int64_t now_us) {
  batcher_add_tails(batcher, now_us);
  struct live_batch *live = batcher_take_live(batcher, now_us);
  if (!live) return 0;
  struct batch_header header;
  assert_int_equal(count_updates(&live->bytes, &header), 0);
  assert_null(live->next);
  batcher_return_live(batcher, live);
  return header.number;
}

static void a_silent_team_gets_tails_under_its_last_number(void **state) {
  (void)state;
  struct batcher *batcher = batcher_new("t1", 99);
  for (int i = 0; i < 3; i++) {
    append(batcher, "a", "w", i);
    batcher_return_live(batcher, batcher_take_live(batcher, 10));
  }
  assert_int_equal(take_tail(batcher, 10 + 999999), 0);
  assert_int_equal(take_tail(batcher, 10 + 1000000), 3);
  assert_int_equal(take_tail(batcher, 10 + 4999999), 0);
  assert_int_equal(take_tail(batcher, 10 + 5000000), 3);
  assert_int_equal(take_tail(batcher, 10 + 99000000), 0);
  append(batcher, "a", "w", 9);  // a tail takes no number
  struct live_batch *live = batcher_take_live(batcher, 100000000);
  struct batch_header header;
  assert_int_equal(count_updates(&live->bytes, &header), 1);
  assert_int_equal(header.number, 4);
  batcher_return_live(batcher, live);
  assert_int_equal(take_tail(batcher, 101000000), 4);
  batcher_free(batcher);
}

static void a_team_with_news_gets_no_tail(void **state) {
  (void)state;
  struct batcher *batcher = batcher_new("t1", 99);
  for (int64_t now_us = 0; now_us < 20000000; now_us += 900000) {
    append(batcher, "a", "w", now_us);
    batcher_add_tails(batcher, now_us);
    struct live_batch *live = batcher_take_live(batcher, now_us);
    assert_null(live->next);
    batcher_return_live(batcher, live);
  }
  batcher_free(batcher);
}

static uint64_t done_numbers[8];
static size_t done_count, done_waiters;

static void on_done(void *context, const struct log_batch *batch) {
  (void)context;
  done_numbers[done_count++] = batch->number;
  done_waiters += batch->waiter_count;
}

static void a_batch_is_done_only_after_all_before_it(void **state) {
  (void)state;
  done_count = done_waiters = 0;
  struct batcher *batcher = batcher_new("t1", 99);
  for (int i = 1; i <= 3; i++) {
    uint64_t number = append(batcher, "a", "w", i);
    batcher_wait(batcher, number, (struct batch_waiter){(uint32_t)i, 0});
    batcher_close_log(batcher);
  }
  assert_int_equal(batcher_durable_log(batcher), 0);
  batcher_find_log(batcher, 2)->durable = true;
  batcher_find_log(batcher, 3)->durable = true;
  batcher_reap(batcher, on_done, NULL);
  assert_int_equal(done_count, 0);
  assert_int_equal(batcher_durable_log(batcher), 0);
  batcher_find_log(batcher, 1)->durable = true;
  batcher_reap(batcher, on_done, NULL);
  assert_int_equal(done_count, 3);
  assert_int_equal(done_waiters, 3);
  assert_int_equal(done_numbers[0], 1);
  assert_int_equal(done_numbers[2], 3);
  assert_int_equal(batcher_durable_log(batcher), 3);
  assert_int_equal(batcher_backlog(batcher), 0);
  batcher_free(batcher);
}

static void a_lent_batch_stays_even_if_durable(void **state) {
  (void)state;
  done_count = 0;
  struct batcher *batcher = batcher_new("t1", 99);
  append(batcher, "a", "w", 1);
  batcher_close_log(batcher);
  struct log_batch *batch = batcher_first_log(batcher);
  batch->lent = batch->durable = true;
  batcher_reap(batcher, on_done, NULL);
  assert_int_equal(done_count, 0);
  batch->lent = false;
  batcher_reap(batcher, on_done, NULL);
  assert_int_equal(done_count, 1);
  batcher_free(batcher);
}

static void an_open_batch_is_not_durable(void **state) {
  (void)state;
  struct batcher *batcher = batcher_new("t1", 99);
  assert_int_equal(append(batcher, "a", "w", 1), 1);
  assert_int_equal(batcher_newest_log(batcher), 1);
  assert_int_equal(batcher_durable_log(batcher), 0);
  assert_true(batcher_backlog(batcher) > 0);
  batcher_free(batcher);
}

static void large_batches_are_cut(void **state) {
  (void)state;
  struct batcher *batcher = batcher_new("t1", 99);
  for (int i = 0; i < 10000; i++) append(batcher, "a", "w", i);
  batcher_close_log(batcher);
  struct batch_header header;
  size_t live_updates = 0, log_updates = 0;
  uint64_t number = 0;
  struct live_batch *live = batcher_take_live(batcher, 0);
  for (struct live_batch *batch = live; batch; batch = batch->next) {
    assert_true(batch->bytes.len < BATCHER_MAX_BYTES + 1024);
    live_updates += count_updates(&batch->bytes, &header);
    assert_int_equal(header.number, ++number);
  }
  for (struct log_batch *batch = batcher_first_log(batcher); batch; batch = batch->next) {
    assert_true(batch->bytes.len < BATCHER_MAX_BYTES + 1024);
    log_updates += count_updates(&batch->bytes, &header);
  }
  assert_int_equal(live_updates, 10000);
  assert_int_equal(log_updates, 10000);
  batcher_return_live(batcher, live);
  batcher_free(batcher);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(groups_live_by_team_and_log_by_time),
      cmocka_unit_test(numbers_live_batches_per_team_without_gaps),
      cmocka_unit_test(a_silent_team_gets_tails_under_its_last_number),
      cmocka_unit_test(a_team_with_news_gets_no_tail),
      cmocka_unit_test(a_batch_is_done_only_after_all_before_it),
      cmocka_unit_test(a_lent_batch_stays_even_if_durable),
      cmocka_unit_test(an_open_batch_is_not_durable),
      cmocka_unit_test(large_batches_are_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

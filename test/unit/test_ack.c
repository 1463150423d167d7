// ack.c: what may be acked when.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../tracker/ack.h"

static void acks_a_report_once_its_batch_is_durable(void **state) {
  (void)state;
  struct ack ack = {0};
  ack_note(&ack, 1, 7);
  assert_false(ack_advance(&ack, 6));
  assert_true(ack_advance(&ack, 7));
  assert_int_equal(ack.durable, 1);
}

static void acks_a_report_without_good_positions_at_once(void **state) {
  (void)state;
  struct ack ack = {0};
  ack_note(&ack, 1, 0);
  assert_true(ack_advance(&ack, 0));
  assert_int_equal(ack.durable, 1);
}

static void a_refused_report_waits_for_those_before_it(void **state) {
  (void)state;
  struct ack ack = {0};
  ack_note(&ack, 1, 5);
  ack_note(&ack, 2, 0);
  assert_false(ack_advance(&ack, 4));
  assert_true(ack_advance(&ack, 5));
  assert_int_equal(ack.durable, 2);
}

// Against a model that remembers every report: never too early, and everything in the end.
static void never_acks_early_and_loses_none(void **state) {
  (void)state;
  srand(1);
  for (int round = 0; round < 2000; round++) {
    struct ack ack = {0};
    uint64_t batch_of[64] = {0}, batch = 1, durable = 0;
    for (uint64_t report = 1; report < 64; report++) {
      batch += (uint64_t)(rand() % 3);
      batch_of[report] = rand() % 5 ? batch : 0;
      ack_note(&ack, report, batch_of[report]);
      if (rand() % 2 && durable + 1 < batch) durable += (uint64_t)rand() % (batch - durable);
      ack_advance(&ack, durable);
      for (uint64_t r = 1; r <= ack.durable; r++) assert_true(batch_of[r] <= durable);
    }
    ack_advance(&ack, batch);
    assert_int_equal(ack.durable, 63);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(acks_a_report_once_its_batch_is_durable),
      cmocka_unit_test(acks_a_report_without_good_positions_at_once),
      cmocka_unit_test(a_refused_report_waits_for_those_before_it),
      cmocka_unit_test(never_acks_early_and_loses_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// board.c: orders reach every desk, and figures are never half of one telling and half of another.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../simulator/board.h"

static void orders_are_read(void **state) {
  (void)state;
  struct board *board = board_new(2);
  assert_int_equal(board_phase(board), PHASE_CONNECT);
  assert_false(board_hurried(board));
  board_order(board, PHASE_PLAY, 12345);
  assert_int_equal(board_phase(board), PHASE_PLAY);
  assert_int_equal(board_phase_us(board), 12345);
  board_hurry(board);
  assert_true(board_hurried(board));
  board_disturb(board);
  board_disturb(board);
  assert_int_equal(board_disturbs(board), 2);
  board_free(board);
}

static void a_phase_is_done_when_all_are_done_with_that_one(void **state) {
  (void)state;
  struct board *board = board_new(2);
  assert_false(board_all_done(board, PHASE_CONNECT));
  board_done(board, 0, PHASE_CONNECT, true);
  assert_false(board_all_done(board, PHASE_CONNECT));
  board_done(board, 1, PHASE_CONNECT, true);
  assert_true(board_all_done(board, PHASE_CONNECT));
  assert_false(board_all_done(board, PHASE_PLAY));
  board_done(board, 0, PHASE_PLAY, true);
  assert_false(board_all_done(board, PHASE_PLAY));
  board_done(board, 1, PHASE_PLAY, true);
  board_done(board, 0, PHASE_PLAY, false);
  assert_false(board_all_done(board, PHASE_PLAY));
  board_free(board);
}

static void each_desk_has_its_own_figures(void **state) {
  (void)state;
  struct board *board = board_new(2);
  static struct figures told, read;
  board_read(board, 1, &read);
  assert_int_equal(read.devices.sent, 0);
  for (uint64_t i = 1; i <= 3; i++) {
    told.devices.sent = i;
    board_tell(board, 1, &told);
    board_read(board, 1, &read);
    assert_int_equal(read.devices.sent, i);
  }
  board_read(board, 0, &read);
  assert_int_equal(read.devices.sent, 0);
  board_free(board);
}

// Another process tells as fast as it can, all fields alike.
static void what_another_process_tells_is_read_whole(void **state) {
  (void)state;
  enum { TIMES = 20000 };
  struct board *board = board_new(1);
  static struct figures told, read;
  pid_t child = fork();
  assert_true(child >= 0);
  for (uint64_t i = 1; child == 0 && i <= TIMES; i++) {
    told.workers = told.devices.taken = told.devices.lateness.total = told.views.outside = i;
    board_tell(board, 0, &told);
  }
  if (child == 0) _exit(0);
  while (read.workers < TIMES) {
    board_read(board, 0, &read);
    assert_int_equal(read.devices.taken, read.workers);
    assert_int_equal(read.devices.lateness.total, read.workers);
    assert_int_equal(read.views.outside, read.workers);
  }
  assert_int_equal(waitpid(child, NULL, 0), child);
  board_free(board);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(orders_are_read),
      cmocka_unit_test(a_phase_is_done_when_all_are_done_with_that_one),
      cmocka_unit_test(each_desk_has_its_own_figures),
      cmocka_unit_test(what_another_process_tells_is_read_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

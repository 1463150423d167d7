// ledger.c: the file's lines, as docs/simulator.md describes them; and what a device still keeps when the run ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../simulator/device.h"
#include "../../simulator/ledger.h"

static char path[] = "/tmp/muster-test-ledger-XXXXXX";

static int setup(void **state) {
  (void)state;
  snprintf(path, sizeof path, "/tmp/muster-test-ledger-XXXXXX");
  int fd = mkstemp(path);
  return fd < 0 ? 1 : close(fd);
}

static int teardown(void **state) {
  (void)state;
  return unlink(path);
}

static void names_workers_and_tells_every_fate(void **state) {
  (void)state;
  const struct position position = {
      .taken_at_us = 1700000000123456, .latitude_e7 = -900000000, .longitude_e7 = 85417231};
  struct ledger *ledger = ledger_open(path);
  assert_non_null(ledger);
  ledger_worker(ledger, 7, "team-2", "van-7");
  ledger_note(ledger, LEDGER_ACKED, 7, &position, 1700000001000000);
  ledger_note(ledger, LEDGER_REFUSED, 7, &position, 1);
  ledger_note(ledger, LEDGER_DROPPED, 7, &position, 2);
  ledger_note(ledger, LEDGER_UNACKED, 7, &position, 3);
  ledger_note(ledger, LEDGER_UNSENT, UINT32_MAX, &position, 4);
  assert_true(ledger_close(ledger));
  char text[1024] = "";
  FILE *file = fopen(path, "re");
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  assert_string_equal(text,
                      "worker 7 team-2 van-7\n"
                      "acked 7 1700000000123456 -900000000 85417231 1700000001000000\n"
                      "refused 7 1700000000123456 -900000000 85417231 1\n"
                      "dropped 7 1700000000123456 -900000000 85417231 2\n"
                      "unacked 7 1700000000123456 -900000000 85417231 3\n"
                      "unsent 4294967295 1700000000123456 -900000000 85417231 4\n");
}

static void a_file_that_cannot_be_written_is_told(void **state) {
  (void)state;
  assert_null(ledger_open("/nonexistent/ledger"));
  if (access("/dev/full", W_OK) != 0) skip();
  struct ledger *ledger = ledger_open("/dev/full");
  assert_non_null(ledger);
  ledger_worker(ledger, 1, "team-1", "walk-1");
  assert_false(ledger_close(ledger));
}

static void without_a_ledger_nothing_happens(void **state) {
  (void)state;
  ledger_worker(NULL, 1, "team-1", "walk-1");
  ledger_note(NULL, LEDGER_ACKED, 1, &(struct position){0}, 1);
  assert_true(ledger_close(NULL));
}

static void ignore(void *context, const struct position *position, bool again) {
  (void)context, (void)position, (void)again;
}

static void welcomed(void *context, bool again) {
  (void)context, (void)again;
}

static void acked(void *context, const struct position *position, int64_t planned_us, int64_t now_us) {
  (void)context, (void)position, (void)planned_us, (void)now_us;
}

static void add_up(void *context, const struct position *position, bool was_sent) {
  int64_t *sums = context;
  sums[was_sent] += position->taken_at_us;
}

static void a_device_tells_what_it_keeps_and_since_when(void **state) {
  (void)state;
  const struct device_options options = {.agent = "test",
                                         .spool_positions = 100,
                                         .batch = 10,
                                         .window = 20,
                                         .sent = ignore,
                                         .acked = acked,
                                         .welcomed = welcomed};
  static const uint8_t welcome[] = {2, 0x0a, 0}, ack_of_1[] = {4, 0x12, 2, 8, 1};
  uint8_t bytes[1024];
  struct device *device = device_new(&options, NULL, 1, 0);
  assert_true(device_unacked_since_us(device) == INT64_MAX);
  device_connecting(device, 0);
  device_connected(device, 0, "token", 5, bytes);
  assert_true(device_receive(device, 0, welcome, sizeof welcome));
  for (int64_t i = 1; i <= 3; i++) {  // 1 is acked, 2 is sent, 4 is neither
    const struct position position = {.taken_at_us = i == 3 ? 4 : i, .has = POSITION_HAS_ALL_REQUIRED};
    device_add(device, &position, 10 * i);
    if (i < 3) assert_true(device_write(device, 0, bytes, sizeof bytes) > 0);
  }
  assert_true(device_unacked_since_us(device) == 10);
  assert_true(device_receive(device, 0, ack_of_1, sizeof ack_of_1));
  assert_true(device_unacked_since_us(device) == 20);
  int64_t sums[2] = {0, 0};
  device_each_unacked(device, add_up, sums);
  assert_true(sums[true] == 2 && sums[false] == 4);
  device_free(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(names_workers_and_tells_every_fate, setup, teardown),
      cmocka_unit_test(a_file_that_cannot_be_written_is_told),
      cmocka_unit_test(without_a_ledger_nothing_happens),
      cmocka_unit_test(a_device_tells_what_it_keeps_and_since_when),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

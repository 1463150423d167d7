// device.c: reports that are said twice on purpose.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/device.h"
#include "device.pb-c.h"
#include "frame.h"

static int sent, again, acked;

static void on_sent(void *context, const struct position *position, bool is_again) {
  (void)context, (void)position;
  is_again ? again++ : sent++;
}

static void on_acked(void *context, const struct position *position, int64_t planned_us, int64_t now_us) {
  (void)context, (void)position, (void)planned_us, (void)now_us;
  acked++;
}

static void on_welcomed(void *context, bool is_again) {
  (void)context, (void)is_again;
}

static struct device_options options = {.agent = "test",
                                        .spool_positions = 1000,
                                        .batch = 10,
                                        .window = 20,
                                        .sent = on_sent,
                                        .acked = on_acked,
                                        .welcomed = on_welcomed};

static struct device *welcomed_device(void) {
  static const uint8_t welcome[] = {2, 0x0a, 0};
  uint8_t hello[256];
  sent = again = acked = 0;
  struct device *device = device_new(&options, NULL, 1, 0);
  device_connecting(device, 0);
  device_connected(device, 0, "token", 5, hello);
  assert_true(device_receive(device, 0, welcome, sizeof welcome));
  return device;
}

// Takes a position and sends it. Reads the reports, which must be numbered on from *number; returns how many there
// were, all of the same position.
static int send_one(struct device *device, int64_t taken_us, uint64_t *number, bool *out_asked) {
  const struct position position = {.taken_at_us = taken_us, .has = POSITION_HAS_ALL_REQUIRED};
  uint8_t bytes[1024];
  struct frame frame;
  int count = 0;
  device_add(device, &position, 0);
  size_t len = device_write(device, 0, bytes, sizeof bytes), at = 0;
  *out_asked = false;
  for (; at < len; at += frame.total_len, count++) {
    assert_int_equal(frame_next(bytes + at, len - at, &frame), FRAME_OK);
    Muster__DeviceMessage *message = muster__device_message__unpack(NULL, frame.body_len, frame.body);
    assert_non_null(message);
    assert_int_equal(message->body_case, MUSTER__DEVICE_MESSAGE__BODY_REPORT);
    assert_int_equal(message->report->number, ++*number);
    assert_int_equal(message->report->n_positions, 1);
    assert_int_equal(message->report->positions[0]->taken_at_us, taken_us);
    if (message->report->ack_now) *out_asked = true;
    muster__device_message__free_unpacked(message, NULL);
  }
  return count;
}

static void every_third_report_is_said_twice(void **state) {
  (void)state;
  options.repeat_every = 3;
  struct device *device = welcomed_device();
  uint64_t number = 0;
  bool asked;
  for (int64_t i = 1; i <= 30; i++) {
    bool twice = (number + 1) % 3 == 0;
    assert_int_equal(send_one(device, i, &number, &asked), twice ? 2 : 1);
    assert_false(asked);  // as if it had been said once
  }
  assert_int_equal(sent, 30);
  assert_int_equal(again, (int)number - 30);
  assert_true(again > 9);
  device_free(device);
}

static void what_was_said_twice_is_acked_once_by_its_first_report(void **state) {
  (void)state;
  static const uint8_t ack_of_1[] = {4, 0x12, 2, 8, 1}, ack_of_2[] = {4, 0x12, 2, 8, 2};
  options.repeat_every = 1;
  struct device *device = welcomed_device();
  uint64_t number = 0;
  bool asked;
  device_flush(device);
  assert_int_equal(send_one(device, 7, &number, &asked), 2);
  assert_true(asked && device_ack_wanted(device));
  assert_true(device_receive(device, 0, ack_of_1, sizeof ack_of_1));
  assert_true(acked == 1 && device_unacked(device) == 0 && !device_ack_wanted(device));
  assert_true(device_receive(device, 0, ack_of_2, sizeof ack_of_2));
  assert_int_equal(acked, 1);
  device_free(device);
}

static void without_room_for_both_it_is_said_once(void **state) {
  (void)state;
  options.repeat_every = 1;
  struct device *device = welcomed_device();
  uint8_t bytes[DEVICE_WRITE_BYTES];
  const struct position position = {.taken_at_us = 1, .has = POSITION_HAS_ALL_REQUIRED};
  device_add(device, &position, 0);
  size_t len = device_write(device, 0, bytes, sizeof bytes);
  assert_true(len > 0 && len <= sizeof bytes);
  assert_true(sent == 1 && again == 0);
  device_free(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_third_report_is_said_twice),
      cmocka_unit_test(what_was_said_twice_is_acked_once_by_its_first_report),
      cmocka_unit_test(without_room_for_both_it_is_said_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

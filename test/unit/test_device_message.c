// device_message.c against the code that protobuf-c generates from proto/device.proto.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/device_message.h"
#include "device.pb-c.h"

// The body of the one frame that was written from `start` to `end`.
static struct frame only_frame(const uint8_t *start, const uint8_t *end) {
  struct frame frame;
  assert_int_equal(frame_next(start, (size_t)(end - start), &frame), FRAME_OK);
  assert_int_equal(frame.total_len, end - start);
  return frame;
}

static Muster__DeviceMessage *unpack(const uint8_t *start, const uint8_t *end) {
  struct frame frame = only_frame(start, end);
  Muster__DeviceMessage *message = muster__device_message__unpack(NULL, frame.body_len, frame.body);
  assert_non_null(message);
  return message;
}

static void writes_a_hello(void **state) {
  (void)state;
  uint8_t bytes[2048];
  char token[1000];
  memset(token, 'x', sizeof token);
  static const size_t lengths[] = {0, 1, 100, 127, 128, 1000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    int64_t last_session = i % 2 ? 1700000000000000 : 0;
    uint8_t *end = device_message_hello(bytes, token, lengths[i], "agent/1", last_session);
    assert_true((size_t)(end - bytes) <= lengths[i] + 7 + DEVICE_MESSAGE_BYTES);
    Muster__DeviceMessage *message = unpack(bytes, end);
    assert_int_equal(message->body_case, MUSTER__DEVICE_MESSAGE__BODY_HELLO);
    assert_int_equal(strlen(message->hello->token), lengths[i]);
    assert_int_equal(message->hello->protocol, 1);
    assert_string_equal(message->hello->agent, "agent/1");
    assert_int_equal(message->hello->has_last_session, last_session != 0);
    assert_int_equal(message->hello->last_session, last_session);
    muster__device_message__free_unpacked(message, NULL);
  }
}

static void writes_a_ping(void **state) {
  (void)state;
  uint8_t bytes[16];
  Muster__DeviceMessage *message = unpack(bytes, device_message_ping(bytes));
  assert_int_equal(message->body_case, MUSTER__DEVICE_MESSAGE__BODY_PING);
  muster__device_message__free_unpacked(message, NULL);
}

static struct position random_position(void) {
  return (struct position){
      .taken_at_us = (int64_t)((uint64_t)rand() << 32 | (uint64_t)rand()),
      .latitude_e7 = rand() % 1800000001 - 900000000,
      .longitude_e7 = rand() - 1073741824,
      .speed_cm_s = (uint32_t)rand() % 100001,
      .heading_cdeg = (uint32_t)rand() % 36000,
      .accuracy_cm = (uint32_t)rand(),
      .altitude_cm = rand() % 20000001 - 10000000,
      .battery_percent = (uint32_t)rand() % 101,
      .has = POSITION_HAS_ALL_REQUIRED | ((uint32_t)rand() & 31),
  };
}

static void assert_same(const Muster__Position *theirs, const struct position *ours) {
  assert_true(theirs->has_taken_at_us && theirs->taken_at_us == ours->taken_at_us);
  assert_true(theirs->has_latitude_e7 && theirs->latitude_e7 == ours->latitude_e7);
  assert_true(theirs->has_longitude_e7 && theirs->longitude_e7 == ours->longitude_e7);
  assert_int_equal(!!(ours->has & POSITION_HAS_SPEED), theirs->has_speed_cm_s);
  if (theirs->has_speed_cm_s) assert_int_equal(theirs->speed_cm_s, ours->speed_cm_s);
  assert_int_equal(!!(ours->has & POSITION_HAS_ALTITUDE), theirs->has_altitude_cm);
  if (theirs->has_altitude_cm) assert_int_equal(theirs->altitude_cm, ours->altitude_cm);
}

static void writes_reports_of_every_size(void **state) {
  (void)state;
  static struct position positions[900];
  static uint8_t bytes[DEVICE_MESSAGE_BYTES + 900 * DEVICE_MESSAGE_POSITION_BYTES];
  srand(4);
  for (uint32_t count = 1; count <= 900; count += count < 10 ? 1 : 89) {
    uint64_t number = (uint64_t)rand() * (count % 3);
    struct device_report report = device_report_begin(bytes, number);
    for (uint32_t i = 0; i < count; i++) {
      positions[i] = random_position();
      device_report_add(&report, &positions[i]);
    }
    bool ack_now = count % 2;
    uint8_t *end = device_report_end(&report, ack_now);
    assert_true((size_t)(end - bytes) <= DEVICE_MESSAGE_BYTES + count * DEVICE_MESSAGE_POSITION_BYTES);
    Muster__DeviceMessage *message = unpack(bytes, end);
    assert_int_equal(message->body_case, MUSTER__DEVICE_MESSAGE__BODY_REPORT);
    assert_true(message->report->number == number);
    assert_int_equal(message->report->ack_now, ack_now);
    assert_int_equal(message->report->n_positions, count);
    for (uint32_t i = 0; i < count; i++) assert_same(message->report->positions[i], &positions[i]);
    muster__device_message__free_unpacked(message, NULL);
  }
}

// ---- what trackers say ----

static struct tracker_message read_packed(const Muster__TrackerMessage *message) {
  static uint8_t bytes[1024];
  struct tracker_message out;
  size_t len = muster__tracker_message__pack(message, bytes);
  assert_true(tracker_message_read(bytes, len, &out));
  return out;
}

static void reads_a_welcome(void **state) {
  (void)state;
  Muster__Limits limits = MUSTER__LIMITS__INIT;
  Muster__Welcome welcome = MUSTER__WELCOME__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  limits.has_message_bytes = limits.has_idle_timeout_ms = limits.has_oldest_taken_at_us = 1;
  limits.message_bytes = 65536;
  limits.idle_timeout_ms = 45000;
  limits.oldest_taken_at_us = 5;
  welcome.has_session = welcome.has_server_time_us = 1;
  welcome.session = 17;
  welcome.server_time_us = -3;
  welcome.limits = &limits;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_WELCOME;
  message.welcome = &welcome;
  struct tracker_message out = read_packed(&message);
  assert_int_equal(out.kind, TRACKER_WELCOME);
  assert_int_equal(out.session_us, 17);
  assert_true(out.server_time_us == -3);
  assert_int_equal(out.message_bytes, 65536);
  assert_int_equal(out.idle_timeout_ms, 45000);
}

static void reads_acks_and_refusals(void **state) {
  (void)state;
  Muster__Ack ack = MUSTER__ACK__INIT;
  Muster__Refused refused = MUSTER__REFUSED__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  ack.has_report = refused.has_report = refused.has_index = refused.has_reason = 1;
  ack.report = UINT64_C(1) << 40;
  refused.report = 9;
  refused.index = 300;
  refused.reason = MUSTER__REFUSED_REASON__REFUSED_COORDINATE;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_ACK;
  message.ack = &ack;
  struct tracker_message out = read_packed(&message);
  assert_int_equal(out.kind, TRACKER_ACK);
  assert_true(out.report == UINT64_C(1) << 40);
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_REFUSED;
  message.refused = &refused;
  out = read_packed(&message);
  assert_int_equal(out.kind, TRACKER_REFUSED);
  assert_int_equal(out.report, 9);
  assert_int_equal(out.index, 300);
  assert_int_equal(out.reason, POSITION_COORDINATE);
}

static void reads_farewells_and_pongs(void **state) {
  (void)state;
  Muster__GoAway go_away = MUSTER__GO_AWAY__INIT;
  Muster__Error error = MUSTER__ERROR__INIT;
  Muster__Pong pong = MUSTER__PONG__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  go_away.reason = (char *)"drain";
  go_away.has_retry_after_ms = error.has_code = pong.has_server_time_us = 1;
  go_away.retry_after_ms = 1250;
  error.code = MUSTER__ERROR_CODE__ERROR_REPLACED;
  error.text = (char *)"older";
  pong.server_time_us = 77;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_GO_AWAY;
  message.go_away = &go_away;
  struct tracker_message out = read_packed(&message);
  assert_int_equal(out.kind, TRACKER_GO_AWAY);
  assert_int_equal(out.retry_after_ms, 1250);
  assert_memory_equal(out.text, "drain", out.text_len);
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_ERROR;
  message.error = &error;
  out = read_packed(&message);
  assert_int_equal(out.kind, TRACKER_ERROR);
  assert_string_equal(tracker_error_name(out.code), "replaced");
  assert_int_equal(out.text_len, 5);
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_PONG;
  message.pong = &pong;
  out = read_packed(&message);
  assert_int_equal(out.kind, TRACKER_PONG);
  assert_int_equal(out.server_time_us, 77);
}

static void passes_over_messages_of_a_later_version(void **state) {
  (void)state;
  struct tracker_message out;
  static const uint8_t later[] = {0x7a, 2, 8, 1};  // field 15, a message
  assert_true(tracker_message_read(later, sizeof later, &out));
  assert_int_equal(out.kind, TRACKER_UNKNOWN);
}

static void garbage_is_refused_or_read_but_never_overrun(void **state) {
  (void)state;
  srand(8);
  for (int i = 0; i < 200000; i++) {
    size_t len = (size_t)rand() % 24;
    uint8_t *bytes = malloc(len + 1);  // so that a sanitizer sees an overrun
    for (size_t k = 0; k < len; k++) bytes[k] = (uint8_t)(rand() % 3 ? rand() % 64 : rand());
    struct tracker_message out;
    bool read = tracker_message_read(bytes, len, &out);
    (void)read;
    free(bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_a_hello),
      cmocka_unit_test(writes_a_ping),
      cmocka_unit_test(writes_reports_of_every_size),
      cmocka_unit_test(reads_a_welcome),
      cmocka_unit_test(reads_acks_and_refusals),
      cmocka_unit_test(reads_farewells_and_pongs),
      cmocka_unit_test(passes_over_messages_of_a_later_version),
      cmocka_unit_test(garbage_is_refused_or_read_but_never_overrun),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

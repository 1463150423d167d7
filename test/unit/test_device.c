// device.c: the device's protocol, with the test as its tracker and its clock.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/device.h"
#include "device.pb-c.h"
#include "frame.h"

#define S INT64_C(1000000)
#define START (INT64_C(1700000000) * S)

// What the device told.
static struct {
  int sent, resent, acked, refused, dropped, dropped_sent, welcomed, welcomed_again, failed;
  uint32_t last_reason, last_code;
  int64_t last_acked_us, ack_planned_us;
} told;

static void on_sent(void *context, const struct position *position, bool again) {
  (void)context, (void)position;
  again ? told.resent++ : told.sent++;
}

static void on_acked(void *context, const struct position *position, int64_t planned_us, int64_t now_us) {
  (void)context, (void)now_us;
  told.acked++;
  told.last_acked_us = position->taken_at_us;
  told.ack_planned_us = planned_us;
}

static void on_refused(void *context, const struct position *position, uint32_t reason) {
  (void)context, (void)position;
  told.refused++;
  told.last_reason = reason;
}

static void on_dropped(void *context, const struct position *position, bool was_sent) {
  (void)context, (void)position;
  told.dropped++;
  told.dropped_sent += was_sent;
}

static void on_welcomed(void *context, bool again) {
  (void)context;
  again ? told.welcomed_again++ : told.welcomed++;
}

static void on_failed(void *context, uint32_t code, const char *text, size_t text_len) {
  (void)context, (void)text, (void)text_len;
  told.failed++;
  told.last_code = code;
}

static struct device_options options;
static struct device *device;
static int64_t now;
static int64_t server_ahead_us;  // the server's clock less the device's

static int setup(void **state) {
  (void)state;
  memset(&told, 0, sizeof told);
  options = (struct device_options){
      .agent = "test/1",
      .spool_positions = 100,
      .batch = 10,
      .window = 20,
      .sent = on_sent,
      .acked = on_acked,
      .refused = on_refused,
      .dropped = on_dropped,
      .welcomed = on_welcomed,
      .failed = on_failed,
  };
  now = START;
  server_ahead_us = 0;
  device = device_new(&options, NULL, 1, now);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  device_free(device);
  return 0;
}

// ---- the tracker's side ----

static bool hear(const Muster__TrackerMessage *message) {
  uint8_t bytes[512], body[500];
  size_t len = muster__tracker_message__pack(message, body);
  uint8_t *at = frame_put_header(bytes, len);
  memcpy(at, body, len);
  return device_receive(device, now, bytes, (size_t)(at - bytes) + len);
}

static bool hear_welcome(void) {
  Muster__Limits limits = MUSTER__LIMITS__INIT;
  Muster__Welcome welcome = MUSTER__WELCOME__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  limits.has_idle_timeout_ms = welcome.has_server_time_us = 1;
  limits.idle_timeout_ms = 60000;
  welcome.server_time_us = now + server_ahead_us;
  welcome.limits = &limits;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_WELCOME;
  message.welcome = &welcome;
  return hear(&message);
}

static bool hear_ack(uint64_t report) {
  Muster__Ack ack = MUSTER__ACK__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  ack.has_report = 1;
  ack.report = report;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_ACK;
  message.ack = &ack;
  return hear(&message);
}

static bool hear_refused(uint64_t report, uint32_t index) {
  Muster__Refused refused = MUSTER__REFUSED__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  refused.has_report = refused.has_index = refused.has_reason = 1;
  refused.report = report;
  refused.index = index;
  refused.reason = MUSTER__REFUSED_REASON__REFUSED_COORDINATE;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_REFUSED;
  message.refused = &refused;
  return hear(&message);
}

static bool hear_go_away(uint32_t retry_after_ms) {
  Muster__GoAway go_away = MUSTER__GO_AWAY__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  go_away.has_retry_after_ms = 1;
  go_away.retry_after_ms = retry_after_ms;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_GO_AWAY;
  message.go_away = &go_away;
  return hear(&message);
}

static bool hear_pong(void) {
  Muster__Pong pong = MUSTER__PONG__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  pong.has_server_time_us = 1;
  pong.server_time_us = now + server_ahead_us;
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_PONG;
  message.pong = &pong;
  return hear(&message);
}

static bool hear_error(void) {
  Muster__Error error = MUSTER__ERROR__INIT;
  Muster__TrackerMessage message = MUSTER__TRACKER_MESSAGE__INIT;
  error.has_code = 1;
  error.code = MUSTER__ERROR_CODE__ERROR_REPLACED;
  error.text = (char *)"older";
  message.body_case = MUSTER__TRACKER_MESSAGE__BODY_ERROR;
  message.error = &error;
  return hear(&message);
}

// What the device writes now: its messages, each once.
static struct said {
  int reports, pings, positions;
  uint64_t numbers[32];
  size_t sizes[32];
  bool ack_now[32];
  int64_t taken_us[256];
} said;

static void listen(void) {
  static uint8_t bytes[65536];
  size_t len = device_write(device, now, bytes, sizeof bytes), at = 0;
  struct frame frame;
  memset(&said, 0, sizeof said);
  while (at < len) {
    assert_int_equal(frame_next(bytes + at, len - at, &frame), FRAME_OK);
    Muster__DeviceMessage *message = muster__device_message__unpack(NULL, frame.body_len, frame.body);
    assert_non_null(message);
    if (message->body_case == MUSTER__DEVICE_MESSAGE__BODY_PING) said.pings++;
    if (message->body_case == MUSTER__DEVICE_MESSAGE__BODY_REPORT) {
      const Muster__Report *report = message->report;
      said.numbers[said.reports] = report->number;
      said.sizes[said.reports] = report->n_positions;
      said.ack_now[said.reports++] = report->ack_now;
      for (size_t i = 0; i < report->n_positions; i++) {
        said.taken_us[said.positions++] = report->positions[i]->taken_at_us;
      }
    }
    muster__device_message__free_unpacked(message, NULL);
    at += frame.total_len;
  }
  assert_int_equal(at, len);
}

static void connect(void) {
  uint8_t hello[256];
  assert_int_equal(device_poll(device, now), DEVICE_CONNECT);
  device_connecting(device, now);
  assert_true(device_connected(device, now, "token", 5, hello) > 5);
}

static void connect_and_welcome(void) {
  connect();
  assert_true(hear_welcome());
}

static void lose_connection(void) {
  device_closed(device, now);
  while (device_poll(device, now) != DEVICE_CONNECT) now += S / 10;
}

static void take(int count) {
  for (int i = 0; i < count; i++) {
    struct position position = {.latitude_e7 = 1, .has = POSITION_HAS_LATITUDE | POSITION_HAS_LONGITUDE};
    now += S;
    device_take(device, &position, now);
  }
}

// ---- tests ----

static void says_nothing_before_it_is_welcomed(void **state) {
  (void)state;
  take(1);
  connect();
  listen();
  assert_int_equal(said.reports + said.pings, 0);
  assert_false(device_online(device));
  assert_true(hear_welcome());
  assert_true(device_online(device));
  listen();
  assert_int_equal(said.positions, 1);
  assert_int_equal(said.taken_us[0], now);
}

static void numbers_reports_from_one_on_each_connection(void **state) {
  (void)state;
  connect_and_welcome();
  for (uint64_t number = 1; number <= 3; number++) {
    take(1);
    listen();
    assert_int_equal(said.numbers[0], number);
  }
  lose_connection();
  connect_and_welcome();
  listen();
  assert_int_equal(said.numbers[0], 1);
}

static void keeps_positions_until_they_are_acked(void **state) {
  (void)state;
  connect_and_welcome();
  take(1), listen(), take(1), listen();
  assert_int_equal(device_unacked(device), 2);
  assert_true(hear_ack(1));
  assert_int_equal(told.acked, 1);
  assert_int_equal(told.ack_planned_us, START + S);
  assert_true(hear_ack(2));
  assert_int_equal(device_unacked(device), 0);
}

static void sends_the_newest_first_then_the_backlog_after_a_reconnect(void **state) {
  (void)state;
  connect_and_welcome();
  take(5);
  listen();
  lose_connection();
  connect_and_welcome();
  listen();
  assert_int_equal(said.reports, 2);
  assert_int_equal(said.sizes[0], 1);
  assert_int_equal(said.taken_us[0], START + 5 * S);
  assert_int_equal(said.taken_us[1], START + S);
  assert_int_equal(said.taken_us[4], START + 4 * S);
  assert_true(said.ack_now[1]);
  assert_int_equal(told.resent, 5);
  assert_int_equal(told.welcomed_again, 1);
}

static void backlog_is_sent_a_window_at_a_time(void **state) {
  (void)state;
  take(60);
  connect_and_welcome();
  listen();
  assert_int_equal(said.positions, 20);  // the window
  take(1);
  listen();
  assert_int_equal(said.positions, 1);  // what is new does not wait
  assert_true(hear_ack(3));
  listen();
  assert_in_range(said.positions, 10, 20);
}

static void what_is_acked_is_not_sent_again(void **state) {
  (void)state;
  connect_and_welcome();
  take(1), listen(), take(1), listen();
  assert_true(hear_ack(1));
  lose_connection();
  connect_and_welcome();
  listen();
  assert_int_equal(said.positions, 1);
  assert_int_equal(said.taken_us[0], START + 2 * S);
}

static void a_refused_position_is_gone_alone(void **state) {
  (void)state;
  take(4);
  connect_and_welcome();
  listen();  // report 1: the newest; report 2: the three others
  assert_true(hear_refused(2, 1));
  assert_int_equal(told.refused, 1);
  assert_int_equal(told.last_reason, POSITION_COORDINATE);
  assert_true(hear_ack(2));
  assert_int_equal(told.acked, 3);
  assert_int_equal(device_unacked(device), 0);
}

static void a_full_spool_drops_the_oldest_and_says_so(void **state) {
  (void)state;
  take(130);
  assert_int_equal(told.dropped, 30);
  assert_int_equal(told.dropped_sent, 0);
  assert_int_equal(device_unacked(device), 100);
  connect_and_welcome();
  listen();
  assert_int_equal(said.taken_us[0], START + 130 * S);
  assert_int_equal(said.taken_us[1], START + 31 * S);
}

// ---- clock ----

static void stamps_by_the_servers_clock(void **state) {
  (void)state;
  server_ahead_us = 86400 * S;
  connect_and_welcome();
  take(1);
  listen();
  assert_int_equal(said.taken_us[0], now + server_ahead_us);
}

static void corrects_what_was_stamped_before_the_first_welcome(void **state) {
  (void)state;
  server_ahead_us = -86400 * S;
  take(3);
  connect_and_welcome();
  listen();
  assert_int_equal(said.taken_us[0], START + 3 * S + server_ahead_us);
  assert_int_equal(said.taken_us[1], START + S + server_ahead_us);
}

static void leaves_a_clock_alone_that_may_be_right(void **state) {
  (void)state;
  connect();
  now += 2 * S;  // the Welcome was on its way for long
  server_ahead_us = -S / 4;
  assert_true(hear_welcome());
  server_ahead_us = 0;
  take(1);
  listen();
  assert_int_equal(said.taken_us[0], now);
}

static void stamps_strictly_increase_though_the_server_steps_back(void **state) {
  (void)state;
  connect_and_welcome();
  take(2);
  listen();
  int64_t before = said.taken_us[1];
  lose_connection();
  server_ahead_us = -3600 * S;
  connect_and_welcome();
  take(3);
  listen();
  assert_int_equal(said.taken_us[0], before);
  for (int i = 1; i < 4; i++) assert_int_equal(said.taken_us[i], said.taken_us[i - 1] + 1);
}

static void two_positions_of_one_moment_get_two_stamps(void **state) {
  (void)state;
  connect_and_welcome();
  for (int i = 0; i < 2; i++) {
    struct position position = {.has = POSITION_HAS_LATITUDE | POSITION_HAS_LONGITUDE};
    device_take(device, &position, now);
  }
  listen();
  assert_int_equal(said.taken_us[1], said.taken_us[0] + 1);
}

static void positions_with_their_own_time_keep_it(void **state) {
  (void)state;
  server_ahead_us = 86400 * S;
  const struct position position = {.taken_at_us = 5, .has = POSITION_HAS_ALL_REQUIRED};
  device_add(device, &position, now);
  connect_and_welcome();
  listen();
  assert_int_equal(said.taken_us[0], 5);
}

// ---- acks asked for ----

static void asks_for_an_ack_only_when_it_flushes(void **state) {
  (void)state;
  connect_and_welcome();
  take(1), listen();
  assert_false(said.ack_now[0]);
  assert_false(device_ack_wanted(device));
  device_flush(device);
  take(15), listen();
  assert_int_equal(said.reports, 2);
  assert_false(said.ack_now[0]);
  assert_true(said.ack_now[1]);
  assert_true(device_ack_wanted(device));
  assert_true(hear_ack(3));
  assert_false(device_ack_wanted(device));
}

static void asks_with_every_so_many_reports(void **state) {
  (void)state;
  options.ack_every = 2;
  connect_and_welcome();
  for (int i = 1; i <= 4; i++) {
    take(1), listen();
    assert_int_equal(said.ack_now[0], i % 2 == 0);
  }
}

// ---- the end of connections ----

static void waits_longer_after_each_failure(void **state) {
  (void)state;
  static const int64_t whole_us[] = {500000, 1000000, 2000000, 4000000, 8000000, 16000000, 30000000, 30000000};
  for (size_t i = 0; i < 8; i++) {
    device_connecting(device, now);
    int64_t closed_us = now;
    device_closed(device, now);
    while (device_poll(device, now) != DEVICE_CONNECT) now += 1000;
    assert_in_range(now - closed_us, whole_us[i] / 2, whole_us[i] + 1000);
  }
  connect_and_welcome();
  take(1), listen();
  assert_true(hear_ack(1));  // a good session: the count begins again
  int64_t closed_us = now;
  lose_connection();
  assert_true(now - closed_us <= 600000);
}

static void gives_up_a_connection_that_does_not_answer(void **state) {
  (void)state;
  device_connecting(device, now);
  now += 10 * S;
  assert_int_equal(device_poll(device, now), DEVICE_NOTHING);
  assert_int_equal(device_poll(device, now + 1), DEVICE_CLOSE);
}

static void after_go_away_it_waits_for_acks_and_returns_in_time(void **state) {
  (void)state;
  connect_and_welcome();
  take(1), listen();
  assert_true(hear_ack(1));
  take(1), listen();
  int64_t told_us = now;
  assert_true(hear_go_away(8000));
  assert_false(device_online(device));
  take(1), listen();
  assert_int_equal(said.reports, 0);
  assert_int_equal(device_poll(device, now), DEVICE_NOTHING);
  assert_true(hear_ack(2));
  assert_int_equal(device_poll(device, now), DEVICE_CLOSE);
  device_closed(device, now);
  assert_int_equal(device_poll(device, told_us + 8 * S - 1), DEVICE_NOTHING);
  assert_int_equal(device_poll(device, told_us + 8 * S), DEVICE_CONNECT);
}

static void after_go_away_it_leaves_in_time_though_unacked(void **state) {
  (void)state;
  connect_and_welcome();
  take(1), listen();
  assert_true(hear_go_away(2000));
  assert_int_equal(device_poll(device, now + 2 * S - 1), DEVICE_NOTHING);
  assert_int_equal(device_poll(device, now + 2 * S), DEVICE_CLOSE);
}

static void pings_when_silent_and_closes_when_nothing_comes_back(void **state) {
  (void)state;
  connect_and_welcome();
  now += 20 * S - 1;
  listen();
  assert_int_equal(said.pings, 0);
  now += 1;
  assert_int_equal(device_poll(device, now), DEVICE_WRITE);
  listen();
  assert_int_equal(said.pings, 1);
  listen();
  assert_int_equal(said.pings, 0);
  assert_true(hear_pong());
  now += 60 * S;
  assert_int_equal(device_poll(device, now), DEVICE_WRITE);
  assert_int_equal(device_poll(device, now + 1), DEVICE_CLOSE);
}

static void pings_a_tracker_that_is_silent_though_reports_go_out(void **state) {
  (void)state;
  connect_and_welcome();
  int pings = 0;
  for (int i = 0; i < 25; i++) take(1), listen(), pings += said.pings;
  assert_int_equal(pings, 1);
}

static void an_error_ends_the_connection(void **state) {
  (void)state;
  connect_and_welcome();
  assert_false(hear_error());
  assert_int_equal(told.failed, 1);
  assert_int_equal(told.last_code, MUSTER__ERROR_CODE__ERROR_REPLACED);
}

static void a_tracker_that_breaks_the_rules_is_left(void **state) {
  (void)state;
  connect();
  assert_false(hear_ack(0));  // before Welcome
  device_closed(device, now), now += S;
  connect_and_welcome();
  assert_false(hear_welcome());  // twice
  device_closed(device, now), now += S;
  connect_and_welcome();
  assert_false(hear_ack(1));  // of a report that was never sent
  device_closed(device, now), now += 2 * S;
  connect_and_welcome();
  static const uint8_t garbage[] = {3, 0xff, 0xff, 0xff};
  assert_false(device_receive(device, now, garbage, sizeof garbage));
  assert_int_equal(told.failed, 1);
}

static void takes_messages_split_anywhere(void **state) {
  (void)state;
  // Welcome{}, then Ack{1}: what it does must not depend on how the bytes come.
  static const uint8_t bytes[] = {2, 0x0a, 0, 4, 0x12, 2, 8, 1};
  for (size_t first = 0; first <= 3; first++) {
    for (size_t second = 3; second <= sizeof bytes; second++) {
      teardown(NULL), setup(NULL);
      connect();
      assert_true(device_receive(device, now, bytes, first));
      assert_true(device_receive(device, now, bytes + first, 3 - first));
      take(1), listen();
      assert_true(device_receive(device, now, bytes + 3, second - 3));
      assert_true(device_receive(device, now, bytes + second, sizeof bytes - second));
      assert_int_equal(told.acked, 1);
    }
  }
}

static void a_retired_device_stays_away(void **state) {
  (void)state;
  connect_and_welcome();
  device_retire(device);
  device_closed(device, now);
  assert_int_equal(device_poll(device, now + 3600 * S), DEVICE_NOTHING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(says_nothing_before_it_is_welcomed),
      TEST(numbers_reports_from_one_on_each_connection),
      TEST(keeps_positions_until_they_are_acked),
      TEST(sends_the_newest_first_then_the_backlog_after_a_reconnect),
      TEST(backlog_is_sent_a_window_at_a_time),
      TEST(what_is_acked_is_not_sent_again),
      TEST(a_refused_position_is_gone_alone),
      TEST(a_full_spool_drops_the_oldest_and_says_so),
      TEST(stamps_by_the_servers_clock),
      TEST(corrects_what_was_stamped_before_the_first_welcome),
      TEST(leaves_a_clock_alone_that_may_be_right),
      TEST(stamps_strictly_increase_though_the_server_steps_back),
      TEST(two_positions_of_one_moment_get_two_stamps),
      TEST(positions_with_their_own_time_keep_it),
      TEST(asks_for_an_ack_only_when_it_flushes),
      TEST(asks_with_every_so_many_reports),
      TEST(waits_longer_after_each_failure),
      TEST(gives_up_a_connection_that_does_not_answer),
      TEST(after_go_away_it_waits_for_acks_and_returns_in_time),
      TEST(after_go_away_it_leaves_in_time_though_unacked),
      TEST(pings_when_silent_and_closes_when_nothing_comes_back),
      TEST(pings_a_tracker_that_is_silent_though_reports_go_out),
      TEST(an_error_ends_the_connection),
      TEST(a_tracker_that_breaks_the_rules_is_left),
      TEST(takes_messages_split_anywhere),
      TEST(a_retired_device_stays_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

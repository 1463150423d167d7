// session.c and message.c: the device protocol as a tracker speaks it, without sockets, with a clock of the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tracker/session.h"
#include "frame.h"

#define NOW INT64_C(1700000000000000)

// The host: remembers what the session asked for.
static struct {
  Muster__TrackerMessage *sent[64];
  size_t sent_count;
  struct position taken[64];
  size_t taken_count;
  uint64_t open_batch, durable;
  uint64_t waited_for;
  int waits, refused, failed;
  size_t breaks_after;  // sent messages; the connection then ends. 0: never
  bool token_good;
} host;

static bool on_open(struct session *session, const Muster__Hello *hello, Muster__ErrorCode *code, const char **text) {
  (void)session, (void)hello;
  *code = MUSTER__ERROR_CODE__ERROR_TOKEN_INVALID;
  *text = "bad";
  return host.token_good;
}
static uint64_t on_position(struct session *session, const struct reported *reported, int64_t now_us) {
  (void)session, (void)now_us;
  struct position again;
  assert_true(position_decode(reported->bytes, &again));
  assert_int_equal(again.taken_at_us, reported->position.taken_at_us);
  host.taken[host.taken_count++] = reported->position;
  return host.open_batch;
}
static void on_wait(struct session *session, uint64_t batch) {
  (void)session;
  host.waited_for = batch;
  host.waits++;
}
static void on_send(struct session *session, const uint8_t *bytes, size_t len) {
  struct frame frame;
  assert_int_equal(frame_next(bytes, len, &frame), FRAME_OK);
  assert_int_equal(frame.total_len, len);
  assert_true(len <= MESSAGE_SEND_BYTES);
  host.sent[host.sent_count++] = muster__tracker_message__unpack(NULL, frame.body_len, frame.body);
  assert_non_null(host.sent[host.sent_count - 1]);
  if (host.sent_count == host.breaks_after) session_end(session);
}
static void on_refused(struct session *session, enum position_fault fault) {
  (void)session, (void)fault;
  host.refused++;
}
static void on_failed(struct session *session, Muster__ErrorCode code) {
  (void)session, (void)code;
  host.failed++;
}
static uint64_t on_durable(struct session *session) {
  (void)session;
  return host.durable;
}

static struct session_host session_host = {
    .ack_reports = 4,
    .ack_delay_us = 8000000,
    .oldest_us = NOW - 86400000000,
    .open = on_open,
    .position = on_position,
    .wait = on_wait,
    .send = on_send,
    .refused = on_refused,
    .failed = on_failed,
    .durable = on_durable,
};

static void forget_sent(void) {
  for (size_t i = 0; i < host.sent_count; i++) muster__tracker_message__free_unpacked(host.sent[i], NULL);
  host.sent_count = 0;
}

static int setup(void **state) {
  (void)state;
  memset(&host, 0, sizeof host);
  host.open_batch = 1;
  host.token_good = true;
  muster__limits__init(&session_host.limits);
  session_host.limits.has_future_ms = true;
  session_host.limits.future_ms = 60000;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  forget_sent();
  return 0;
}

// ---- what devices send ----

struct bytes {
  uint8_t data[8192];
  size_t len;
};

static void add_message(struct bytes *bytes, Muster__DeviceMessage *message) {
  uint8_t *body = frame_put_header(bytes->data + bytes->len, muster__device_message__get_packed_size(message));
  bytes->len = (size_t)(body - bytes->data) + muster__device_message__pack(message, body);
}

static void add_hello(struct bytes *bytes, uint32_t protocol) {
  Muster__Hello hello = MUSTER__HELLO__INIT;
  hello.token = "token";
  hello.has_protocol = true;
  hello.protocol = protocol;
  Muster__DeviceMessage message = MUSTER__DEVICE_MESSAGE__INIT;
  message.body_case = MUSTER__DEVICE_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  add_message(bytes, &message);
}

static void add_ping(struct bytes *bytes) {
  Muster__Ping ping = MUSTER__PING__INIT;
  Muster__DeviceMessage message = MUSTER__DEVICE_MESSAGE__INIT;
  message.body_case = MUSTER__DEVICE_MESSAGE__BODY_PING;
  message.ping = &ping;
  add_message(bytes, &message);
}

static void add_report(struct bytes *bytes, uint64_t number, const int64_t *taken_at_us, size_t count, bool ack_now) {
  Muster__Position positions[8], *pointers[8];
  for (size_t i = 0; i < count; i++) {
    muster__position__init(&positions[i]);
    positions[i].has_taken_at_us = positions[i].has_latitude_e7 = positions[i].has_longitude_e7 = true;
    positions[i].taken_at_us = taken_at_us[i];
    positions[i].latitude_e7 = 470000000;
    positions[i].longitude_e7 = 80000000;
    pointers[i] = &positions[i];
  }
  Muster__Report report = MUSTER__REPORT__INIT;
  report.has_number = report.has_ack_now = true;
  report.number = number;
  report.ack_now = ack_now;
  report.n_positions = count;
  report.positions = pointers;
  Muster__DeviceMessage message = MUSTER__DEVICE_MESSAGE__INIT;
  message.body_case = MUSTER__DEVICE_MESSAGE__BODY_REPORT;
  message.report = &report;
  add_message(bytes, &message);
}

static void add_good_report(struct bytes *bytes, uint64_t number, bool ack_now) {
  add_report(bytes, number, (int64_t[]){NOW}, 1, ack_now);
}

static void receive(struct session *session, struct bytes *bytes) {
  size_t used = session_receive(session, bytes->data, bytes->len, NOW);
  if (!session->over) assert_int_equal(used, bytes->len);
  bytes->len = 0;
}

static void open_session(struct session *session) {
  struct bytes bytes = {.len = 0};
  session_init(session, &session_host);
  add_hello(&bytes, 1);
  receive(session, &bytes);
  forget_sent();
}

static void expect_error(struct session *session, Muster__ErrorCode code) {
  assert_true(session->over);
  assert_int_equal(host.failed, 1);
  Muster__TrackerMessage *last = host.sent[host.sent_count - 1];
  assert_int_equal(last->body_case, MUSTER__TRACKER_MESSAGE__BODY_ERROR);
  assert_int_equal(last->error->code, code);
}

// ---- tests ----

static void welcomes_a_hello(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  session_init(&session, &session_host);
  add_hello(&bytes, 1);
  receive(&session, &bytes);
  assert_int_equal(host.sent_count, 1);
  assert_int_equal(host.sent[0]->body_case, MUSTER__TRACKER_MESSAGE__BODY_WELCOME);
  assert_int_equal(host.sent[0]->welcome->session, NOW);
  assert_int_equal(host.sent[0]->welcome->server_time_us, NOW);
  assert_int_equal(host.sent[0]->welcome->limits->future_ms, 60000);
}

// A device that does not read its answers: the host ends the session from within its callback.
static void takes_nothing_more_once_an_answer_ended_the_session(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  host.breaks_after = 1;
  add_report(&bytes, 1, (int64_t[]){NOW, NOW + 3600000000, NOW + 1}, 3, false);  // the second is refused
  add_good_report(&bytes, 2, false);
  receive(&session, &bytes);
  assert_int_equal(host.sent_count, 1);
  assert_int_equal(host.taken_count, 1);
  assert_int_equal(session.reports, 1);
}

static int64_t session_of_hello_after(int64_t last_session) {
  struct session session;
  struct bytes bytes = {.len = 0};
  Muster__Hello hello = MUSTER__HELLO__INIT;
  hello.token = "token";
  hello.has_protocol = hello.has_last_session = true;
  hello.protocol = 1;
  hello.last_session = last_session;
  Muster__DeviceMessage message = MUSTER__DEVICE_MESSAGE__INIT;
  message.body_case = MUSTER__DEVICE_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  add_message(&bytes, &message);
  session_init(&session, &session_host);
  receive(&session, &bytes);
  return session.session_us;
}

static void a_session_is_later_than_the_one_before_whatever_the_clocks_say(void **state) {
  (void)state;
  assert_int_equal(session_of_hello_after(NOW - 5), NOW);
  assert_int_equal(session_of_hello_after(NOW), NOW + 1);
  assert_int_equal(session_of_hello_after(NOW + 3600000000), NOW + 3600000001);
  assert_int_equal(session_of_hello_after(INT64_MAX), NOW);  // no tracker's clock says that
  assert_int_equal(session_of_hello_after(INT64_MIN), NOW);
}

static void takes_messages_cut_at_every_byte(void **state) {
  (void)state;
  struct bytes all = {.len = 0};
  add_hello(&all, 1);
  add_good_report(&all, 1, false);
  add_ping(&all);
  add_report(&all, 2, (int64_t[]){NOW, NOW + 1, NOW + 2}, 3, false);
  for (size_t cut = 0; cut <= all.len; cut++) {
    setup(NULL);
    struct session session;
    session_init(&session, &session_host);
    size_t used = session_receive(&session, all.data, cut, NOW);
    used += session_receive(&session, all.data + used, all.len - used, NOW);
    assert_int_equal(used, all.len);
    assert_int_equal(host.taken_count, 4);
    assert_int_equal(host.sent_count, 2);  // Welcome, Pong
    forget_sent();
  }
}

static void acks_only_what_is_durable(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  add_good_report(&bytes, 1, true);
  receive(&session, &bytes);
  assert_int_equal(host.waits, 1);
  assert_int_equal(host.waited_for, 1);
  session_durable(&session);  // some other batch was stored
  assert_int_equal(host.sent_count, 0);
  host.durable = 1;
  session_durable(&session);
  assert_int_equal(host.sent_count, 1);
  assert_int_equal(host.sent[0]->ack->report, 1);
}

static void a_later_batch_is_waited_for_anew(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  add_good_report(&bytes, 1, true);
  add_good_report(&bytes, 2, true);
  receive(&session, &bytes);
  assert_int_equal(host.waits, 1);  // the same batch
  host.open_batch = 2;
  add_good_report(&bytes, 3, true);
  receive(&session, &bytes);
  assert_int_equal(host.waits, 2);
  assert_int_equal(host.waited_for, 2);
}

static void coalesces_acks_by_number_and_by_time(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  for (uint64_t n = 1; n <= 3; n++) add_good_report(&bytes, n, false);
  receive(&session, &bytes);
  host.durable = 1;
  session_tick(&session, NOW + 7999999);
  assert_int_equal(host.waits, 0);
  assert_int_equal(host.sent_count, 0);
  session_tick(&session, NOW + 8000000);
  assert_int_equal(host.sent_count, 1);
  assert_int_equal(host.sent[0]->ack->report, 3);
  host.open_batch = 2;
  for (uint64_t n = 4; n <= 7; n++) add_good_report(&bytes, n, false);
  receive(&session, &bytes);
  assert_int_equal(host.waits, 1);  // the fourth that is not acked
}

// One report a second, each durable before the next: at the tick only the newest may be left to wait.
static void a_steady_device_is_acked_up_to_the_last_durable_report(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  session_host.ack_reports = 16;
  for (uint64_t n = 1; n <= 8; n++) {
    host.open_batch = n;
    add_good_report(&bytes, n, false);
    receive(&session, &bytes);
    if (n < 8) host.durable = n;
  }
  session_host.ack_reports = 4;
  session_tick(&session, NOW + 8000000);
  assert_int_equal(host.sent_count, 1);
  assert_int_equal(host.sent[0]->ack->report, 7);
}

static void refuses_bad_positions_alone(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  add_report(&bytes, 1, (int64_t[]){NOW, NOW + 60000001, NOW + 60000000, NOW - 86400000001}, 4, false);
  receive(&session, &bytes);
  assert_int_equal(host.taken_count, 2);
  assert_int_equal(host.refused, 2);
  assert_int_equal(host.sent[0]->refused->index, 1);
  assert_int_equal(host.sent[0]->refused->reason, MUSTER__REFUSED_REASON__REFUSED_FUTURE);
  assert_int_equal(host.sent[1]->refused->index, 3);
  assert_int_equal(host.sent[1]->refused->reason, MUSTER__REFUSED_REASON__REFUSED_TOO_OLD);
}

static void acks_a_report_that_was_refused_whole(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  add_report(&bytes, 1, (int64_t[]){NOW + 90000000}, 1, true);
  receive(&session, &bytes);
  assert_int_equal(host.sent_count, 2);
  assert_int_equal(host.sent[0]->body_case, MUSTER__TRACKER_MESSAGE__BODY_REFUSED);
  assert_int_equal(host.sent[1]->ack->report, 1);
}

static void ends_on_each_protocol_error(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
    Muster__ErrorCode code;
    bool opened;
  } cases[] = {
      {"\x81\x80\x04", 3, MUSTER__ERROR_CODE__ERROR_FRAME_TOO_LONG, true},
      {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, MUSTER__ERROR_CODE__ERROR_FRAME_TOO_LONG, true},
      {"\x03GET", 4, MUSTER__ERROR_CODE__ERROR_MALFORMED, true},
      {"\x00", 1, MUSTER__ERROR_CODE__ERROR_MALFORMED, true},
      {"\x02\x22\x00", 3, MUSTER__ERROR_CODE__ERROR_MALFORMED, true},          // field 4: no message we know
      {"\x04\x12\x02\x0a\x05", 5, MUSTER__ERROR_CODE__ERROR_MALFORMED, true},  // bytes that reach beyond
      {"\x02\x1a\x00", 3, MUSTER__ERROR_CODE__ERROR_HELLO_EXPECTED, false},    // Ping
      {"\x04\x12\x02\x08\x01", 5, MUSTER__ERROR_CODE__ERROR_HELLO_EXPECTED, false},
      {"\x04\x12\x02\x08\x01", 5, MUSTER__ERROR_CODE__ERROR_REPORT_EMPTY, true},
      {"\x04\x12\x02\x08\x02", 5, MUSTER__ERROR_CODE__ERROR_REPORT_NUMBER, true},
      {"\x02\x0a\x00", 3, MUSTER__ERROR_CODE__ERROR_HELLO_REPEATED, true},
      {"\x02\x0a\x00", 3, MUSTER__ERROR_CODE__ERROR_PROTOCOL_VERSION, false},
      {"\x04\x0a\x02\x10\x01", 5, MUSTER__ERROR_CODE__ERROR_TOKEN_INVALID, false},  // no token
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct session session;
    setup(NULL);
    session_init(&session, &session_host);
    if (cases[i].opened) open_session(&session);
    session_receive(&session, (const uint8_t *)cases[i].bytes, cases[i].len, NOW);
    expect_error(&session, cases[i].code);
    forget_sent();
  }
}

static void refuses_a_bad_token(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  host.token_good = false;
  session_init(&session, &session_host);
  add_hello(&bytes, 1);
  add_good_report(&bytes, 1, false);
  receive(&session, &bytes);
  expect_error(&session, MUSTER__ERROR_CODE__ERROR_TOKEN_INVALID);
  assert_int_equal(host.taken_count, 0);
}

static void takes_nothing_after_its_end(void **state) {
  (void)state;
  struct session session;
  struct bytes bytes = {.len = 0};
  open_session(&session);
  session_go_away(&session, "drain", 100);
  assert_int_equal(host.sent[0]->body_case, MUSTER__TRACKER_MESSAGE__BODY_GO_AWAY);
  add_good_report(&bytes, 1, true);
  assert_int_equal(session_receive(&session, bytes.data, bytes.len, NOW), 0);
  session_durable(&session);
  session_tick(&session, NOW + 90000000);
  assert_int_equal(host.sent_count, 1);
  assert_int_equal(host.taken_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(welcomes_a_hello),
      TEST(takes_nothing_more_once_an_answer_ended_the_session),
      TEST(a_session_is_later_than_the_one_before_whatever_the_clocks_say),
      TEST(takes_messages_cut_at_every_byte),
      TEST(acks_only_what_is_durable),
      TEST(a_later_batch_is_waited_for_anew),
      TEST(coalesces_acks_by_number_and_by_time),
      TEST(a_steady_device_is_acked_up_to_the_last_durable_report),
      TEST(refuses_bad_positions_alone),
      TEST(acks_a_report_that_was_refused_whole),
      TEST(ends_on_each_protocol_error),
      TEST(refuses_a_bad_token),
      TEST(takes_nothing_after_its_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// Rows written by hand against what protobuf-c reads in them, at random and at the ends of each value's range; and the
// events that are the same for all, in each protocol.
#include "../../gateway/view_proto.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../gateway/view_event.h"
#include "../../gateway/ws.h"
#include "view.pb-c.h"

static int64_t pick(int64_t low, int64_t high) {
  int how = rand() % 4;
  if (how == 0) return low;
  if (how == 1) return high;
  if (how == 2) return low <= 0 && high >= 0 ? 0 : low;
  return low + (int64_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % (uint64_t)(high - low));
}

static struct position random_position(void) {
  return (struct position){.taken_at_us = pick(1, INT64_MAX / 2),
                           .longitude_e7 = (int32_t)pick(-1800000000, 1800000000),
                           .latitude_e7 = (int32_t)pick(-900000000, 900000000),
                           .speed_cm_s = (uint32_t)pick(0, UINT32_MAX),
                           .heading_cdeg = (uint32_t)pick(0, 36000),
                           .accuracy_cm = (uint32_t)pick(0, UINT32_MAX),
                           .altitude_cm = (int32_t)pick(INT32_MIN, INT32_MAX),
                           .battery_percent = (uint32_t)pick(0, 100),
                           .has = POSITION_HAS_ALL_REQUIRED | (uint32_t)rand()};
}

static void assert_value(bool has, int64_t value, unsigned bit, const struct position *p, int64_t expected) {
  assert_int_equal(has, (p->has & bit) != 0);
  if (has) assert_true(value == expected);
}

static void assert_position(const Muster__ViewRow *row, const struct position *p, const struct view_base *base) {
  assert_true(row->has_taken_at_us && row->taken_at_us + base->time_us == p->taken_at_us);
  assert_true(row->has_longitude_e7 && row->longitude_e7 + base->longitude_e7 == p->longitude_e7);
  assert_true(row->has_latitude_e7 && row->latitude_e7 + base->latitude_e7 == p->latitude_e7);
  assert_value(row->has_speed_cm_s, row->speed_cm_s, POSITION_HAS_SPEED, p, p->speed_cm_s);
  assert_value(row->has_heading_cdeg, row->heading_cdeg, POSITION_HAS_HEADING, p, p->heading_cdeg);
  assert_value(row->has_accuracy_cm, row->accuracy_cm, POSITION_HAS_ACCURACY, p, p->accuracy_cm);
  assert_value(row->has_altitude_cm, row->altitude_cm, POSITION_HAS_ALTITUDE, p, p->altitude_cm);
  assert_value(row->has_battery_percent, row->battery_percent, POSITION_HAS_BATTERY, p, p->battery_percent);
}

static void test_rows_are_what_protobuf_c_reads(void **state) {
  (void)state;
  srand(1);
  for (int i = 0; i < 20000; i++) {
    struct position p = random_position();
    struct view_base base = {.time_us = pick(1, INT64_MAX / 2),
                             .longitude_e7 = (int32_t)pick(-1800000000, 1800000000),
                             .latitude_e7 = (int32_t)pick(-900000000, 900000000)};
    struct view_row row = {.position = rand() % 8 ? &p : NULL, .status = (enum view_status)(rand() % 3)};
    uint32_t number = (uint32_t)pick(0, UINT32_MAX), tracker = (uint32_t)pick(0, UINT32_MAX);
    uint8_t bytes[VIEW_PROTO_ROW_BYTES];
    size_t len = (size_t)(view_proto_row(bytes, &row, &base, number, tracker) - bytes);
    assert_true(len <= sizeof bytes);
    Muster__ViewRow *read = muster__view_row__unpack(NULL, len, bytes);
    assert_non_null(read);
    assert_true(read->has_number && read->number == number);
    if (row.position) assert_position(read, &p, &base);
    if (!row.position) assert_false(read->has_taken_at_us || read->has_longitude_e7 || read->has_speed_cm_s);
    // Absent is online: most rows are.
    assert_int_equal(read->has_status, row.status != VIEW_ONLINE);
    if (row.status == VIEW_STALE) assert_int_equal(read->status, MUSTER__VIEW_STATUS__VIEW_STATUS_STALE);
    if (row.status == VIEW_OFFLINE) assert_int_equal(read->status, MUSTER__VIEW_STATUS__VIEW_STATUS_OFFLINE);
    assert_int_equal(read->has_tracker, tracker != 0);
    if (tracker) assert_true(read->tracker == tracker - 1);
    muster__view_row__free_unpacked(read, NULL);
  }
}

static void test_an_event_says_the_same_in_every_protocol(void **state) {
  (void)state;
  struct view_event bye = view_event_bye("drain", 1250, WS_GOING_AWAY);
  const char sse[] = "retry: 1250\nevent: bye\ndata: {\"reason\":\"drain\",\"retry_ms\":1250}\n\n";
  assert_int_equal(bye.as[VIEW_SSE]->len, sizeof sse - 1);
  assert_memory_equal(bye.as[VIEW_SSE]->data, sse, sizeof sse - 1);
  // On a WebSocket a close frame follows in the same bytes.
  static const char close[] = "\x88\x02\x03\xe9";
  const struct view_frame *json = bye.as[VIEW_SOCKET_JSON], *proto = bye.as[VIEW_SOCKET_PROTOBUF];
  static const char message[] = "{\"event\":\"bye\",\"data\":{\"reason\":\"drain\",\"retry_ms\":1250}}";
  assert_int_equal(json->len, 2 + sizeof message - 1 + 4);
  assert_memory_equal(json->data + 2, message, sizeof message - 1);
  assert_memory_equal(json->data + json->len - 4, close, 4);
  size_t len = (uint8_t)proto->data[1];
  assert_int_equal(proto->len, 2 + len + 4);
  Muster__ViewEvent *event = muster__view_event__unpack(NULL, len, (const uint8_t *)proto->data + 2);
  assert_non_null(event);
  assert_string_equal(event->bye->reason, "drain");
  assert_int_equal(event->bye->retry_ms, 1250);
  muster__view_event__free_unpacked(event, NULL);
  view_event_fini(&bye);
  struct view_event heartbeat = view_event_heartbeat(17);
  event = muster__view_event__unpack(NULL, heartbeat.as[VIEW_SOCKET_PROTOBUF]->len - 2,
                                     (const uint8_t *)heartbeat.as[VIEW_SOCKET_PROTOBUF]->data + 2);
  assert_int_equal(event->heartbeat->time_us, 17);
  muster__view_event__free_unpacked(event, NULL);
  view_event_fini(&heartbeat);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_what_protobuf_c_reads),
      cmocka_unit_test(test_an_event_says_the_same_in_every_protocol),
  };
  return cmocka_run_group_tests_name("view_proto", tests, NULL, NULL);
}

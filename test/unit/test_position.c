// position.c against the code that protobuf-c generates from proto/device.proto, and against its rules.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.pb-c.h"
#include "position.h"

static uint32_t random32(void) {
  return ((uint32_t)rand() << 16 ^ (uint32_t)rand()) >> (rand() % 32);
}

static struct position random_position(void) {
  return (struct position){
      .taken_at_us = (int64_t)((uint64_t)random32() << 32 | random32()),
      .latitude_e7 = (int32_t)random32(),
      .longitude_e7 = (int32_t)random32(),
      .speed_cm_s = random32(),
      .heading_cdeg = random32(),
      .accuracy_cm = random32(),
      .altitude_cm = (int32_t)random32(),
      .battery_percent = random32(),
      .has = (uint32_t)rand() & 255,
  };
}

static bool has(const struct position *p, enum position_has what) {
  return (p->has & what) != 0;
}

// Only the fields that are there count.
static void assert_same(const Muster__Position *theirs, const struct position *ours) {
  assert_int_equal(theirs->has_taken_at_us, has(ours, POSITION_HAS_TAKEN_AT));
  assert_int_equal(theirs->has_latitude_e7, has(ours, POSITION_HAS_LATITUDE));
  assert_int_equal(theirs->has_longitude_e7, has(ours, POSITION_HAS_LONGITUDE));
  assert_int_equal(theirs->has_speed_cm_s, has(ours, POSITION_HAS_SPEED));
  assert_int_equal(theirs->has_heading_cdeg, has(ours, POSITION_HAS_HEADING));
  assert_int_equal(theirs->has_accuracy_cm, has(ours, POSITION_HAS_ACCURACY));
  assert_int_equal(theirs->has_altitude_cm, has(ours, POSITION_HAS_ALTITUDE));
  assert_int_equal(theirs->has_battery_percent, has(ours, POSITION_HAS_BATTERY));
  if (theirs->has_taken_at_us) assert_true(theirs->taken_at_us == ours->taken_at_us);
  if (theirs->has_latitude_e7) assert_int_equal(theirs->latitude_e7, ours->latitude_e7);
  if (theirs->has_longitude_e7) assert_int_equal(theirs->longitude_e7, ours->longitude_e7);
  if (theirs->has_speed_cm_s) assert_int_equal(theirs->speed_cm_s, ours->speed_cm_s);
  if (theirs->has_heading_cdeg) assert_int_equal(theirs->heading_cdeg, ours->heading_cdeg);
  if (theirs->has_accuracy_cm) assert_int_equal(theirs->accuracy_cm, ours->accuracy_cm);
  if (theirs->has_altitude_cm) assert_int_equal(theirs->altitude_cm, ours->altitude_cm);
  if (theirs->has_battery_percent) assert_int_equal(theirs->battery_percent, ours->battery_percent);
}

static void protobuf_reads_what_we_write(void **state) {
  (void)state;
  srand(1);
  for (int i = 0; i < 50000; i++) {
    struct position ours = random_position();
    ours.has |= POSITION_HAS_ALL_REQUIRED;  // what is written is always a good position's
    uint8_t bytes[POSITION_WIRE_BYTES];
    size_t len = (size_t)(position_encode(bytes, &ours) - bytes);
    assert_true(len <= sizeof bytes);
    Muster__Position *theirs = muster__position__unpack(NULL, len, bytes);
    assert_non_null(theirs);
    assert_int_equal(theirs->base.n_unknown_fields, 0);
    assert_same(theirs, &ours);
    assert_int_equal(muster__position__get_packed_size(theirs), len);
    muster__position__free_unpacked(theirs, NULL);
  }
}

static void the_longest_position_fits_its_room(void **state) {
  (void)state;
  struct position p;
  uint8_t bytes[128];
  memset(&p, 0xff, sizeof p);
  p.altitude_cm = INT32_MIN;
  assert_true(position_encode(bytes, &p) - bytes <= POSITION_WIRE_BYTES);
}

static void we_read_what_protobuf_writes(void **state) {
  (void)state;
  srand(2);
  for (int i = 0; i < 50000; i++) {
    struct position p = random_position(), back;
    Muster__Position theirs = MUSTER__POSITION__INIT;
    theirs.has_taken_at_us = has(&p, POSITION_HAS_TAKEN_AT), theirs.taken_at_us = p.taken_at_us;
    theirs.has_latitude_e7 = has(&p, POSITION_HAS_LATITUDE), theirs.latitude_e7 = p.latitude_e7;
    theirs.has_longitude_e7 = has(&p, POSITION_HAS_LONGITUDE), theirs.longitude_e7 = p.longitude_e7;
    theirs.has_speed_cm_s = has(&p, POSITION_HAS_SPEED), theirs.speed_cm_s = p.speed_cm_s;
    theirs.has_heading_cdeg = has(&p, POSITION_HAS_HEADING), theirs.heading_cdeg = p.heading_cdeg;
    theirs.has_accuracy_cm = has(&p, POSITION_HAS_ACCURACY), theirs.accuracy_cm = p.accuracy_cm;
    theirs.has_altitude_cm = has(&p, POSITION_HAS_ALTITUDE), theirs.altitude_cm = p.altitude_cm;
    theirs.has_battery_percent = has(&p, POSITION_HAS_BATTERY), theirs.battery_percent = p.battery_percent;
    uint8_t bytes[128];
    size_t len = muster__position__pack(&theirs, bytes);
    assert_true(position_decode(wire_reader(bytes, len), &back));
    assert_same(&theirs, &back);
  }
}

static void unknown_fields_and_those_of_another_type_are_passed_over(void **state) {
  (void)state;
  uint8_t bytes[128], *to = wire_put_uint(bytes, 2, 5);  // latitude is no varint
  to = wire_put_bytes(to, 99, "later", 5);
  to = wire_put_fixed32(to, 3, 7);
  struct position p;
  assert_true(position_decode(wire_reader(bytes, (size_t)(to - bytes)), &p));
  assert_int_equal(p.has, POSITION_HAS_LONGITUDE);
}

static void random_bytes_are_read_or_refused_but_never_overrun(void **state) {
  (void)state;
  srand(3);
  for (int i = 0; i < 200000; i++) {
    size_t len = (size_t)rand() % 40;
    uint8_t *bytes = malloc(len + 1);
    for (size_t k = 0; k < len; k++) bytes[k] = (uint8_t)(rand() % 2 ? rand() % 80 : rand());
    struct position ours;
    Muster__Position *theirs = muster__position__unpack(NULL, len, bytes);
    bool read = position_decode(wire_reader(bytes, len), &ours);
    // Protobuf-c also takes field numbers beyond 2^29, which are none.
    if (theirs && read) assert_same(theirs, &ours);
    if (theirs) muster__position__free_unpacked(theirs, NULL);
    free(bytes);
  }
}

// ---- the rules ----

static const struct position good = {
    .taken_at_us = 1000,
    .latitude_e7 = 900000000,
    .longitude_e7 = -1800000000,
    .speed_cm_s = 100000,
    .heading_cdeg = 35999,
    .accuracy_cm = 1000000000,
    .altitude_cm = -10000000,
    .battery_percent = 100,
    .has = 255,
};

static void the_greatest_values_are_good(void **state) {
  (void)state;
  assert_int_equal(position_check(&good, 1000, 1000), POSITION_GOOD);
  struct position p = good;
  p.latitude_e7 = -900000000, p.longitude_e7 = 1800000000, p.altitude_cm = 10000000;
  assert_int_equal(position_check(&p, 1000, 1000), POSITION_GOOD);
}

static void each_value_beyond_its_range_has_its_fault(void **state) {
  (void)state;
  struct position p = good;
  p.latitude_e7++;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_COORDINATE);
  p = good, p.latitude_e7 = INT32_MIN;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_COORDINATE);
  p = good, p.longitude_e7--;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_COORDINATE);
  p = good, p.longitude_e7 = 1800000001;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_COORDINATE);
  p = good, p.speed_cm_s++;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
  p = good, p.heading_cdeg++;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
  p = good, p.accuracy_cm++;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
  p = good, p.altitude_cm--;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
  p = good, p.altitude_cm = INT32_MIN;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
  p = good, p.battery_percent++;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
  assert_int_equal(position_check(&good, 1001, 9999), POSITION_TOO_OLD);
  assert_int_equal(position_check(&good, 0, 999), POSITION_FUTURE);
}

// What is passed on as it came must be nothing that another reader of Protocol Buffers refuses.
static void only_known_fields_under_short_tags_are_plain(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
    bool plain;
  } tails[] = {
      {"", 0, true},
      {"\x20\x05", 2, true},                       // a speed
      {"\x20\x85\x80\x80\x80\x00", 6, true},       // whose value is longer than it has to be
      {"\x20\x05\x20\x06", 4, true},               // twice: the last one counts
      {"\x20\x85\x80\x80\x80\x80\x00", 7, false},  // and longer than 32 bits are
      {"\xa0\x00\x05", 3, false},                  // under a longer tag
      {"\xa0\x80\x80\x80\x80\x00\x05", 7, false},  // longer than some readers take
      {"\x25\x05\x00\x00\x00", 5, false},          // a speed of another type
      {"\x78\x05", 2, false},                      // a later field
  };
  for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
    uint8_t bytes[POSITION_WIRE_BYTES + 16];
    struct position p = good, read;
    p.has = POSITION_HAS_ALL_REQUIRED;
    uint8_t *to = position_encode(bytes, &p);
    memcpy(to, tails[i].bytes, tails[i].len);
    bool plain;
    assert_true(position_read(wire_reader(bytes, (size_t)(to - bytes) + tails[i].len), &read, &plain));
    assert_int_equal(plain, tails[i].plain);
  }
}

static void values_that_are_not_there_are_0_and_good(void **state) {
  (void)state;
  struct position p = good, read;
  uint8_t bytes[POSITION_WIRE_BYTES];
  p.has = POSITION_HAS_ALL_REQUIRED;
  memset(&read, 0xff, sizeof read);
  assert_true(position_decode(wire_reader(bytes, (size_t)(position_encode(bytes, &p) - bytes)), &read));
  assert_int_equal(read.speed_cm_s | read.heading_cdeg | read.accuracy_cm | read.battery_percent, 0);
  assert_int_equal(read.altitude_cm, 0);
  assert_int_equal(position_check(&read, 0, 9999), POSITION_GOOD);
}

static void a_position_without_place_or_time_is_refused(void **state) {
  (void)state;
  struct position p = good;
  p.has = 255 & ~(unsigned)POSITION_HAS_LATITUDE;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_COORDINATE);
  p.has = 255 & ~(unsigned)POSITION_HAS_LONGITUDE;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_COORDINATE);
  p.has = 255 & ~(unsigned)POSITION_HAS_TAKEN_AT;
  assert_int_equal(position_check(&p, 0, 9999), POSITION_VALUE);
}

static void faults_are_the_protocols_reasons(void **state) {
  (void)state;
  assert_int_equal(POSITION_FUTURE, MUSTER__REFUSED_REASON__REFUSED_FUTURE);
  assert_int_equal(POSITION_TOO_OLD, MUSTER__REFUSED_REASON__REFUSED_TOO_OLD);
  assert_int_equal(POSITION_COORDINATE, MUSTER__REFUSED_REASON__REFUSED_COORDINATE);
  assert_int_equal(POSITION_VALUE, MUSTER__REFUSED_REASON__REFUSED_VALUE);
  assert_string_equal(position_fault_name(POSITION_TOO_OLD), "too_old");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(protobuf_reads_what_we_write),
      cmocka_unit_test(the_longest_position_fits_its_room),
      cmocka_unit_test(we_read_what_protobuf_writes),
      cmocka_unit_test(unknown_fields_and_those_of_another_type_are_passed_over),
      cmocka_unit_test(random_bytes_are_read_or_refused_but_never_overrun),
      cmocka_unit_test(the_greatest_values_are_good),
      cmocka_unit_test(each_value_beyond_its_range_has_its_fault),
      cmocka_unit_test(only_known_fields_under_short_tags_are_plain),
      cmocka_unit_test(values_that_are_not_there_are_0_and_good),
      cmocka_unit_test(a_position_without_place_or_time_is_refused),
      cmocka_unit_test(faults_are_the_protocols_reasons),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

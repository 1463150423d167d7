// position.c: reads what a plain reader and protobuf-c read, and writes what protobuf-c writes; the rules for values
// are those of docs/protocol.md.
#include "plain_position.h"

static struct plain_arena arena;

static void check_reading(const uint8_t *bytes, size_t len, bool odd, bool good, const struct position *ours) {
  if (odd) return;
  ProtobufCAllocator allocator = plain_allocator(&arena);
  const Muster__Position *theirs = muster__position__unpack(&allocator, len, bytes);
  fuzz_check((theirs != NULL) == good);
  if (!good) return;
  const struct position position = position_of_protobuf(theirs);
  check_same_position(ours, &position);
}

static void check_writing(const struct position *p) {
  uint8_t ours[POSITION_WIRE_BYTES], theirs[POSITION_WIRE_BYTES];
  size_t len = (size_t)(position_encode(ours, p) - ours);
  fuzz_check(len <= sizeof ours);
  Muster__Position message = MUSTER__POSITION__INIT;
  message.has_taken_at_us = message.has_latitude_e7 = message.has_longitude_e7 = true;
  message.has_speed_cm_s = (p->has & POSITION_HAS_SPEED) != 0;
  message.has_heading_cdeg = (p->has & POSITION_HAS_HEADING) != 0;
  message.has_accuracy_cm = (p->has & POSITION_HAS_ACCURACY) != 0;
  message.has_altitude_cm = (p->has & POSITION_HAS_ALTITUDE) != 0;
  message.has_battery_percent = (p->has & POSITION_HAS_BATTERY) != 0;
  message.taken_at_us = p->taken_at_us;
  message.latitude_e7 = p->latitude_e7;
  message.longitude_e7 = p->longitude_e7;
  message.speed_cm_s = p->speed_cm_s;
  message.heading_cdeg = p->heading_cdeg;
  message.accuracy_cm = p->accuracy_cm;
  message.altitude_cm = p->altitude_cm;
  message.battery_percent = p->battery_percent;
  fuzz_check(muster__position__get_packed_size(&message) == len);
  muster__position__pack(&message, theirs);
  fuzz_check(memcmp(ours, theirs, len) == 0);
}

static bool is_within(int64_t value, int64_t least, int64_t most) {
  return value >= least && value <= most;
}

static void check_rules(const struct position *p) {
  static const int64_t oldest_us = 1500000000000000, latest_us = 1800000000000000;
  enum position_fault expected = POSITION_GOOD;
  if ((p->has & POSITION_HAS_SPEED && !is_within(p->speed_cm_s, 0, 100000)) ||
      (p->has & POSITION_HAS_HEADING && !is_within(p->heading_cdeg, 0, 35999)) ||
      (p->has & POSITION_HAS_ACCURACY && !is_within(p->accuracy_cm, 0, 1000000000)) ||
      (p->has & POSITION_HAS_ALTITUDE && !is_within(p->altitude_cm, -10000000, 10000000)) ||
      (p->has & POSITION_HAS_BATTERY && !is_within(p->battery_percent, 0, 100))) {
    expected = POSITION_VALUE;
  }
  if (p->taken_at_us < oldest_us) expected = POSITION_TOO_OLD;
  if (p->taken_at_us > latest_us) expected = POSITION_FUTURE;
  if (!(p->has & POSITION_HAS_LATITUDE) || !is_within(p->latitude_e7, -900000000, 900000000) ||
      !(p->has & POSITION_HAS_LONGITUDE) || !is_within(p->longitude_e7, -1800000000, 1800000000)) {
    expected = POSITION_COORDINATE;
  }
  if (!(p->has & POSITION_HAS_TAKEN_AT)) expected = POSITION_VALUE;
  fuzz_check(position_check(p, oldest_us, latest_us) == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  struct plain_reader reader = {bytes, bytes + len, false};
  struct position plain, ours;
  bool good = plain_position(&reader, &plain);
  bool passed_on = false;
  fuzz_check(position_read(wire_reader(bytes, len), &ours, &passed_on) == good);
  check_reading(bytes, len, reader.odd, good, &ours);
  fuzz_check(!good || !passed_on || !reader.odd);  // what is passed on as it came is the same to all readers
  if (!good) return 0;
  check_same_position(&ours, &plain);
  check_rules(&ours);
  if ((ours.has & POSITION_HAS_ALL_REQUIRED) == POSITION_HAS_ALL_REQUIRED) check_writing(&ours);
  return 0;
}

// tracker/proxy
#include "../../tracker/proxy.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a

// 192.0.2.7:1000 to 10.0.0.1:7300
static const uint8_t four[] = {SIGNATURE, 0x21, 0x11, 0, 12, 192, 0, 2, 7, 10, 0, 0, 1, 3, 0xe8, 0x1c, 0x84};

static size_t used;
static struct peer source;

static enum proxy_status parse(const uint8_t *bytes, size_t len) {
  used = 0;
  memset(&source, 0xff, sizeof source);
  return proxy_parse(bytes, len, &used, &source);
}

static void test_tcp_over_ipv4(void **state) {
  (void)state;
  uint8_t bytes[sizeof four + 5];
  memcpy(bytes, four, sizeof four);
  memcpy(bytes + sizeof four, "hello", 5);
  assert_int_equal(parse(bytes, sizeof bytes), PROXY_WHOLE);
  assert_int_equal(used, sizeof four);
  assert_string_equal(PEER_TEXT(&source), "192.0.2.7");
}

static size_t make(uint8_t *out, uint8_t command, uint8_t family, const void *rest, size_t len) {
  memcpy(out, four, 12);
  out[12] = command;
  out[13] = family;
  out[14] = (uint8_t)(len >> 8);
  out[15] = (uint8_t)len;
  memcpy(out + 16, rest, len);
  return 16 + len;
}

static void test_tcp_over_ipv6(void **state) {
  (void)state;
  uint8_t bytes[64], rest[36] = {0};
  inet_pton(AF_INET6, "2001:db8::7", rest);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x21, rest, sizeof rest)), PROXY_WHOLE);
  assert_string_equal(PEER_TEXT(&source), "2001:db8::7");
  inet_pton(AF_INET6, "::ffff:192.0.2.7", rest);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x21, rest, sizeof rest)), PROXY_WHOLE);
  assert_string_equal(PEER_TEXT(&source), "192.0.2.7");
}

static void test_the_edge_for_itself(void **state) {
  (void)state;
  uint8_t bytes[64];
  assert_int_equal(parse(bytes, make(bytes, 0x20, 0x00, "", 0)), PROXY_WHOLE);
  assert_int_equal(used, 16);
  assert_int_equal(source.family, 0);
}

static void test_a_header_may_come_in_any_pieces(void **state) {
  (void)state;
  for (size_t len = 0; len < sizeof four; len++) assert_int_equal(parse(four, len), PROXY_PART);
  assert_int_equal(parse(four, sizeof four), PROXY_WHOLE);
}

static void test_a_wrong_byte_is_refused_as_soon_as_it_comes(void **state) {
  (void)state;
  for (size_t i = 0; i < 12; i++) {
    uint8_t bytes[sizeof four];
    memcpy(bytes, four, sizeof bytes);
    bytes[i] ^= 1;
    assert_int_equal(parse(bytes, i + 1), PROXY_BAD);
    assert_int_equal(parse(bytes, sizeof bytes), PROXY_BAD);
  }
}

static void test_only_tcp_of_this_version_is_taken(void **state) {
  (void)state;
  uint8_t bytes[600], rest[600] = {0};
  for (unsigned command = 0; command < 256; command++) {
    if (command == 0x20 || command == 0x21) continue;
    assert_int_equal(parse(bytes, make(bytes, (uint8_t)command, 0x11, rest, 12)), PROXY_BAD);
  }
  for (unsigned family = 0; family < 256; family++) {
    if (family == 0x11 || family == 0x21) continue;
    assert_int_equal(parse(bytes, make(bytes, 0x21, (uint8_t)family, rest, 216)), PROXY_BAD);
    if (family != 0) assert_int_equal(parse(bytes, make(bytes, 0x20, (uint8_t)family, rest, 216)), PROXY_BAD);
  }
}

static void test_version_1_is_refused(void **state) {
  (void)state;
  const char text[] = "PROXY TCP4 192.0.2.7 10.0.0.1 1000 7300\r\n";
  assert_int_equal(parse((const uint8_t *)text, sizeof text - 1), PROXY_BAD);
  assert_int_equal(parse((const uint8_t *)text, 1), PROXY_BAD);
}

static void test_addresses_must_be_whole(void **state) {
  (void)state;
  uint8_t bytes[64], rest[36] = {0};
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 11)), PROXY_BAD);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x21, rest, 35)), PROXY_BAD);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 0)), PROXY_BAD);
}

static void test_what_follows_the_addresses_must_be_well_formed(void **state) {
  (void)state;
  uint8_t bytes[64], rest[20] = {192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2, 0x04, 0x00, 0x02, 0xaa, 0xbb, 0x05, 0x00, 0x00};
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 20)), PROXY_WHOLE);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 17)), PROXY_WHOLE);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 16)), PROXY_BAD);
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 18)), PROXY_BAD);
  rest[13] = 0xff;
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 20)), PROXY_BAD);
}

static void test_its_length_is_bounded(void **state) {
  (void)state;
  uint8_t bytes[1024], rest[1000] = {0};
  size_t tlv = PROXY_MAX_BYTES - 16 - 12 - 3;
  rest[13] = (uint8_t)(tlv >> 8);
  rest[14] = (uint8_t)tlv;
  assert_int_equal(parse(bytes, make(bytes, 0x21, 0x11, rest, 12 + 3 + tlv)), PROXY_WHOLE);
  assert_int_equal(used, PROXY_MAX_BYTES);
  size_t len = make(bytes, 0x21, 0x11, rest, 12 + 3 + tlv + 1);
  assert_int_equal(parse(bytes, len), PROXY_BAD);
  assert_int_equal(parse(bytes, 16), PROXY_BAD);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tcp_over_ipv4),
      cmocka_unit_test(test_tcp_over_ipv6),
      cmocka_unit_test(test_the_edge_for_itself),
      cmocka_unit_test(test_a_header_may_come_in_any_pieces),
      cmocka_unit_test(test_a_wrong_byte_is_refused_as_soon_as_it_comes),
      cmocka_unit_test(test_only_tcp_of_this_version_is_taken),
      cmocka_unit_test(test_version_1_is_refused),
      cmocka_unit_test(test_addresses_must_be_whole),
      cmocka_unit_test(test_what_follows_the_addresses_must_be_well_formed),
      cmocka_unit_test(test_its_length_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

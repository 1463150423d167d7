// device.c: what it does when its token is refused, or ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../simulator/device.h"
#include "../../simulator/device_message.h"

#define SECOND_US INT64_C(1000000)

static uint32_t failed_code;

static void on_failed(void *context, uint32_t code, const char *text, size_t text_len) {
  (void)context, (void)text, (void)text_len;
  failed_code = code;
}

static void on_welcomed(void *context, bool is_again) {
  (void)context, (void)is_again;
}

static const struct device_options options = {
    .agent = "test", .spool_positions = 10, .batch = 10, .window = 20, .failed = on_failed, .welcomed = on_welcomed};

// Connects, is told this Error, and says how long the device waits then.
static int64_t wait_after(struct device *device, int64_t *now_us, uint8_t code, bool welcomed) {
  static const uint8_t welcome[] = {2, 0x0a, 0};
  const uint8_t error[] = {4, 0x2a, 2, 8, code};
  uint8_t hello[256];
  device_connecting(device, *now_us);
  device_connected(device, *now_us, "token", 5, hello);
  if (welcomed) assert_true(device_receive(device, *now_us, welcome, sizeof welcome));
  assert_false(device_receive(device, *now_us, error, sizeof error));
  assert_int_equal(failed_code, code);
  device_closed(device, *now_us);
  int64_t began_us = *now_us;
  while (device_poll(device, *now_us) != DEVICE_CONNECT) *now_us += SECOND_US / 10;
  return *now_us - began_us;
}

static void a_refused_token_is_not_brought_again_and_again(void **state) {
  (void)state;
  static const uint8_t codes[] = {TRACKER_ERROR_PROTOCOL_VERSION, TRACKER_ERROR_TOKEN_INVALID,
                                  TRACKER_ERROR_TOKEN_EXPIRED,    TRACKER_ERROR_TOKEN_REVOKED,
                                  TRACKER_ERROR_WRONG_TEAM,       TRACKER_ERROR_CLOCK};
  for (size_t i = 0; i < sizeof codes; i++) {
    int64_t now_us = 0, longest_us = 30 * SECOND_US;
    struct device *device = device_new(&options, NULL, i, 0);
    for (int attempt = 0; attempt < 8; attempt++) {
      int64_t wait_us = wait_after(device, &now_us, codes[i], false);
      assert_in_range(wait_us, longest_us / 2, longest_us + SECOND_US / 10);
      longest_us = longest_us < 300 * SECOND_US ? 2 * longest_us : 600 * SECOND_US;
    }
    device_free(device);
  }
}

static void a_token_that_ends_in_a_session_is_replaced_soon(void **state) {
  (void)state;
  int64_t now_us = 0;
  struct device *device = device_new(&options, NULL, 1, 0);
  assert_true(wait_after(device, &now_us, TRACKER_ERROR_TOKEN_EXPIRED, true) <= SECOND_US);
  device_free(device);
}

static void other_errors_are_waited_for_as_ever(void **state) {
  (void)state;
  int64_t now_us = 0;
  struct device *device = device_new(&options, NULL, 1, 0);
  assert_true(wait_after(device, &now_us, 11, false) <= SECOND_US);  // TIMEOUT
  device_free(device);
}

static void codes_have_names(void **state) {
  (void)state;
  assert_string_equal(tracker_error_name(TRACKER_ERROR_TOKEN_REVOKED), "token_revoked");
  assert_string_equal(tracker_error_name(TRACKER_ERROR_WRONG_TEAM), "wrong_team");
  assert_string_equal(tracker_error_name(TRACKER_ERROR_CLOCK), "clock");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_refused_token_is_not_brought_again_and_again),
      cmocka_unit_test(a_token_that_ends_in_a_session_is_replaced_soon),
      cmocka_unit_test(other_errors_are_waited_for_as_ever),
      cmocka_unit_test(codes_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// source.c: which servers are on loopback, how many addresses connections to them need, and that each is one of ours.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/source.h"

static struct sockaddr_storage server(const char *text) {
  struct sockaddr_storage out = {.ss_family = AF_INET};
  struct sockaddr_in address = {.sin_family = AF_INET};
  assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
  memcpy(&out, &address, sizeof address);
  return out;
}

static void only_loopback_is_spread(void **state) {
  (void)state;
  const struct sockaddr_storage near = server("127.0.0.1"), too = server("127.200.3.4"), far = server("128.0.0.1");
  const struct sockaddr_storage six = {.ss_family = AF_INET6};
  assert_true(source_is_loopback(&near) && source_is_loopback(&too));
  assert_false(source_is_loopback(&far) || source_is_loopback(&six));
  assert_int_equal(source_count(&far, 100000), 1);
  assert_int_equal(source_count(&six, 100000), 1);
}

static void no_address_has_more_than_its_ports(void **state) {
  (void)state;
  const struct sockaddr_storage near = server("127.0.0.1");
  assert_int_equal(source_count(&near, 0), 1);
  assert_int_equal(source_count(&near, 1), 1);
  assert_int_equal(source_count(&near, 10000), 1);
  assert_int_equal(source_count(&near, 10001), 2);
  assert_int_equal(source_count(&near, 1000000), 100);
}

static void connections_take_them_in_turn(void **state) {
  (void)state;
  char text[INET_ADDRSTRLEN];
  for (uint32_t i = 0; i < 3 * 7; i++) {
    uint32_t address = source_address(i, 7);
    assert_int_equal(address, source_address(i % 7, 7));
    assert_true(i % 7 == 6 || address != source_address(i + 1, 7));
  }
  uint32_t last = source_address(SOURCE_MAX - 1, SOURCE_MAX);
  assert_int_equal(ntohl(last) >> 24, 127);
  assert_string_equal(inet_ntop(AF_INET, &(uint32_t){source_address(0, 7)}, text, sizeof text), "127.1.0.1");
}

static void closed(uv_handle_t *handle) {
  (void)handle;
}

static void a_socket_is_bound_to_its_address_and_no_port_yet(void **state) {
  (void)state;
  uv_loop_t loop;
  uv_tcp_t tcp;
  struct sockaddr_in name;
  int len = sizeof name;
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(source_tcp_init(&loop, &tcp, 5, 7), 0);
  assert_int_equal(uv_tcp_getsockname(&tcp, (struct sockaddr *)&name, &len), 0);
  assert_int_equal(name.sin_addr.s_addr, source_address(5, 7));
  assert_int_equal(name.sin_port, 0);
  uv_close((uv_handle_t *)&tcp, closed);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_loopback_is_spread),
      cmocka_unit_test(no_address_has_more_than_its_ports),
      cmocka_unit_test(connections_take_them_in_turn),
      cmocka_unit_test(a_socket_is_bound_to_its_address_and_no_port_yet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

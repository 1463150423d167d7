// common/peers
#include "peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct peer peer(const char *text) {
  struct peer out;
  if (!peer_parse(text, strlen(text), &out)) fail_msg("%s is no address", text);
  return out;
}

static struct peers peers(const char *text) {
  struct peers out = {0};
  if (!peers_parse(&out, text)) fail_msg("%s is no list", text);
  return out;
}

static enum peers_judgement judge(const char *list, const char *address) {
  struct peers all = peers(list);
  struct peer one = peer(address);
  return peers_judge(&all, &one);
}

static void test_addresses_are_read_and_written(void **state) {
  (void)state;
  static const char *const same[] = {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "2001:db8::7"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    struct peer one = peer(same[i]);
    assert_string_equal(PEER_TEXT(&one), same[i]);
  }
  struct peer none = {0}, mapped = peer("::ffff:192.0.2.7");
  assert_string_equal(PEER_TEXT(&none), "-");
  assert_string_equal(PEER_TEXT(&mapped), "192.0.2.7");
}

static void test_what_is_no_address_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"",          "1.2.3", "1.2.3.4.5",
                                      "256.1.1.1", "host",  "1.2.3.4 ",
                                      "::g",       "[::1]", "1111:2222:3333:4444:5555:6666:7777:8888:9999"};
  struct peer out;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (peer_parse(wrong[i], strlen(wrong[i]), &out)) fail_msg("\"%s\" was taken", wrong[i]);
  }
  assert_false(peer_parse("1.2.3.4\0", 8, &out));
}

static void test_socket_addresses(void **state) {
  (void)state;
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  inet_pton(AF_INET6, "::ffff:10.0.0.1", &six.sin6_addr);
  struct sockaddr unknown = {.sa_family = AF_UNIX};
  struct peer a = peer_of((struct sockaddr *)&four), b = peer_of((struct sockaddr *)&six), c = peer_of(&unknown);
  assert_string_equal(PEER_TEXT(&a), "10.0.0.1");
  assert_memory_equal(&a, &b, sizeof a);
  assert_int_equal(c.family, 0);
}

static void test_networks_reach_to_their_last_bit(void **state) {
  (void)state;
  assert_int_equal(judge("10.0.0.0/8", "10.255.255.255"), PEERS_EDGE);
  assert_int_equal(judge("10.0.0.0/8", "11.0.0.0"), PEERS_STRANGER);
  assert_int_equal(judge("10.0.0.0/9", "10.127.255.255"), PEERS_EDGE);
  assert_int_equal(judge("10.0.0.0/9", "10.128.0.0"), PEERS_STRANGER);
  assert_int_equal(judge("192.0.2.7", "192.0.2.7"), PEERS_EDGE);
  assert_int_equal(judge("192.0.2.7", "192.0.2.6"), PEERS_STRANGER);
  assert_int_equal(judge("0.0.0.0/0", "8.8.8.8"), PEERS_EDGE);
  assert_int_equal(judge("0.0.0.0/0", "2001:db8::1"), PEERS_STRANGER);
  assert_int_equal(judge("2001:db8::/33", "2001:db8:7fff::1"), PEERS_EDGE);
  assert_int_equal(judge("2001:db8::/33", "2001:db8:8000::1"), PEERS_STRANGER);
  assert_int_equal(judge("1.1.1.1,10.0.0.0/8,::2", "::2"), PEERS_EDGE);
}

static void test_this_machine_is_no_stranger_and_others_only_if_all_are_asked_in(void **state) {
  (void)state;
  assert_int_equal(judge("", "127.0.0.1"), PEERS_DIRECT);
  assert_int_equal(judge("", "127.9.9.9"), PEERS_DIRECT);
  assert_int_equal(judge("", "::1"), PEERS_DIRECT);
  assert_int_equal(judge("", "10.0.0.1"), PEERS_STRANGER);
  assert_int_equal(judge("127.0.0.9", "127.0.0.9"), PEERS_EDGE);
  assert_int_equal(judge("127.0.0.9", "127.0.0.8"), PEERS_DIRECT);
  struct peers all = peers("10.0.0.0/8");
  all.everyone = true;
  struct peer stranger = peer("8.8.8.8"), edge = peer("10.1.1.1"), unknown = {0};
  assert_int_equal(peers_judge(&all, &stranger), PEERS_DIRECT);
  assert_int_equal(peers_judge(&all, &edge), PEERS_EDGE);
  all.everyone = false;
  assert_int_equal(peers_judge(&all, &unknown), PEERS_STRANGER);
}

static void test_broken_lists_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {",",         "10.0.0.0/8,",  ",10.0.0.0/8",  "10.0.0.0/33",     "::/129",
                                      "10.0.0.0/", "10.0.0.0/-1",  "10.0.0.0/8/8", "10.0.0.0/8 ,::1", "10.0.0/8",
                                      "all",       "10.0.0.0/0008"};
  struct peers out;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (peers_parse(&out, wrong[i])) fail_msg("\"%s\" was taken", wrong[i]);
  }
  char many[PEERS_MAX * 8 + 16] = "1.1.1.1";
  for (int i = 1; i < PEERS_MAX; i++) strcat(many, ",1.1.1.1");
  assert_true(peers_parse(&out, many));
  assert_int_equal(out.count, PEERS_MAX);
  strcat(many, ",1.1.1.1");
  assert_false(peers_parse(&out, many));
}

static void test_listening_beyond_this_machine_wants_a_word(void **state) {
  (void)state;
  struct peers none = peers(""), edge = peers("10.0.0.0/8"), all = peers("");
  all.everyone = true;
  static const char *const here[] = {"127.0.0.1", "127.1.2.3", "::1", "localhost"};
  static const char *const beyond[] = {"0.0.0.0", "::", "10.0.0.1", "example.org", "", "*"};
  for (size_t i = 0; i < sizeof here / sizeof *here; i++) assert_null(peers_listen_fault(&none, here[i]));
  for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
    assert_non_null(peers_listen_fault(&none, beyond[i]));
    assert_null(peers_listen_fault(&edge, beyond[i]));
    assert_null(peers_listen_fault(&all, beyond[i]));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_addresses_are_read_and_written),
      cmocka_unit_test(test_what_is_no_address_is_refused),
      cmocka_unit_test(test_socket_addresses),
      cmocka_unit_test(test_networks_reach_to_their_last_bit),
      cmocka_unit_test(test_this_machine_is_no_stranger_and_others_only_if_all_are_asked_in),
      cmocka_unit_test(test_broken_lists_are_refused),
      cmocka_unit_test(test_listening_beyond_this_machine_wants_a_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

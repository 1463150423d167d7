// roll.c: who lives, and who may judge that, under a clock of the test's own.
#include "../../tracker/roll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000)
#define START (1000 * S)

static int set_up(void **state) {
  struct roll *roll = roll_new("me", START);
  roll_listen(roll, START);
  *state = roll;
  return 0;
}

static int tear_down(void **state) {
  roll_free(*state);
  return 0;
}

static void hear(struct roll *roll, const char *id, int64_t after_us) {
  assert_int_equal(roll_hear(roll, id, 1, START + after_us), 0);
}

// Our own heartbeat, every 2 s, in this span.
static void hear_own(struct roll *roll, int64_t from_us, int64_t to_us) {
  for (int64_t at_us = from_us; at_us <= to_us; at_us += 2 * S) hear(roll, "me", at_us);
}

static bool may_judge(const struct roll *roll, int64_t after_us) {
  const struct roll_tracker *living;
  size_t count;
  return roll_living(roll, START + after_us, &living, &count);
}

// The living as "id.started id.started", in the order in which they were first heard; "?" if nobody may judge.
static const char *call(struct roll *roll, int64_t after_us) {
  static char text[256];
  const struct roll_tracker *living;
  size_t count, len = 0;
  roll_call(roll, START + after_us);
  if (!roll_living(roll, START + after_us, &living, &count)) return "?";
  *text = '\0';
  for (size_t i = 0; i < count; i++) {
    len += (size_t)snprintf(text + len, sizeof text - len, "%s%s.%lld", i ? " " : "", living[i].id,
                            (long long)living[i].started_at_us);
  }
  return text;
}

static void test_who_has_just_begun_to_listen_judges_nobody(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 4 * S);
  assert_string_equal(call(roll, ROLL_DEAD_US), "?");
  assert_string_equal(call(roll, ROLL_DEAD_US + 1), "me.1");
}

static void test_who_is_silent_for_too_long_is_dead(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 4 * S);
  hear(roll, "other", 4 * S);
  hear_own(roll, 6 * S, 8 * S);
  assert_string_equal(call(roll, 4 * S + ROLL_DEAD_US), "me.1 other.1");
  assert_string_equal(call(roll, 4 * S + ROLL_DEAD_US + 1), "me.1");
  hear(roll, "other", 10 * S);
  hear_own(roll, 10 * S, 10 * S);
  assert_string_equal(call(roll, 10 * S), "me.1 other.1");
}

static void test_who_does_not_hear_itself_judges_nobody(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 8 * S);
  hear(roll, "other", 8 * S + ROLL_UNHEARD_US - 1);
  assert_string_equal(call(roll, 8 * S + ROLL_UNHEARD_US - 1), "me.1 other.1");
  assert_string_equal(call(roll, 8 * S + ROLL_UNHEARD_US), "?");
  assert_string_equal(call(roll, 8 * S + 3600 * S), "?");
}

static void test_who_never_heard_itself_judges_nobody(void **state) {
  struct roll *roll = *state;
  for (int64_t at_us = 0; at_us < 20 * S; at_us += S) hear(roll, "other", at_us);
  assert_string_equal(call(roll, 20 * S), "?");
}

static void test_who_hears_itself_again_is_told_for_how_long_it_was_not_heard(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 8 * S);
  assert_int_equal(roll_hear(roll, "me", 1, START + 8 * S + ROLL_UNHEARD_US), 0);
  int64_t gap_us = ROLL_UNHEARD_US + 1;
  assert_int_equal(roll_hear(roll, "me", 1, START + 12 * S + gap_us), gap_us);
  assert_int_equal(roll_hear(roll, "me", 1, START + 14 * S + gap_us), 0);
}

static void test_silence_of_others_while_we_were_unheard_proves_nothing(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 8 * S);
  hear(roll, "other", 8 * S);
  assert_int_equal(roll_hear(roll, "me", 1, START + 20 * S), 12 * S);
  assert_string_equal(call(roll, 20 * S), "?");
  hear_own(roll, 22 * S, 24 * S);
  assert_string_equal(call(roll, 25 * S), "?");  // it may have been out of hearing with us, and gets its 5 s
  assert_string_equal(call(roll, 25 * S + 1), "me.1");
}

static void test_a_connection_that_broke_begins_anew(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 8 * S);
  assert_true(may_judge(roll, 9 * S));
  roll_deafen(roll);
  assert_false(may_judge(roll, 9 * S));
  roll_listen(roll, START + 10 * S);
  hear_own(roll, 10 * S, 14 * S);
  assert_string_equal(call(roll, 15 * S), "?");
  assert_string_equal(call(roll, 15 * S + 1), "me.1");
}

static void test_of_two_processes_of_one_name_only_the_later_lives(void **state) {
  struct roll *roll = *state;
  hear_own(roll, 2 * S, 6 * S);
  assert_int_equal(roll_hear(roll, "other", 7, START + 6 * S), 0);
  assert_int_equal(roll_hear(roll, "other", 9, START + 6 * S), 0);
  assert_int_equal(roll_hear(roll, "other", 7, START + 7 * S), 0);  // a late word
  assert_string_equal(call(roll, 7 * S), "me.1 other.9");
  hear_own(roll, 8 * S, 10 * S);
  assert_string_equal(call(roll, 11 * S + 1), "me.1");  // the late word was none of the living's
}

// What is judged is what was known when the roll was called, however long the judge took to come to it.
static void test_the_living_are_those_of_the_last_call(void **state) {
  struct roll *roll = *state;
  hear(roll, "other", 2 * S);
  hear_own(roll, 2 * S, 6 * S);
  assert_string_equal(call(roll, 7 * S), "other.1 me.1");
  const struct roll_tracker *living;
  size_t count;
  assert_true(roll_living(roll, START + 9 * S, &living, &count));
  assert_int_equal(count, 2);
}

static void test_the_dead_are_forgotten_and_may_return(void **state) {
  struct roll *roll = *state;
  assert_int_equal(roll_hear(roll, "other", 9, START), 0);
  hear_own(roll, 2 * S, 60 * S);
  call(roll, ROLL_FORGET_US);
  assert_int_equal(roll_hear(roll, "other", 8, START + 60 * S), 0);
  assert_string_equal(call(roll, ROLL_FORGET_US), "me.1");  // still known to have been replaced
  hear_own(roll, 60 * S, 60 * S);
  call(roll, ROLL_FORGET_US + 1);
  assert_int_equal(roll_hear(roll, "other", 8, START + 61 * S), 0);
  assert_string_equal(call(roll, 61 * S), "me.1 other.8");
}

static void test_a_name_that_is_none_is_not_heard(void **state) {
  struct roll *roll = *state;
  char longest[IDENT_MAX_BYTES + 2] = "";
  memset(longest, 'x', IDENT_MAX_BYTES + 1);
  hear_own(roll, 2 * S, 6 * S);
  hear(roll, longest, 6 * S);
  hear(roll, "a b", 6 * S);
  hear(roll, "", 6 * S);
  assert_string_equal(call(roll, 6 * S), "me.1");
  longest[IDENT_MAX_BYTES] = '\0';
  hear(roll, longest, 6 * S);
  assert_int_equal(strlen(call(roll, 6 * S)), strlen("me.1 ") + IDENT_MAX_BYTES + strlen(".1"));
}

static void test_any_number_of_trackers_are_heard(void **state) {
  struct roll *roll = *state;
  char id[16];
  hear_own(roll, 2 * S, 6 * S);
  for (int i = 0; i < 100; i++) {
    snprintf(id, sizeof id, "tracker-%d", i);
    hear(roll, id, 6 * S);
  }
  const struct roll_tracker *living;
  size_t count;
  roll_call(roll, START + 6 * S);
  assert_true(roll_living(roll, START + 6 * S, &living, &count));
  assert_int_equal(count, 101);
  assert_string_equal(living[100].id, "tracker-99");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_who_has_just_begun_to_listen_judges_nobody),
      TEST(test_who_is_silent_for_too_long_is_dead),
      TEST(test_who_does_not_hear_itself_judges_nobody),
      TEST(test_who_never_heard_itself_judges_nobody),
      TEST(test_who_hears_itself_again_is_told_for_how_long_it_was_not_heard),
      TEST(test_silence_of_others_while_we_were_unheard_proves_nothing),
      TEST(test_a_connection_that_broke_begins_anew),
      TEST(test_of_two_processes_of_one_name_only_the_later_lives),
      TEST(test_the_living_are_those_of_the_last_call),
      TEST(test_the_dead_are_forgotten_and_may_return),
      TEST(test_a_name_that_is_none_is_not_heard),
      TEST(test_any_number_of_trackers_are_heard),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

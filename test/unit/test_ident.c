// ident.c: what is an id.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ident.h"

static void takes_its_alphabet_and_no_other_byte(void **state) {
  (void)state;
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  for (int c = 0; c < 256; c++) {
    char text[3] = {'a', (char)c, 'b'};
    bool wanted = c != 0 && strchr(alphabet, c) != NULL;
    assert_int_equal(ident_valid(text, 3), wanted);
    assert_int_equal(ident_valid(text + 1, 1), wanted);
  }
}

static void is_one_to_sixty_four_bytes(void **state) {
  (void)state;
  char text[66];
  memset(text, 'x', sizeof text);
  assert_false(ident_valid(text, 0));
  for (size_t len = 1; len <= 64; len++) assert_true(ident_valid(text, len));
  assert_false(ident_valid(text, 65));
}

static void looks_at_no_byte_beyond_its_length(void **state) {
  (void)state;
  assert_true(ident_valid("team.1", 4));
  assert_false(ident_valid("team.1", 5));
  assert_false(ident_valid("a\0b", 3));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_its_alphabet_and_no_other_byte),
      cmocka_unit_test(is_one_to_sixty_four_bytes),
      cmocka_unit_test(looks_at_no_byte_beyond_its_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

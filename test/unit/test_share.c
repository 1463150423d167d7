// share.h: the processes have every thing once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/share.h"

static void every_number_is_one_process_own(void **state) {
  (void)state;
  for (uint32_t count = 1; count <= 9; count++) {
    for (uint32_t total = 0; total <= 40; total++) {
      uint8_t seen[40] = {0};
      uint32_t sum = 0;
      for (uint32_t index = 0; index < count; index++) {
        struct share share = {index, count};
        uint32_t size = share_size(share, total);
        assert_true(size <= share_size((struct share){0, count}, total));
        for (uint32_t n = 0; n < size; n++) {
          assert_true(share_number(share, n) < total);
          assert_int_equal(seen[share_number(share, n)]++, 0);
        }
        sum += size;
      }
      assert_int_equal(sum, total);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_number_is_one_process_own)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

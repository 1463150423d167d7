// box.c: boxes on the map.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simulator/box.h"

static void reads_degrees_exactly_and_writes_them_back(void **state) {
  (void)state;
  struct box box;
  struct buffer text = {0};
  assert_true(box_parse("8.5417231,-47.3768812,+9,90", &box));
  assert_int_equal(box.west_e7, 85417231);
  assert_int_equal(box.south_e7, -473768812);
  assert_int_equal(box.east_e7, 90000000);
  assert_int_equal(box.north_e7, 900000000);
  assert_true(box_parse("-0.05,-0.0000001,0,0.5", &box));
  box_append(&box, &text);
  buffer_append(&text, "", 1);
  assert_string_equal((char *)text.data, "-0.0500000,-0.0000001,0.0000000,0.5000000");
  buffer_fini(&text);
}

static void refuses_what_is_no_box(void **state) {
  (void)state;
  static const char *const bad[] = {"",         "1,2,3",    "1,2,3,4,",  "1,2,3,4,5", ",2,3,4",
                                    "1,2,3,",   "1, 2,3,4", "1,4,3,2",   "181,2,3,4", "1,2,3,91",
                                    "1,2,3,4 ", "a,b,c,d",  "1,-91,3,4", "1e1,2,3,4"};
  struct box box;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (box_parse(bad[i], &box)) fail_msg("taken: %s", bad[i]);
  }
}

static void edges_are_inside(void **state) {
  (void)state;
  const struct box box = {10, 20, 30, 40};
  assert_true(box_has(&box, 20, 10) && box_has(&box, 40, 30) && box_has(&box, 30, 20));
  assert_false(box_has(&box, 19, 20) || box_has(&box, 41, 20) || box_has(&box, 30, 9) || box_has(&box, 30, 31));
}

static void a_box_may_cross_the_antimeridian(void **state) {
  (void)state;
  struct box box;
  assert_true(box_parse("170,-10,-170,10", &box));
  assert_true(box_has(&box, 0, 1750000000) && box_has(&box, 0, -1750000000) && box_has(&box, 0, 1800000000) &&
              box_has(&box, 0, -1800000000));
  assert_false(box_has(&box, 0, 0) || box_has(&box, 0, 1690000000) || box_has(&box, 0, -1690000000));
}

static void both_longitudes_of_the_antimeridian_are_one(void **state) {
  (void)state;
  struct box box;
  assert_true(box_parse("170,-10,180,10", &box));
  assert_true(box_has(&box, 0, -1800000000) && box_has(&box, 0, 1800000000));
  assert_false(box_has(&box, 0, -1799999999));
  assert_true(box_parse("0,-10,10,10", &box));
  assert_false(box_has(&box, 0, -1800000000) || box_has(&box, 0, 1800000000));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_degrees_exactly_and_writes_them_back),
      cmocka_unit_test(refuses_what_is_no_box),
      cmocka_unit_test(edges_are_inside),
      cmocka_unit_test(a_box_may_cross_the_antimeridian),
      cmocka_unit_test(both_longitudes_of_the_antimeridian_are_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

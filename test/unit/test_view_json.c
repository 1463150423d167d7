// JSON of views: exact numbers, rows and features as docs/http-api.md shows them.
#include "../../gateway/view_json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_int(int64_t value, const char *text) {
  char out[VIEW_JSON_INT_BYTES + 1] = "";
  *view_json_int(out, value) = '\0';
  assert_string_equal(out, text);
}

static void assert_e7(int64_t value, const char *text) {
  char out[VIEW_JSON_FIXED_BYTES + 1] = "";
  *view_json_e7(out, value) = '\0';
  assert_string_equal(out, text);
}

static void assert_centi(int64_t value, const char *text) {
  char out[VIEW_JSON_FIXED_BYTES + 1] = "";
  *view_json_centi(out, value) = '\0';
  assert_string_equal(out, text);
}

static void test_whole_numbers(void **state) {
  (void)state;
  assert_int(0, "0");
  assert_int(-1, "-1");
  assert_int(1784370000000001, "1784370000000001");
  assert_int(INT64_MAX, "9223372036854775807");
  assert_int(INT64_MIN, "-9223372036854775808");
}

// Each number of digits, with the carries on both sides of it.
static void test_whole_numbers_of_every_length(void **state) {
  (void)state;
  char text[VIEW_JSON_INT_BYTES + 1];
  for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
    for (int64_t value = power - 1; value <= power + 1; value++) {
      snprintf(text, sizeof text, "%" PRId64, value);
      assert_int(value, text);
      snprintf(text, sizeof text, "%" PRId64, value * 9);
      assert_int(value * 9, text);
    }
  }
}

static void test_fixed_numbers_keep_every_digit(void **state) {
  (void)state;
  assert_e7(85417231, "8.5417231");
  assert_e7(1, "0.0000001");
  assert_e7(-1, "-0.0000001");
  assert_e7(0, "0.0000000");
  assert_e7(-1800000000, "-180.0000000");
  assert_e7(900000000, "90.0000000");
  assert_centi(27150, "271.50");
  assert_centi(-5, "-0.05");
  assert_centi(0, "0.00");
  assert_centi(INT64_MAX, "92233720368547758.07");
  assert_e7(INT64_MIN, "-922337203685.4775808");
}

static const struct position full = {.taken_at_us = 1784369999500000,
                                     .latitude_e7 = 473768812,
                                     .longitude_e7 = 85417231,
                                     .speed_cm_s = 416,
                                     .heading_cdeg = 27150,
                                     .accuracy_cm = 300,
                                     .altitude_cm = 40800,
                                     .battery_percent = 87,
                                     .has = 0xff};

static void assert_row(const struct view_row *row, const char *text) {
  char out[VIEW_ROW_BYTES + 1];
  *view_json_row(out, row) = '\0';
  assert_string_equal(out, text);
}

static void test_row_of_a_whole_position(void **state) {
  (void)state;
  struct view_row row = {{"van-7", 5}, &full, VIEW_ONLINE, {"tracker-1", 9}};
  assert_row(&row,
             "[\"van-7\",1784369999500000,8.5417231,47.3768812,4.16,271.50,3.00,408.00,87,\"online\",\"tracker-1\"]");
}

static void test_row_without_optional_values(void **state) {
  (void)state;
  struct position bare = full;
  bare.has = POSITION_HAS_ALL_REQUIRED;
  struct view_row row = {{"van-7", 5}, &bare, VIEW_OFFLINE, {"", 0}};
  assert_row(&row, "[\"van-7\",1784369999500000,8.5417231,47.3768812,null,null,null,null,null,\"offline\",null]");
}

static void test_row_of_a_silent_worker(void **state) {
  (void)state;
  struct view_row row = {{"bike-3", 6}, NULL, VIEW_STALE, {"tracker-2", 9}};
  assert_row(&row, "[\"bike-3\",null,null,null,null,null,null,null,null,\"stale\",\"tracker-2\"]");
}

static void test_row_without_a_position(void **state) {
  (void)state;
  struct view_row row = {{"bike-3", 6}, NULL, VIEW_ONLINE, {"tracker-2", 9}};
  assert_row(&row, "[\"bike-3\",null,null,null,null,null,null,null,null,\"online\",\"tracker-2\"]");
}

static void test_longest_row_fits(void **state) {
  (void)state;
  char name[IDENT_MAX_BYTES], out[VIEW_ROW_BYTES];
  memset(name, 'w', sizeof name);
  struct position longest = {INT64_MIN,  INT32_MIN, INT32_MIN,  UINT32_MAX, UINT32_MAX,
                             UINT32_MAX, INT32_MIN, UINT32_MAX, 0xff};
  struct view_row row = {{name, sizeof name}, &longest, false, {name, sizeof name}};
  assert_true(view_json_row(out, &row) - out <= VIEW_ROW_BYTES);
}

static void test_columns_name_every_value_of_a_row(void **state) {
  (void)state;
  char out[VIEW_ROW_BYTES + 1];
  struct view_row row = {{"van-7", 5}, &full, VIEW_ONLINE, {"tracker-1", 9}};
  *view_json_row(out, &row) = '\0';
  cJSON *columns = cJSON_Parse(view_columns), *values = cJSON_Parse(out);
  assert_int_equal(cJSON_GetArraySize(columns), 11);
  assert_int_equal(cJSON_GetArraySize(values), 11);
  cJSON_Delete(columns);
  cJSON_Delete(values);
}

static cJSON *feature(const struct view_row *row) {
  struct buffer out = {0};
  view_json_feature(&out, row);
  cJSON *json = cJSON_ParseWithLength((const char *)out.data, out.len);
  assert_non_null(json);
  buffer_fini(&out);
  return json;
}

static void test_feature_has_point_and_properties(void **state) {
  (void)state;
  struct view_row row = {{"van-7", 5}, &full, VIEW_ONLINE, {"tracker-1", 9}};
  cJSON *json = feature(&row), *properties = cJSON_GetObjectItem(json, "properties");
  char *point = cJSON_PrintUnformatted(cJSON_GetObjectItem(json, "geometry"));
  assert_string_equal(point, "{\"type\":\"Point\",\"coordinates\":[8.5417231,47.3768812]}");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(properties, "worker")), "van-7");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(properties, "status")), "online");
  assert_float_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(properties, "heading_deg")), 271.5, 0);
  assert_int_equal(cJSON_GetArraySize(properties), 9);  // all columns but the two coordinates
  free(point);
  cJSON_Delete(json);
}

static void test_feature_without_a_position_has_null_geometry(void **state) {
  (void)state;
  struct view_row row = {{"bike-3", 6}, NULL, false, {"", 0}};
  cJSON *json = feature(&row);
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "geometry")));
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "properties"), "taken_at_us")));
  cJSON_Delete(json);
}

static void test_feature_of_a_track_tells_the_time_as_text(void **state) {
  (void)state;
  struct buffer out = {0};
  struct position bare = full;
  bare.has = POSITION_HAS_ALL_REQUIRED | POSITION_HAS_SPEED;
  view_json_track_feature(&out, (struct slice){"van-7", 5}, &bare);
  buffer_append(&out, "", 1);
  assert_string_equal(
      (char *)out.data,
      "{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[8.5417231,47.3768812]},"
      "\"properties\":{\"worker\":\"van-7\",\"taken_at\":\"2026-07-18T10:19:59.500000Z\",\"speed_m_s\":4.16,"
      "\"heading_deg\":null,\"accuracy_m\":null,\"altitude_m\":null,\"battery_percent\":null}}");
  buffer_fini(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whole_numbers),
      cmocka_unit_test(test_whole_numbers_of_every_length),
      cmocka_unit_test(test_fixed_numbers_keep_every_digit),
      cmocka_unit_test(test_row_of_a_whole_position),
      cmocka_unit_test(test_row_without_optional_values),
      cmocka_unit_test(test_row_of_a_silent_worker),
      cmocka_unit_test(test_row_without_a_position),
      cmocka_unit_test(test_longest_row_fits),
      cmocka_unit_test(test_columns_name_every_value_of_a_row),
      cmocka_unit_test(test_feature_has_point_and_properties),
      cmocka_unit_test(test_feature_without_a_position_has_null_geometry),
      cmocka_unit_test(test_feature_of_a_track_tells_the_time_as_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

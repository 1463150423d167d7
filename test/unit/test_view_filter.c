// view_filter.c: boxes, and the filters that a client sends in JSON and in protobuf.
#include "../../gateway/view_filter.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view.pb-c.h"

#define E7 10000000

static void assert_box(const struct view_box *box, int32_t west, int32_t south, int32_t east, int32_t north) {
  assert_int_equal(box->west_e7, west);
  assert_int_equal(box->south_e7, south);
  assert_int_equal(box->east_e7, east);
  assert_int_equal(box->north_e7, north);
}

static void assert_parsed(const char *text, int32_t west, int32_t south, int32_t east, int32_t north) {
  struct view_box box;
  assert_true(view_box_parse(text, &box));
  assert_box(&box, west, south, east, north);
}

// ---- boxes ----

static void boxes_are_read_exactly(void **state) {
  (void)state;
  assert_parsed("8.5417231,47.3768812,8.6,47.4", 85417231, 473768812, 86000000, 474000000);
  assert_parsed("-0.0000001,-1,0.0000001,1", -1, -E7, 1, E7);
  assert_parsed("8,47,8,47", 8 * E7, 47 * E7, 8 * E7, 47 * E7);
  assert_parsed("-180,-90,180,90", -180 * E7, -90 * E7, 180 * E7, 90 * E7);
  assert_parsed("179,-20,-179.5,-10", 179 * E7, -20 * E7, -1795000000, -10 * E7);
  assert_parsed("1.00000004,2.00000005,3.00000006,4", 10000000, 20000001, 30000001, 40000000);
}

static void refuses_what_is_no_box(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      ",,,",
      "1,2,3",
      "1,2,3,",
      ",1,2,3",
      "1,2,3,4,",
      "1,2,3,4,5",
      "1, 2,3,4",
      "1,2,3,4 ",
      "1;2;3;4",
      "1,2,3,4e0",
      "1,2,3,0x4",
      "1,2,3,nan",
      "1,2,3,inf",
      "a,b,c,d",
      "180.0000001,2,3,4",
      "-180.0000001,2,3,4",
      "1,2,180.0000001,4",
      "1,2,-181,4",
      "1,-90.0000001,3,4",
      "1,2,3,90.0000001",
      "1,4.0000001,3,4",
      "99999999999999999999,2,3,4",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct view_box box = {1, 2, 3, 4};
    char *copy = strdup(bad[i]);  // so that a sanitizer sees an overrun
    if (view_box_parse(copy, &box)) fail_msg("taken: %s", bad[i]);
    free(copy);
    assert_box(&box, 1, 2, 3, 4);
  }
}

static bool has(const char *text, double latitude, double longitude) {
  struct view_box box;
  assert_true(view_box_parse(text, &box));
  return view_box_has(&box, (int32_t)(latitude * E7), (int32_t)(longitude * E7));
}

static void a_box_has_its_edges(void **state) {
  (void)state;
  static const char box[] = "8,47,9,48";
  assert_true(has(box, 47.5, 8.5));
  assert_true(has(box, 47, 8));
  assert_true(has(box, 48, 9));
  struct view_box edges;
  assert_true(view_box_parse(box, &edges));
  assert_false(view_box_has(&edges, 47 * E7 - 1, 8 * E7));
  assert_false(view_box_has(&edges, 48 * E7 + 1, 8 * E7));
  assert_false(view_box_has(&edges, 47 * E7, 8 * E7 - 1));
  assert_false(view_box_has(&edges, 47 * E7, 9 * E7 + 1));
}

static void a_box_may_cross_the_antimeridian(void **state) {
  (void)state;
  static const char box[] = "170,-20,-170,-10";
  assert_true(has(box, -15, 175));
  assert_true(has(box, -15, 180));
  assert_true(has(box, -15, -180));
  assert_true(has(box, -15, -175));
  assert_true(has(box, -15, 170));
  assert_true(has(box, -15, -170));
  assert_false(has(box, -15, 169));
  assert_false(has(box, -15, -169));
  assert_false(has(box, -15, 0));
  assert_false(has(box, -21, 175));
}

static void plus_and_minus_180_are_one_line(void **state) {
  (void)state;
  static const char *const touching[] = {"170,-20,180,-10",   "-180,-20,-170,-10", "180,-20,-180,-10",
                                         "-180,-20,-180,-10", "180,-20,180,-10",   "180,-20,-170,-10",
                                         "170,-20,-180,-10",  "-180,-20,180,-10"};
  for (size_t i = 0; i < sizeof touching / sizeof *touching; i++) {
    assert_true(has(touching[i], -15, 180));
    assert_true(has(touching[i], -15, -180));
    bool whole = i == 7, east = i == 0 || i == 6, west = i == 1 || i == 5;
    assert_int_equal(has(touching[i], -15, 175), whole || east);
    assert_int_equal(has(touching[i], -15, -175), whole || west);
    assert_int_equal(has(touching[i], -15, 0), whole);
  }
}

// ---- messages ----

// Reads a message of exactly these bytes onto a filter; NULL or why not, and then the filter is as it was.
static const char *read_bytes(enum view_protocol protocol, const void *bytes, size_t len, struct view_filter *filter) {
  void *copy = malloc(len ? len : 1);
  memcpy(copy, bytes, len);
  struct view_filter before = *filter;
  const char *fault = NULL;
  bool good = view_filter_read(protocol, copy, len, filter, &fault);
  free(copy);
  assert_int_equal(good, fault == NULL);
  if (!good) {
    assert_memory_equal(&before, filter, sizeof before);
    assert_null(strpbrk(fault, "\"\\\n"));  // goes into JSON as it is
  }
  return fault;
}

static const char *read_json(const char *text, struct view_filter *filter) {
  return read_bytes(VIEW_SOCKET_JSON, text, strlen(text), filter);
}

static void json_changes_what_it_names(void **state) {
  (void)state;
  struct view_filter filter = {.interval_ms = 100};
  assert_null(read_json("{\"bbox\":[8.5417231,47.3768812,8.6,47.4],\"interval_ms\":250}", &filter));
  assert_int_equal(filter.interval_ms, 250);
  assert_true(filter.has_box);
  assert_box(&filter.box, 85417231, 473768812, 86000000, 474000000);
  assert_null(read_json(" {\n\t\"interval_ms\" : 0 }\r\n", &filter));
  assert_int_equal(filter.interval_ms, 0);
  assert_true(filter.has_box);
  assert_null(read_json("{\"bbox\":null}", &filter));
  assert_false(filter.has_box);
  assert_int_equal(filter.interval_ms, 0);
  assert_null(read_json("{\"interval_ms\":60000}", &filter));
  assert_null(read_json("{}", &filter));
  assert_int_equal(filter.interval_ms, 60000);
  assert_null(read_json("{\"bbox\":[1e-7,-1E1,1e-05,1.5e+1]}", &filter));
  assert_box(&filter.box, 1, -10 * E7, 100, 15 * E7);
  assert_null(read_json("{\"bbox\":[170,-20,180,-10]}", &filter));  // by the same rules as a box in a URL
  assert_box(&filter.box, 170 * E7, -20 * E7, -180 * E7, -10 * E7);
}

static void assert_json_fault(const char *text, const char *about) {
  struct view_filter filter = {.interval_ms = 100, .has_box = true, .box = {1, 2, 3, 4}};
  const char *fault = read_json(text, &filter);
  if (!fault) fail_msg("taken: %s", text);
  if (!strstr(fault, about)) fail_msg("%s: %s", text, fault);
}

static void json_faults_are_told(void **state) {
  (void)state;
  static const char *const no_objects[] = {
      "",
      " ",
      "null",
      "7",
      "[]",
      "\"bbox\"",
      "{",
      "{\"bbox\"}",
      "{\"bbox\":}",
      "{\"interval_ms\":1}x",
      "{}{}",
      "{},",
      "{\"interval_ms\":1,}",
      "{\"bbox\":[1,2,3,4}",
      "{\"interval_ms\":--1}",
      "{\"interval_ms\":nan}",
      "\xff",
  };
  for (size_t i = 0; i < sizeof no_objects / sizeof *no_objects; i++) assert_json_fault(no_objects[i], "JSON object");
  assert_json_fault("{\"zoom\":1}", "neither");
  assert_json_fault("{\"interval_ms\":1,\"Bbox\":null}", "neither");
  assert_json_fault("{\"\":null}", "neither");
  assert_json_fault("{\"bbox\":null,\"bbox\":[1,2,3,4]}", "twice");
  assert_json_fault("{\"interval_ms\":1,\"interval_ms\":1}", "twice");
  static const char *const intervals[] = {"-1", "60001", "1.5", "1e99", "\"1\"", "null", "true", "[1]", "{}"};
  for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
    char text[64];
    snprintf(text, sizeof text, "{\"bbox\":null,\"interval_ms\":%s}", intervals[i]);
    assert_json_fault(text, "interval_ms must");
  }
  static const char *const boxes[] = {
      "7",
      "\"1,2,3,4\"",
      "{}",
      "true",
      "[]",
      "[1,2,3]",
      "[1,2,3,4,5]",
      "[1,-2,3,null]",
      "[1,-2,3,\"4\"]",
      "[[1,2,3,4]]",
      "[180.0000001,2,3,4]",
      "[1,2,-180.0000001,4]",
      "[1,-90.0000001,3,4]",
      "[1,2,3,90.0000001]",
      "[1,5,3,4]",
      "[1e300,2,3,4]",
      "[-1e999,2,3,4]",
      "[1,2,1e999,4]",
  };
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    char text[64];
    snprintf(text, sizeof text, "{\"interval_ms\":5,\"bbox\":%s}", boxes[i]);
    assert_json_fault(text, "bbox must");
  }
}

// The stack of a thread may be small: cJSON itself would go down a thousand levels, and then say that it is no bbox.
static void json_is_not_followed_into_the_depth(void **state) {
  (void)state;
  static const char *const heads[] = {"{\"bbox\":", "{\"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\":"};  // nor backwards
  for (size_t i = 0; i < 2; i++) {
    for (int depth = 40; depth <= 900; depth += 43) {
      char text[2000];
      size_t len = strlen(heads[i]);
      memcpy(text, heads[i], len);
      memset(text + len, '[', (size_t)depth);
      memset(text + len + depth, ']', (size_t)depth);
      text[len + 2 * (size_t)depth] = '}';
      text[len + 2 * (size_t)depth + 1] = '\0';
      assert_json_fault(text, "JSON object");
    }
  }
}

static void json_ends_where_it_ends(void **state) {
  (void)state;
  struct view_filter filter = {0};
  static const char nul[] = "{\"interval_ms\":5}\0{";
  assert_non_null(read_bytes(VIEW_SOCKET_JSON, nul, sizeof nul - 1, &filter));
  assert_null(read_bytes(VIEW_SOCKET_JSON, nul, strlen(nul), &filter));
  static const char message[] = "{\"interval_ms\":77,\"bbox\":[1,2,3,4]}";
  for (size_t len = 0; len < sizeof message - 1; len++) {
    assert_non_null(read_bytes(VIEW_SOCKET_JSON, message, len, &filter));
  }
  // As long as a message may be, and one more.
  char text[4097];
  memset(text, ' ', sizeof text);
  memcpy(text, message, sizeof message - 1);
  assert_null(read_bytes(VIEW_SOCKET_JSON, text, 4096, &filter));
  assert_int_equal(filter.interval_ms, 77);
  assert_non_null(strstr(read_bytes(VIEW_SOCKET_JSON, text, 4097, &filter), "too long"));
}

// What a client prints with 7 decimals, and what its language prints of the double, both come back as they were.
static void json_coordinates_are_exact(void **state) {
  (void)state;
  uint64_t random = 7;
  for (int i = 0; i < 20000; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    int32_t east = (int32_t)(random >> 33) % (180 * E7), north = (int32_t)(random >> 3 & 0x7fffffff) % (90 * E7);
    char text[160];
    snprintf(text, sizeof text, "{\"bbox\":[%d.%07d,-%d.%07d,%.17g,%.17g]}", east / E7, east % E7, north / E7,
             north % E7, east / 1e7, north / 1e7);
    struct view_filter filter = {0};
    assert_null(read_json(text, &filter));
    assert_box(&filter.box, east, -north, east, north);
  }
}

// ---- protobuf ----

static const char *read_message(const Muster__ViewFilter *message, struct view_filter *filter) {
  uint8_t bytes[128];
  assert_true(muster__view_filter__get_packed_size(message) <= sizeof bytes);
  return read_bytes(VIEW_SOCKET_PROTOBUF, bytes, muster__view_filter__pack(message, bytes), filter);
}

static Muster__ViewBox proto_box(int32_t west, int32_t south, int32_t east, int32_t north) {
  Muster__ViewBox box = MUSTER__VIEW_BOX__INIT;
  box.has_west_e7 = box.has_south_e7 = box.has_east_e7 = box.has_north_e7 = true;
  box.west_e7 = west;
  box.south_e7 = south;
  box.east_e7 = east;
  box.north_e7 = north;
  return box;
}

static void protobuf_changes_what_it_names(void **state) {
  (void)state;
  struct view_filter filter = {.interval_ms = 100};
  Muster__ViewBox box = proto_box(-85417231, -473768812, 86000000, 474000000);
  Muster__ViewFilter message = MUSTER__VIEW_FILTER__INIT;
  message.bbox = &box;
  assert_null(read_message(&message, &filter));
  assert_true(filter.has_box);
  assert_box(&filter.box, -85417231, -473768812, 86000000, 474000000);
  assert_int_equal(filter.interval_ms, 100);
  message.has_whole_team = true;  // false: says nothing
  message.has_interval_ms = true;
  message.interval_ms = 60000;
  assert_null(read_message(&message, &filter));
  assert_int_equal(filter.interval_ms, 60000);
  assert_true(filter.has_box);
  message.bbox = NULL;
  message.has_interval_ms = false;
  assert_null(read_message(&message, &filter));
  assert_true(filter.has_box);
  message.whole_team = true;
  assert_null(read_message(&message, &filter));
  assert_false(filter.has_box);
  assert_int_equal(filter.interval_ms, 60000);
  assert_null(read_bytes(VIEW_SOCKET_PROTOBUF, "", 0, &filter));
}

static void assert_proto_fault(const Muster__ViewFilter *message, const char *about) {
  struct view_filter filter = {.interval_ms = 100, .has_box = true, .box = {1, 2, 3, 4}};
  const char *fault = read_message(message, &filter);
  assert_non_null(fault);
  if (!strstr(fault, about)) fail_msg("not about %s: %s", about, fault);
}

static void protobuf_faults_are_told(void **state) {
  (void)state;
  Muster__ViewFilter message = MUSTER__VIEW_FILTER__INIT;
  message.has_interval_ms = true;
  message.interval_ms = 60001;
  assert_proto_fault(&message, "interval_ms must");
  message.interval_ms = UINT32_MAX;
  assert_proto_fault(&message, "interval_ms must");
  message.interval_ms = 5;
  static const int32_t boxes[][4] = {
      {180 * E7 + 1, 2, 3, 4},
      {1, 2, -180 * E7 - 1, 4},
      {1, -90 * E7 - 1, 3, 4},
      {1, 2, 3, 90 * E7 + 1},
      {1, 5, 3, 4},
      {INT32_MIN, 2, 3, 4},
      {1, INT32_MIN, INT32_MAX, 4},
  };
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    Muster__ViewBox box = proto_box(boxes[i][0], boxes[i][1], boxes[i][2], boxes[i][3]);
    message.bbox = &box;
    assert_proto_fault(&message, "bbox must");
  }
  Muster__ViewBox box = proto_box(1, -2, 3, 4);
  message.bbox = &box;
  protobuf_c_boolean *const edges[] = {&box.has_west_e7, &box.has_south_e7, &box.has_east_e7, &box.has_north_e7};
  for (size_t i = 0; i < 4; i++) {
    *edges[i] = false;
    assert_proto_fault(&message, "bbox must");
    *edges[i] = true;
  }
  message.has_whole_team = message.whole_team = true;
  assert_proto_fault(&message, "and for the whole team");
}

static void protobuf_that_is_none_or_unknown_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
    const char *about;
  } cases[] = {
      {"\x18", 1, "ViewFilter"},              // interval_ms, and no more
      {"\x18\xff", 2, "ViewFilter"},          //
      {"\x0a\x05\x08\x01", 4, "ViewFilter"},  // a bbox that is cut off
      {"\x1a\x01\x05", 3, "ViewFilter"},      // interval_ms as bytes
      {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, "ViewFilter"},
      {"\x20\x01", 2, "neither"},                                           // field 4
      {"\x0a\x0a\x08\x02\x10\x02\x18\x02\x20\x02\x28\x02", 12, "neither"},  // a box with a fifth edge
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct view_filter filter = {.interval_ms = 100};
    const char *fault = read_bytes(VIEW_SOCKET_PROTOBUF, cases[i].bytes, cases[i].len, &filter);
    if (!fault || !strstr(fault, cases[i].about)) fail_msg("case %zu: %s", i, fault ? fault : "taken");
  }
  struct view_filter filter = {0};
  uint8_t *many = calloc(1, 4097);
  assert_non_null(strstr(read_bytes(VIEW_SOCKET_PROTOBUF, many, 4097, &filter), "too long"));
  free(many);
}

static void a_one_way_stream_takes_no_messages(void **state) {
  (void)state;
  struct view_filter filter = {0};
  assert_non_null(strstr(read_bytes(VIEW_SSE, "{}", 2, &filter), "no messages"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(boxes_are_read_exactly),
      cmocka_unit_test(refuses_what_is_no_box),
      cmocka_unit_test(a_box_has_its_edges),
      cmocka_unit_test(a_box_may_cross_the_antimeridian),
      cmocka_unit_test(plus_and_minus_180_are_one_line),
      cmocka_unit_test(json_changes_what_it_names),
      cmocka_unit_test(json_faults_are_told),
      cmocka_unit_test(json_is_not_followed_into_the_depth),
      cmocka_unit_test(json_ends_where_it_ends),
      cmocka_unit_test(json_coordinates_are_exact),
      cmocka_unit_test(protobuf_changes_what_it_names),
      cmocka_unit_test(protobuf_faults_are_told),
      cmocka_unit_test(protobuf_that_is_none_or_unknown_is_refused),
      cmocka_unit_test(a_one_way_stream_takes_no_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// view_filter.c: what is refused changes nothing; what is taken is a filter within its limits, and the same again when
// it is written in the other ways.
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../gateway/view_filter.h"
#include "fuzz.h"
#include "view.pb-c.h"

#define E7 10000000

static bool same_box(const struct view_box *a, const struct view_box *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static void print_degrees(char to[16], int32_t e7) {
  snprintf(to, 16, "%s%d.%07d", e7 < 0 ? "-" : "", abs(e7) / E7, abs(e7) % E7);
}

static void check_box(const struct view_box *box) {
  fuzz_check(abs(box->west_e7) <= 180 * E7 && abs(box->east_e7) <= 180 * E7);
  fuzz_check(box->south_e7 >= -90 * E7 && box->south_e7 <= box->north_e7 && box->north_e7 <= 90 * E7);
  fuzz_check(view_box_has(box, box->south_e7, box->west_e7) && view_box_has(box, box->north_e7, box->east_e7));
  fuzz_check(view_box_has(box, box->south_e7, 180 * E7) == view_box_has(box, box->south_e7, -180 * E7));
  char west[16], south[16], east[16], north[16], text[80], json[96];
  print_degrees(west, box->west_e7);
  print_degrees(south, box->south_e7);
  print_degrees(east, box->east_e7);
  print_degrees(north, box->north_e7);
  snprintf(text, sizeof text, "%s,%s,%s,%s", west, south, east, north);
  struct view_box again;
  fuzz_check(view_box_parse(text, &again) && same_box(&again, box));
  struct view_filter filter = {.interval_ms = 77};
  const char *fault;
  snprintf(json, sizeof json, "{\"bbox\":[%s]}", text);
  fuzz_check(view_filter_read(VIEW_SOCKET_JSON, json, strlen(json), &filter, &fault));
  fuzz_check(filter.has_box && filter.interval_ms == 77 && same_box(&filter.box, box));
  Muster__ViewBox edges = MUSTER__VIEW_BOX__INIT;
  edges.has_west_e7 = edges.has_south_e7 = edges.has_east_e7 = edges.has_north_e7 = true;
  edges.west_e7 = box->west_e7, edges.south_e7 = box->south_e7;
  edges.east_e7 = box->east_e7, edges.north_e7 = box->north_e7;
  Muster__ViewFilter message = MUSTER__VIEW_FILTER__INIT;
  message.bbox = &edges;
  uint8_t packed[64];
  filter.has_box = false;
  fuzz_check(
      view_filter_read(VIEW_SOCKET_PROTOBUF, packed, muster__view_filter__pack(&message, packed), &filter, &fault));
  fuzz_check(filter.has_box && same_box(&filter.box, box));
}

static void check_message(enum view_protocol protocol, const uint8_t *bytes, size_t len) {
  struct view_filter filter = {.interval_ms = 77, .has_box = true, .box = {1, 2, 3, 4}}, before = filter;
  const char *fault = NULL;
  if (!view_filter_read(protocol, bytes, len, &filter, &fault)) {
    fuzz_check(fault && memcmp(&filter, &before, sizeof filter) == 0);
    return;
  }
  fuzz_check(!fault && filter.interval_ms <= VIEW_INTERVAL_MAX_MS);
  if (filter.has_box && !same_box(&filter.box, &before.box)) check_box(&filter.box);
  before = filter;
  fuzz_check(view_filter_read(protocol, bytes, len, &filter, &fault));
  fuzz_check(filter.interval_ms == before.interval_ms && filter.has_box == before.has_box);
  fuzz_check(same_box(&filter.box, &before.box));
}

// The first byte says what the others are.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len == 0) return 0;
  if (bytes[0] == 'j' || bytes[0] == 'p') {
    check_message(bytes[0] == 'j' ? VIEW_SOCKET_JSON : VIEW_SOCKET_PROTOBUF, bytes + 1, len - 1);
    return 0;
  }
  char *text = strndup((const char *)bytes + 1, len - 1);
  struct view_box box = {1, 2, 3, 4}, before = box;
  if (view_box_parse(text, &box)) {
    check_box(&box);
  } else {
    fuzz_check(same_box(&box, &before));
  }
  free(text);
  return 0;
}

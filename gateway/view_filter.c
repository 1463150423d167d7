// Boxes from text, filters from JSON and protobuf. All three ways meet in take_box, so they refuse the same.
#include "view_filter.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "decimal.h"
#include "view.pb-c.h"

#define LONGITUDE_MAX 180
#define LATITUDE_MAX 90
#define E7 10000000
#define MESSAGE_MAX_BYTES 4096
#define OPENED_MAX 32

static const char too_long[] = "the message is too long";
static const char no_object[] = "the message is not one JSON object";
static const char no_filter[] = "the message is not a ViewFilter of proto/view.proto";
static const char unknown[] = "the message has something that is neither bbox nor interval_ms";
static const char twice[] = "the message says something twice";
static const char contradiction[] = "the message asks for a bbox and for the whole team";
static const char bad_interval[] = "interval_ms must be a whole number from 0 to 60000";
static const char bad_box[] =
    "bbox must be west, south, east, north in degrees: longitudes from -180 to 180, latitudes from -90 to 90, "
    "south not above north";

static bool is_within(int64_t e7, int limit) {
  return e7 >= -(int64_t)limit * E7 && e7 <= (int64_t)limit * E7;
}

// edges in the order of a bbox.
static bool take_box(const int64_t edges[4], struct view_box *out_box) {
  int64_t west = edges[0], south = edges[1], east = edges[2], north = edges[3];
  const int64_t antimeridian = (int64_t)LONGITUDE_MAX * E7;
  if (!is_within(west, LONGITUDE_MAX) || !is_within(east, LONGITUDE_MAX)) return false;
  if (!is_within(south, LATITUDE_MAX) || !is_within(north, LATITUDE_MAX) || south > north) return false;
  // +180 and -180 are one line, and a box with an edge on it has the workers at both.
  if (east == antimeridian && west > -antimeridian) east = -antimeridian;
  if (west == -antimeridian && east < antimeridian) west = antimeridian;
  *out_box = (struct view_box){(int32_t)west, (int32_t)south, (int32_t)east, (int32_t)north};
  return true;
}

bool view_box_parse(const char *text, struct view_box *out_box) {
  int64_t edges[4];
  for (int i = 0; i < 4; i++) {
    size_t len = strcspn(text, ",");
    if (!decimal_parse(text, len, 7, &edges[i]) || text[len] != (i < 3 ? ',' : '\0')) return false;
    text += len + 1;
  }
  return take_box(edges, out_box);
}

// A number of JSON as a double is exact to far more than the 1e-7 degrees that it is rounded to.
static bool read_json_box(const cJSON *array, struct view_box *out_box) {
  if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != 4) return false;
  int64_t edges[4];
  int i = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, array) {
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= 2 * LONGITUDE_MAX)) return false;
    edges[i++] = llround(item->valuedouble * E7);
  }
  return take_box(edges, out_box);
}

static bool read_json_interval(const cJSON *item, unsigned *out_ms) {
  if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= VIEW_INTERVAL_MAX_MS)) return false;
  unsigned ms = (unsigned)item->valuedouble;
  if ((double)ms != item->valuedouble) return false;
  *out_ms = ms;
  return true;
}

// Returns the fault, or NULL.
static const char *read_json_members(const cJSON *object, struct view_filter *filter) {
  bool has_box = false, has_interval = false;
  const cJSON *item;
  cJSON_ArrayForEach(item, object) {
    bool box = strcmp(item->string, "bbox") == 0;
    if (!box && strcmp(item->string, "interval_ms") != 0) return unknown;
    bool *has = box ? &has_box : &has_interval;
    if (*has) return twice;
    *has = true;
    if (!box) {
      if (!read_json_interval(item, &filter->interval_ms)) return bad_interval;
    } else if (cJSON_IsNull(item)) {
      filter->has_box = false;
    } else if (read_json_box(item, &filter->box)) {
      filter->has_box = true;
    } else {
      return bad_box;
    }
  }
  return NULL;
}

// cJSON goes as deep as a message is nested, a thousand levels; no good one opens more than an object and an array.
static bool is_shallow(const char *text) {
  int opened = 0;
  for (; *text; text++) opened += *text == '{' || *text == '[';
  return opened <= OPENED_MAX;
}

// From a copy with a NUL: cJSON has a history of reading past what has none.
static const char *read_json(const void *bytes, size_t len, struct view_filter *filter) {
  char text[MESSAGE_MAX_BYTES + 1];
  if (len >= sizeof text) return too_long;
  if (len > 0) memcpy(text, bytes, len);
  text[len] = '\0';
  if (strlen(text) != len || !is_shallow(text)) return no_object;
  cJSON *object = cJSON_ParseWithOpts(text, NULL, true);
  const char *fault = cJSON_IsObject(object) ? read_json_members(object, filter) : no_object;
  cJSON_Delete(object);
  return fault;
}

static const char *read_view_filter(const Muster__ViewFilter *message, struct view_filter *filter) {
  const Muster__ViewBox *box = message->bbox;
  if (message->base.n_unknown_fields > 0 || (box && box->base.n_unknown_fields > 0)) return unknown;
  bool whole_team = message->has_whole_team && message->whole_team;
  if (box && whole_team) return contradiction;
  if (whole_team) filter->has_box = false;
  if (box) {
    const int64_t edges[4] = {box->west_e7, box->south_e7, box->east_e7, box->north_e7};
    bool whole = box->has_west_e7 && box->has_south_e7 && box->has_east_e7 && box->has_north_e7;
    if (!whole || !take_box(edges, &filter->box)) return bad_box;
    filter->has_box = true;
  }
  if (message->has_interval_ms) {
    if (message->interval_ms > VIEW_INTERVAL_MAX_MS) return bad_interval;
    filter->interval_ms = message->interval_ms;
  }
  return NULL;
}

static const char *read_protobuf(const void *bytes, size_t len, struct view_filter *filter) {
  if (len > MESSAGE_MAX_BYTES) return too_long;
  Muster__ViewFilter *message = muster__view_filter__unpack(NULL, len, bytes);
  if (!message) return no_filter;
  const char *fault = read_view_filter(message, filter);
  muster__view_filter__free_unpacked(message, NULL);
  return fault;
}

bool view_filter_read(enum view_protocol protocol, const void *bytes, size_t len, struct view_filter *filter,
                      const char **out_fault) {
  struct view_filter next = *filter;
  const char *fault = "this stream takes no messages";
  if (protocol == VIEW_SOCKET_JSON) fault = read_json(bytes, len, &next);
  if (protocol == VIEW_SOCKET_PROTOBUF) fault = read_protobuf(bytes, len, &next);
  if (fault) {
    *out_fault = fault;
    return false;
  }
  *filter = next;
  return true;
}

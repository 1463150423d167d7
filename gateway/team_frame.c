// Frames out of a team's state, in two passes over the head of its list: the first picks the workers, brings their
// encoded rows up to date and adds up how long the frame gets; the second writes it.
#include <stdlib.h>
#include <string.h>

#include "team_state.h"
#include "ws.h"

#define FRAME_MAX_AGE_US 1000000  // a frame says when it was made, and viewers may set their clocks by it
#define HEAD_BYTES 512            // of a snapshot in JSON: two ids, the columns, numbers
#define PROTO_HEAD_BYTES (2 * IDENT_MAX_BYTES + 64)

void team_drop_frames(struct team *team) {
  for (size_t i = 0; i < VIEW_PROTOCOLS; i++) {
    view_frame_unref(team->snapshots[i]);
    team->snapshots[i] = NULL;
  }
  for (size_t i = 0; i < team->delta_count; i++) view_frame_unref(team->deltas[i].frame);
  team->delta_count = team->delta_next = 0;
}

// ---- rows ----

static void keep_row(struct encoded_row *row, const void *bytes, size_t len, uint64_t version) {
  if (len > row->capacity) {
    free(row->bytes);
    row->capacity = (uint16_t)((len + 31) & ~(size_t)15);  // some room: numbers change their length
    row->bytes = malloc(row->capacity);
    if (!row->bytes) abort();
  }
  memcpy(row->bytes, bytes, len);
  row->len = (uint16_t)len;
  row->version = version;
}

static const struct encoded_row *json_row(const struct team *team, struct worker *w) {
  if (w->json.version != w->version) {
    char text[VIEW_ROW_BYTES];
    struct view_row row = team_row(team, w);
    keep_row(&w->json, text, (size_t)(view_json_row(text, &row) - text), w->version);
  }
  return &w->json;
}

static const struct encoded_row *proto_row(const struct team *team, struct worker *w) {
  if (w->proto.version != w->version) {
    uint8_t bytes[VIEW_PROTO_ROW_BYTES];
    struct view_row row = team_row(team, w);
    uint8_t *end = view_proto_row(bytes, &row, &team->base, w->number, w->tracker);
    keep_row(&w->proto, bytes, (size_t)(end - bytes), w->version);
  }
  return &w->proto;
}

static size_t bytes_field(size_t len) {  // of a field with an id below 16
  return 1 + wire_varint_bytes(len) + len;
}

static size_t proto_row_len(const struct worker *w) {
  return w->proto.len + (w->named ? bytes_field(w->name_len) : 0);
}

// ---- picking ----

// What a frame is made of: workers with rows, and those who left the window, each linked by picked_next.
struct selection {
  const struct team *team;
  enum view_protocol protocol;
  uint64_t cursor;
  int64_t now_us;
  struct worker *rows, **rows_end;
  struct worker *left, **left_end;
  uint32_t row_count, left_count;
  size_t bytes;       // of the rows with what stands between them
  size_t left_bytes;  // the same of those who left
};

static void pick_row(struct selection *s, struct worker *w, bool named) {
  w->named = named;
  *s->rows_end = w;
  s->rows_end = &w->picked_next;
  s->row_count++;
  if (s->protocol == VIEW_SOCKET_PROTOBUF) {
    proto_row(s->team, w);
    s->bytes += bytes_field(proto_row_len(w));
  } else {
    s->bytes += json_row(s->team, w)->len + 1u;
  }
}

static void pick_left(struct selection *s, struct worker *w) {
  *s->left_end = w;
  s->left_end = &w->picked_next;
  s->left_count++;
  s->left_bytes += s->protocol == VIEW_SOCKET_PROTOBUF ? wire_varint_bytes(w->number) : w->name_len + 3u;
}

static void select_all(struct selection *s) {
  for (struct worker *w = s->team->newest; w && w->version > s->cursor; w = w->older) {
    pick_row(s, w, w->born > s->cursor);
  }
}

static bool is_inside(const struct worker *w, const struct window *window) {
  if (!window->boxed) return true;
  return w->position.has && view_box_has(&window->box, w->position.latitude_e7, w->position.longitude_e7);
}

// Once the box has changed, those who did not move may have entered or left as well.
static void select_window(struct selection *s, struct window *window) {
  if (s->cursor == 0) window_clear(window);
  for (struct worker *w = s->team->newest; w && (window->changed || w->version > s->cursor); w = w->older) {
    bool shown = window_shows(window, w->number), inside = is_inside(w, window);
    if (inside && (!shown || w->version > s->cursor)) pick_row(s, w, !shown);
    if (!inside && shown) pick_left(s, w);
    if (inside != shown) window_set(window, w->number, inside);
  }
  window->changed = false;
}

static void select_begin(struct selection *s, const struct team *team, enum view_protocol protocol, uint64_t cursor,
                         int64_t now_us) {
  *s = (struct selection){.team = team, .protocol = protocol, .cursor = cursor, .now_us = now_us};
  s->rows_end = &s->rows;
  s->left_end = &s->left;
}

static void select_end(struct selection *s) {
  *s->rows_end = *s->left_end = NULL;
}

// ---- JSON ----

static char *put(char *to, const void *bytes, size_t len) {
  memcpy(to, bytes, len);
  return to + len;
}

static char *put_string(char *to, const char *text) {
  return put(to, text, strlen(text));
}

static char *put_json_head(char *to, const struct selection *s) {
  const struct team *team = s->team;
  to = put_string(to, s->protocol == VIEW_SSE ? "event: " : "{\"event\":\"");
  to = put_string(to, s->cursor ? "delta" : "snapshot");
  to = put_string(to, s->protocol == VIEW_SSE ? "\ndata: {" : "\",\"data\":{");
  if (!s->cursor) {
    to = put_string(to, "\"team\":\"");
    to = put_string(to, team->name);
    to = put_string(to, "\",");
  }
  to = put_string(to, "\"version\":");
  to = view_json_int(to, (int64_t)team->version);
  to = put_string(to, ",\"time_us\":");
  to = view_json_int(to, s->now_us);
  if (!s->cursor) {
    to = put_string(to, ",\"columns\":");
    to = put_string(to, view_columns);
  }
  return put_string(to, ",\"rows\":[");
}

static char *put_json_rows(char *to, const struct selection *s) {
  for (const struct worker *w = s->rows; w; w = w->picked_next) {
    to = put(to, w->json.bytes, w->json.len);
    *to++ = ',';
  }
  return s->row_count ? to - 1 : to;
}

static char *put_json_left(char *to, const struct selection *s) {
  to = put_string(to, ",\"left\":[");
  for (const struct worker *w = s->left; w; w = w->picked_next) {
    *to++ = '"';
    to = put(to, w->name, w->name_len);
    to = put_string(to, "\",");
  }
  to[-1] = ']';
  return to;
}

static struct view_frame *json_frame(const struct selection *s, struct view_frame **spare) {
  const char *tail = s->protocol == VIEW_SSE ? "}\n\n" : "}}";
  char head[HEAD_BYTES];
  uint8_t ws[WS_HEAD_BYTES];
  size_t head_len = (size_t)(put_json_head(head, s) - head);
  size_t len = head_len + s->bytes - (s->row_count ? 1 : 0) + 1 + strlen(tail);
  if (s->left_count) len += strlen(",\"left\":[") + s->left_bytes;
  size_t ws_len = s->protocol == VIEW_SSE ? 0 : ws_head(ws, WS_TEXT, len);
  struct view_frame *frame = view_frame_renew(spare, ws_len + len, s->team->version, s->row_count);
  char *to = put(frame->data, ws, ws_len);
  to = put(to, head, head_len);
  to = put_json_rows(to, s);
  *to++ = ']';
  if (s->left_count) to = put_json_left(to, s);
  put_string(to, tail);
  return frame;
}

// ---- protobuf ----

static uint8_t *put_proto_head(uint8_t *to, const struct selection *s) {
  const struct team *team = s->team;
  if (s->cursor) {
    to = wire_put_uint(to, 1, team->version);
    return wire_put_fixed64(to, 2, (uint64_t)s->now_us);
  }
  to = wire_put_bytes(to, 1, team->name, strlen(team->name));
  to = wire_put_uint(to, 2, team->version);
  to = wire_put_fixed64(to, 3, (uint64_t)s->now_us);
  to = wire_put_fixed64(to, 4, (uint64_t)team->base.time_us);
  to = wire_put_uint(to, 5, wire_zigzag(team->base.longitude_e7));
  return wire_put_uint(to, 6, wire_zigzag(team->base.latitude_e7));
}

static size_t tracker_len(const struct team *team, uint32_t number) {
  return 1 + wire_varint_bytes(number) + bytes_field(team->trackers[number].len);
}

static size_t trackers_len(const struct selection *s) {
  size_t len = 0;
  for (uint32_t i = 0; i < s->team->tracker_count; i++) {
    if (s->team->trackers[i].born > s->cursor) len += bytes_field(tracker_len(s->team, i));
  }
  return len;
}

static uint8_t *put_trackers(uint8_t *to, const struct selection *s) {
  for (uint32_t i = 0; i < s->team->tracker_count; i++) {
    const struct tracker_name *tracker = &s->team->trackers[i];
    if (tracker->born <= s->cursor) continue;
    to = wire_put_tag(to, s->cursor ? 3 : 7, WIRE_BYTES);
    to = wire_put_varint(to, tracker_len(s->team, i));
    to = wire_put_uint(to, 1, i);
    to = wire_put_bytes(to, 2, tracker->id, tracker->len);
  }
  return to;
}

static uint8_t *put_proto_rows(uint8_t *to, const struct selection *s) {
  for (const struct worker *w = s->rows; w; w = w->picked_next) {
    to = wire_put_tag(to, s->cursor ? 4 : 8, WIRE_BYTES);
    to = wire_put_varint(to, proto_row_len(w));
    memcpy(to, w->proto.bytes, w->proto.len);
    to += w->proto.len;
    if (w->named) to = wire_put_bytes(to, 2, w->name, w->name_len);
  }
  return to;
}

static struct view_frame *proto_frame(const struct selection *s, struct view_frame **spare) {
  uint8_t head[PROTO_HEAD_BYTES], ws[WS_HEAD_BYTES];
  size_t head_len = (size_t)(put_proto_head(head, s) - head);
  size_t len = head_len + trackers_len(s) + s->bytes + (s->left_count ? bytes_field(s->left_bytes) : 0);
  size_t ws_len = ws_head(ws, WS_BINARY, bytes_field(len));
  struct view_frame *frame = view_frame_renew(spare, ws_len + bytes_field(len), s->team->version, s->row_count);
  uint8_t *to = (uint8_t *)put(frame->data, ws, ws_len);
  to = wire_put_varint(wire_put_tag(to, s->cursor ? 2 : 1, WIRE_BYTES), len);
  to = (uint8_t *)put((char *)to, head, head_len);
  to = put_proto_rows(put_trackers(to, s), s);
  if (!s->left_count) return frame;
  to = wire_put_varint(wire_put_tag(to, 5, WIRE_BYTES), s->left_bytes);
  for (const struct worker *w = s->left; w; w = w->picked_next) to = wire_put_varint(to, w->number);
  return frame;
}

// ---- frames ----

// From the first protobuf frame on: near to where the team is, so that what counts from it is short.
static void choose_base(struct team *team, int64_t now_us) {
  if (team->base.time_us) return;
  team->base.time_us = now_us;
  for (const struct worker *w = team->newest; w; w = w->older) {
    if (!w->position.has) continue;
    team->base.longitude_e7 = w->position.longitude_e7;
    team->base.latitude_e7 = w->position.latitude_e7;
    return;
  }
}

static struct view_frame *write_frame(const struct selection *s, struct view_frame **spare) {
  return s->protocol == VIEW_SOCKET_PROTOBUF ? proto_frame(s, spare) : json_frame(s, spare);
}

static struct view_frame *encode(struct team *team, enum view_protocol protocol, uint64_t cursor, int64_t now_us) {
  struct selection s;
  if (protocol == VIEW_SOCKET_PROTOBUF) choose_base(team, now_us);
  select_begin(&s, team, protocol, cursor, now_us);
  select_all(&s);
  select_end(&s);
  return write_frame(&s, NULL);
}

static struct view_frame *snapshot_frame(struct team *team, enum view_protocol protocol, int64_t now_us) {
  struct view_frame **snapshot = &team->snapshots[protocol];
  if (!*snapshot || now_us - team->snapshot_us[protocol] > FRAME_MAX_AGE_US) {
    view_frame_unref(*snapshot);
    *snapshot = encode(team, protocol, 0, now_us);
    team->snapshot_us[protocol] = now_us;
  }
  return view_frame_ref(*snapshot);
}

struct view_frame *team_frame(struct team *team, enum view_protocol protocol, uint64_t cursor, int64_t now_us) {
  if (cursor == 0) return snapshot_frame(team, protocol, now_us);
  for (size_t i = 0; i < team->delta_count; i++) {
    const struct delta *delta = &team->deltas[i];
    if (delta->cursor == cursor && delta->protocol == protocol && now_us - delta->at_us <= FRAME_MAX_AGE_US) {
      return view_frame_ref(delta->frame);
    }
  }
  struct delta *slot = &team->deltas[team->delta_next];
  if (team->delta_count < DELTA_CACHE) {
    team->delta_count++;
  } else {
    view_frame_unref(slot->frame);
  }
  team->delta_next = (team->delta_next + 1) % DELTA_CACHE;
  *slot = (struct delta){cursor, protocol, now_us, encode(team, protocol, cursor, now_us)};
  return view_frame_ref(slot->frame);
}

// ---- windows ----

struct view_frame *team_window_frame(struct team *team, enum view_protocol protocol, uint64_t cursor,
                                     struct window *window, bool even_empty, int64_t now_us,
                                     struct view_frame **spare) {
  struct selection s;
  if (protocol == VIEW_SOCKET_PROTOBUF) choose_base(team, now_us);
  select_begin(&s, team, protocol, cursor, now_us);
  select_window(&s, window);
  select_end(&s);
  bool new_trackers = protocol == VIEW_SOCKET_PROTOBUF && trackers_len(&s) > 0;
  if (cursor && !s.row_count && !s.left_count && !new_trackers && !even_empty) return NULL;
  return write_frame(&s, spare);
}

void team_fill_window(const struct team *team, uint64_t cursor, struct window *window) {
  for (const struct worker *w = team->newest; w; w = w->older) {
    if (w->born <= cursor) window_set(window, w->number, true);
  }
}

// Two tables: rows by worker, and which worker a number of the stream is.
#include "watch_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LATITUDE_MAX_E7 900000000
#define LONGITUDE_MAX_E7 1800000000

// What it was before it left the box stays, so that one who comes back is not taken for new.
struct watch_view_row {
  int64_t taken_at_us;
  int32_t latitude_e7, longitude_e7;
  bool known, has_position;
};

void watch_view_init(struct watch_view *view, struct watch_team *team, const struct box *box) {
  *view = (struct watch_view){.team = team, .box = box, .since_us = INT64_MAX, .columns = WATCH_COLUMNS_UNKNOWN};
}

void watch_view_fini(struct watch_view *view) {
  free(view->numbers);
  free(view->rows);
}

// Makes room for `count` items at least, new ones zero.
static void *grown(void *items, uint32_t *capacity, uint32_t count, size_t item_bytes) {
  char *more = realloc(items, count * item_bytes);
  if (!more) abort();
  memset(more + *capacity * item_bytes, 0, (count - *capacity) * item_bytes);
  *capacity = count;
  return more;
}

static struct watch_view_row *row_of(struct watch_view *view, uint32_t worker) {
  if (worker >= view->row_capacity) {
    view->rows = grown(view->rows, &view->row_capacity, watch_team_workers(view->team), sizeof *view->rows);
  }
  return &view->rows[worker];
}

// A snapshot begins anew.
static void forget(struct watch_view *view, const struct watch_base *base) {
  for (uint32_t i = 0; i < view->row_capacity; i++) view->rows[i].known = view->rows[i].has_position = false;
  if (view->number_capacity) memset(view->numbers, 0, view->number_capacity * sizeof *view->numbers);
  view->base = *base;
}

// Which worker it is of; false for a number that was never told, or was told for another.
static bool find_worker(struct watch_view *view, const struct watch_change *change, uint32_t *out_worker) {
  *out_worker = change->worker;
  if (change->number == WATCH_NO_NUMBER) return true;
  if (change->number >= view->number_capacity) {
    uint32_t count = change->number + change->number / 2 + 64;
    view->numbers = grown(view->numbers, &view->number_capacity, count, sizeof *view->numbers);
  }
  uint32_t *slot = &view->numbers[change->number];
  if (*slot == 0 && change->worker != WATCH_NO_WORKER) *slot = change->worker + 1;
  if (*slot == 0 || (change->worker != WATCH_NO_WORKER && *slot != change->worker + 1)) return false;
  *out_worker = *slot - 1;
  return true;
}

// The row's own position, counted from 0; false if it is no place on earth.
static bool find_position(const struct watch_view *view, const struct watch_change *change, struct watch_change *out) {
  *out = *change;
  if (change->number == WATCH_NO_NUMBER || !change->has_position) return true;
  if (__builtin_add_overflow(view->base.taken_at_us, change->taken_at_us, &out->taken_at_us) ||
      __builtin_add_overflow(view->base.latitude_e7, change->latitude_e7, &out->latitude_e7) ||
      __builtin_add_overflow(view->base.longitude_e7, change->longitude_e7, &out->longitude_e7)) {
    return false;
  }
  return llabs(out->latitude_e7) <= LATITUDE_MAX_E7 && llabs(out->longitude_e7) <= LONGITUDE_MAX_E7;
}

// What one event is applied with.
struct taking {
  struct watch_view *view;
  struct viewer_totals *totals;
  int64_t now_us;
  bool measures, delta;
};

static void leave(const struct taking *taking, uint32_t worker) {
  struct watch_view_row *row = row_of(taking->view, worker);
  if (!row->known || !taking->view->box) taking->totals->outside++;
  row->known = false;
  taking->totals->left++;
}

static void replace(const struct taking *taking, const struct watch_change *change, uint32_t worker) {
  struct viewer_totals *totals = taking->totals;
  const struct box *box = taking->view->box;
  struct watch_view_row *row = row_of(taking->view, worker);
  bool newer = change->has_position && (!row->has_position || change->taken_at_us > row->taken_at_us);
  // A snapshot forgets what the view had, but not what it was ever shown.
  totals->positions += newer && change->taken_at_us > row->taken_at_us && change->taken_at_us >= taking->view->since_us;
  if (taking->delta && change->has_position) {
    if (newer && taking->measures) hist_record(&totals->view, taking->now_us - change->taken_at_us);
    if (row->has_position && change->taken_at_us < row->taken_at_us) totals->backward++;
  }
  bool inside = !box || (change->has_position && box_has(box, change->latitude_e7, change->longitude_e7));
  if (!inside) totals->outside++;
  *row = (struct watch_view_row){change->taken_at_us, (int32_t)change->latitude_e7, (int32_t)change->longitude_e7, true,
                                 change->has_position};
  totals->rows++;
  if (!taking->delta) totals->snapshot_rows++;
}

bool watch_view_take(struct watch_view *view, const struct watch_event *event, int64_t now_us, bool measures,
                     struct viewer_totals *totals, size_t *out_count) {
  const struct taking taking = {view, totals, now_us, measures, event->kind == WATCH_DELTA};
  struct watch_changes changes;
  if (!watch_team_read(view->team, event, &view->columns, &changes)) return false;
  if (!taking.delta) forget(view, &changes.base);
  for (size_t i = 0; i < changes.count; i++) {
    struct watch_change change;
    uint32_t worker;
    if (!find_worker(view, &changes.rows[i], &worker) || !find_position(view, &changes.rows[i], &change)) return false;
    if (change.left) {
      leave(&taking, worker);
    } else {
      replace(&taking, &change, worker);
    }
  }
  *out_count = changes.count;
  return true;
}

void watch_view_write(const struct watch_view *view, struct buffer *out) {
  const char *comma = "";
  buffer_append_string(out, "{");
  for (uint32_t i = 0; i < view->row_capacity; i++) {
    const struct watch_view_row *row = &view->rows[i];
    if (!row->known) continue;
    buffer_printf(out, "%s\"%s\":", comma, watch_team_worker(view->team, i));
    if (row->has_position) {
      buffer_printf(out, "[%" PRId64 ",%d,%d]", row->taken_at_us, row->latitude_e7, row->longitude_e7);
    } else {
      buffer_append_string(out, "[null,null,null]");
    }
    comma = ",";
  }
  buffer_append_string(out, "}");
}

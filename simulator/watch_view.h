// One viewer's picture of its team: the last row of every worker as its stream told, whichever protocol that speaks,
// held against the rules on the way. Pure; the struct is its owner's.
#ifndef MUSTER_WATCH_VIEW_H
#define MUSTER_WATCH_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "box.h"
#include "buffer.h"
#include "totals.h"
#include "watch_team.h"

struct watch_view_row;

struct watch_view {
  struct watch_team *team;  // borrowed
  int64_t since_us;         // positions taken before are not counted as delivered; INT64_MAX at first: none is
  const struct box *box;    // borrowed: what it asked for; NULL: the whole team
  struct watch_columns columns;
  struct watch_base base;       // of the stream's last snapshot, and so are numbers:
  uint32_t *numbers;            // index of a worker plus 1, by the stream's number; 0: not told
  struct watch_view_row *rows;  // by the team's index of workers
  uint32_t number_capacity, row_capacity;
};

void watch_view_init(struct watch_view *view, struct watch_team *team, const struct box *box);
void watch_view_fini(struct watch_view *view);

// Applies a snapshot or a delta that came at now_us, and counts in *totals what it brought; view latency is counted
// only if `measures`. *out_count is how many rows it had, workers that left included. False if it breaks the rules.
bool watch_view_take(struct watch_view *view, const struct watch_event *event, int64_t now_us, bool measures,
                     struct viewer_totals *totals, size_t *out_count) __attribute__((warn_unused_result));

// Appends the view as a JSON object: {"worker":[taken_at_us,latitude_e7,longitude_e7],…}, nulls without a position.
void watch_view_write(const struct watch_view *view, struct buffer *out);

#endif

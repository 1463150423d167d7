// The team's state, its lanes and its parts. Each function works on the channel's own lanes, and then on its parts.
#include "channel.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

struct channel *channel_new(const char *name, int64_t stale_after_us) {
  struct channel *channel = calloc(1, sizeof *channel);
  if (!channel) abort();
  strncpy(channel->name, name, IDENT_MAX_BYTES);
  channel->source.team = team_new(name);
  team_watch(channel->source.team, stale_after_us, clock_mono_us());
  return channel;
}

void channel_free(struct channel *channel, enum close_reason reason) {
  for (struct lane *lane = channel->lanes, *next; lane; lane = next) {
    next = lane->next;
    lane_free(lane, reason);
  }
  for (struct channel *part = channel->parts, *next; part; part = next) {
    next = part->next;
    channel_free(part, reason);
  }
  view_event_fini(&channel->source.partial_event);
  team_free(channel->source.team);
  numbers_fini(&channel->numbers);
  free(channel);
}

size_t channel_viewers(const struct channel *channel) {
  size_t count = 0;
  for (const struct lane *lane = channel->lanes; lane; lane = lane->next) count += lane->count;
  for (const struct channel *part = channel->parts; part; part = part->next) count += channel_viewers(part);
  return count;
}

static struct lane *find_or_add_lane(struct channel *channel, struct stage *stage, enum view_protocol protocol,
                                     unsigned interval_ms) {
  struct lane *lane = channel->lanes;
  while (lane && (lane->interval_ms != interval_ms || lane->protocol != protocol)) lane = lane->next;
  if (lane) return lane;
  lane = lane_new(stage, channel, &channel->source, protocol, interval_ms);
  lane->next = channel->lanes;
  channel->lanes = lane;
  return lane;
}

static void follow(struct channel *part, const struct channel *whole) {
  (void)team_mirror(part->source.team, whole->source.team, (struct slice){part->worker, strlen(part->worker)});
}

static struct channel *find_or_add_part(struct channel *channel, const char *worker) {
  struct channel *part = channel->parts;
  while (part && strcmp(part->worker, worker) != 0) part = part->next;
  if (part) return part;
  part = calloc(1, sizeof *part);
  if (!part) abort();
  strcpy(part->name, channel->name);
  strncpy(part->worker, worker, IDENT_MAX_BYTES);
  part->source.team = team_new(channel->name);
  part->source.state = channel->source.state;
  channel_set_partial(part, channel->source.partial);
  follow(part, channel);
  part->next = channel->parts;
  channel->parts = part;
  return part;
}

void channel_add_viewer(struct channel *channel, struct stage *stage, const struct arrival *arrival) {
  channel->empty_ms = 0;
  if (arrival->worker) channel = find_or_add_part(channel, arrival->worker);
  struct lane *lane = find_or_add_lane(channel, stage, arrival->protocol, arrival->filter.interval_ms);
  lane_add(lane, arrival);
}

bool channel_filter(struct viewer *viewer, const struct view_filter *filter) {
  struct lane *lane = viewer->lane;
  if (filter->interval_ms != lane->interval_ms) {
    lane = find_or_add_lane(lane->channel, lane->stage, lane->protocol, filter->interval_ms);
    lane_move(lane, viewer);
    lane_wake(lane);  // what it waits for may be due earlier now
  }
  return lane_show(viewer, filter->has_box ? &filter->box : NULL);
}

bool channel_merge_batch(struct channel *channel, const void *bytes, size_t len, size_t *out_changed, bool *out_gap) {
  struct batch_reader reader;
  struct batch_header header;
  struct update update;
  enum batch_status status;
  int64_t now_us = clock_mono_us();
  *out_changed = 0;
  *out_gap = false;
  if (!batch_open(bytes, len, &reader, &header)) return false;
  *out_gap = numbers_take(&channel->numbers, &header, wire_left(&reader.rest) == 0) == NUMBERS_GAP;
  while ((status = batch_next(&reader, &update)) == BATCH_UPDATE) {
    if (team_merge_update(channel->source.team, &update, header.tracker, now_us)) ++*out_changed;
  }
  return status == BATCH_END;
}

void channel_send_changes(struct channel *channel) {
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) lane_changed(lane);
  for (struct channel *part = channel->parts; part; part = part->next) {
    follow(part, channel);
    channel_send_changes(part);
  }
}

void channel_become_live(struct channel *channel) {
  bool was_live = channel->source.state == SOURCE_LIVE;
  channel->source.state = SOURCE_LIVE;
  if (was_live) {  // healed without having been stale: what that brought is a change like any other
    channel_send_changes(channel);
    return;
  }
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) lane_flush(lane);
  for (struct channel *part = channel->parts; part; part = part->next) {
    follow(part, channel);
    channel_become_live(part);
  }
}

void channel_set_partial(struct channel *channel, bool partial) {
  struct source *source = &channel->source;
  if (partial == source->partial) return;
  source->partial = partial;
  view_event_fini(&source->partial_event);
  if (partial) source->partial_event = view_event_stale(clock_wall_us(), "postgres");
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) {
    if (partial) {
      lane_tell_stale(lane);
    } else {
      lane_begin_again(lane);
    }
  }
  for (struct channel *part = channel->parts; part; part = part->next) channel_set_partial(part, partial);
}

void channel_become_stale(struct channel *channel) {
  if (channel->source.state == SOURCE_JOINING) return;
  channel->source.state = SOURCE_STALE;
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) lane_tell_stale(lane);
  for (struct channel *part = channel->parts; part; part = part->next) channel_become_stale(part);
}

void channel_heartbeat(struct channel *channel, uint64_t now_ms, uint64_t every_ms, struct view_event *heartbeat) {
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) {
    if (lane->count == 0 || now_ms - lane->sent_ms < every_ms) continue;
    if (!heartbeat->as[0]) *heartbeat = view_event_heartbeat(clock_wall_us());
    lane_broadcast(lane, heartbeat);
  }
  for (struct channel *part = channel->parts; part; part = part->next) {
    channel_heartbeat(part, now_ms, every_ms, heartbeat);
  }
}

void channel_bye(struct channel *channel, const struct view_event *events, size_t event_count) {
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) lane_bye(lane, events, event_count);
  for (struct channel *part = channel->parts; part; part = part->next) channel_bye(part, events, event_count);
}

void channel_drop_empty_lanes(struct channel *channel) {
  for (struct lane **link = &channel->lanes; *link;) {
    struct lane *lane = *link;
    if (lane->count) {
      link = &lane->next;
      continue;
    }
    *link = lane->next;
    lane_free(lane, CLOSE_GONE);
  }
  for (struct channel **link = &channel->parts; *link;) {
    struct channel *part = *link;
    channel_drop_empty_lanes(part);
    if (part->lanes) {
      link = &part->next;
      continue;
    }
    *link = part->next;
    channel_free(part, CLOSE_GONE);
  }
}

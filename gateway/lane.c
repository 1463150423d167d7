// Sending to many: counts are gathered on the stack and added to the metrics once per round.
#include "lane.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "log.h"

#define NO_CURSOR UINT64_MAX  // that of no viewer

struct tally {
  int64_t frames, rows;
  uint64_t bytes;
  uint32_t whole;  // of the frame at hand, not in the others yet
};

static void add_whole(struct tally *tally, const struct view_frame *frame) {
  if (!tally->whole) return;
  tally->frames += tally->whole;
  tally->rows += (int64_t)tally->whole * frame->rows;
  tally->bytes += (uint64_t)tally->whole * frame->len;
  tally->whole = 0;
}

static void add_up(struct stage *stage, const struct tally *tally) {
  if (tally->frames) metric_add(stage->metrics->frames_sent, tally->frames);
  if (tally->rows) metric_add(stage->metrics->rows_sent, tally->rows);
  if (tally->bytes) metric_add(stage->metrics->bytes_sent, (int64_t)tally->bytes);
}

// ---- one viewer ----

static void link_viewer(struct lane *lane, struct viewer *viewer) {
  viewer->lane = lane;
  viewer->next = lane->viewers;
  if (lane->viewers) lane->viewers->link = &viewer->next;
  viewer->link = &lane->viewers;
  lane->viewers = viewer;
  if (lane->count++ == 0 || viewer->stamp.expires_s < lane->expires_s) lane->expires_s = viewer->stamp.expires_s;
}

static void unlink_viewer(struct viewer *viewer) {
  *viewer->link = viewer->next;
  if (viewer->next) viewer->next->link = viewer->link;
  viewer->lane->count--;
}

static void unblock(struct stage *stage, struct viewer *viewer) {
  if (!viewer->blocked_link) return;
  *viewer->blocked_link = viewer->blocked_next;
  if (viewer->blocked_next) viewer->blocked_next->blocked_link = viewer->blocked_link;
  viewer->blocked_link = NULL;
  metric_add(stage->metrics->viewers_blocked, -1);
}

static void block(struct stage *stage, struct viewer *viewer) {
  viewer->progress_ms = uv_now(stage->loop);
  viewer->blocked_next = stage->blocked;
  if (stage->blocked) stage->blocked->blocked_link = &viewer->blocked_next;
  viewer->blocked_link = &stage->blocked;
  stage->blocked = viewer;
  metric_add(stage->metrics->viewers_blocked, 1);
}

static void drop(struct viewer *viewer, enum close_reason reason) {
  struct lane *lane = viewer->lane;
  unblock(lane->stage, viewer);
  unlink_viewer(viewer);
  metric_add(lane->stage->metrics->viewers, -1);
  metric_add(lane->stage->metrics->viewers_closed[reason], 1);
  log_debug("viewer_closed", "team=%s reason=%s", team_name(lane->source->team), close_reason_names[reason]);
  viewer_free(viewer, reason == CLOSE_STALLED);
}

// The socket took `sent` of the frame. False if the viewer is gone.
static bool settle(struct viewer *viewer, struct view_frame *frame, ssize_t sent, struct tally *tally) {
  enum viewer_status status = viewer_settle(viewer, frame, sent, &tally->bytes);
  if (status == VIEWER_GONE) {
    drop(viewer, CLOSE_GONE);
    return false;
  }
  tally->frames++;
  tally->rows += frame->rows;
  if (frame->version) viewer->told_stale = false;
  if (status == VIEWER_BLOCKED) block(viewer->lane->stage, viewer);
  return true;
}

// False if the viewer is gone.
static bool deliver(struct viewer *viewer, struct view_frame *frame, struct tally *tally) {
  return settle(viewer, frame, viewer_push(viewer->fd, frame->data, frame->len), tally);
}

// False if the viewer is gone.
static bool deliver_stale(struct viewer *viewer, struct tally *tally) {
  struct lane *lane = viewer->lane;
  if (lane->source->partial && !viewer->told_partial && !viewer->frame && viewer->cursor != 0) {
    viewer->told_partial = true;
    if (!deliver(viewer, lane->source->partial_event.as[lane->protocol], tally)) return false;
  }
  if (lane->source->state != SOURCE_STALE || viewer->told_stale || viewer->frame || viewer->cursor == 0) return true;
  viewer->told_stale = true;
  return deliver(viewer, lane->stage->stale_event.as[lane->protocol], tally);
}

// Whether a viewer that is not blocked lacks something that may be shown now, to be at this version.
static bool lacks(const struct viewer *viewer, const struct source *source, uint64_t version) {
  if (source->state == SOURCE_JOINING) return false;
  if (viewer->cursor == 0 || (viewer->window && viewer->window->changed)) return true;
  return source->state == SOURCE_LIVE && (viewer->cursor < version || viewer->told_stale);
}

// Brings a viewer with a window to the team's version. False if the viewer is gone.
static bool deliver_window(struct viewer *viewer, int64_t now_us, struct tally *tally) {
  struct lane *lane = viewer->lane;
  struct team *team = lane->source->team;
  struct view_frame *frame = team_window_frame(team, lane->protocol, viewer->cursor, viewer->window, viewer->told_stale,
                                               now_us, &lane->stage->spare);
  if (!viewer->window->boxed) {
    window_free(viewer->window);
    viewer->window = NULL;
  }
  viewer->cursor = team_version(team);
  bool there = !frame || deliver(viewer, frame, tally);
  view_frame_unref(frame);
  return there;
}

// Brings one viewer, which is not blocked, to where its lane is, or further. False if the viewer is gone.
static bool serve(struct viewer *viewer, struct tally *tally) {
  struct lane *lane = viewer->lane;
  if (lacks(viewer, lane->source, lane->flushed)) {
    int64_t now_us = clock_wall_us();
    if (viewer->window) {
      if (!deliver_window(viewer, now_us, tally)) return false;
    } else {
      struct view_frame *frame = team_frame(lane->source->team, lane->protocol, viewer->cursor, now_us);
      bool there = deliver(viewer, frame, tally);
      view_frame_unref(frame);
      if (!there) return false;
    }
  }
  return deliver_stale(viewer, tally);
}

// After an unfinished frame: what was to be said meanwhile, and what was missed.
static void catch_up(struct viewer *viewer, struct tally *tally) {
  struct view_frame *reply = viewer->reply;
  viewer->reply = NULL;
  bool there = !reply || deliver(viewer, reply, tally);
  view_frame_unref(reply);
  if (there && !viewer->frame) (void)serve(viewer, tally);
}

void lane_writable(struct viewer *viewer) {
  struct stage *stage = viewer->lane->stage;
  struct tally tally = {0};
  if (!viewer->frame) return;
  enum viewer_status status = viewer_resume(viewer, &tally.bytes);
  if (status == VIEWER_GONE) {
    drop(viewer, CLOSE_GONE);
  } else if (status == VIEWER_BLOCKED) {
    if (tally.bytes) viewer->progress_ms = uv_now(stage->loop);
  } else {
    unblock(stage, viewer);
    catch_up(viewer, &tally);
  }
  add_up(stage, &tally);
}

bool lane_reply(struct viewer *viewer, struct view_frame *frame) {
  struct tally tally = {0};
  struct stage *stage = viewer->lane->stage;
  if (viewer->frame) {
    view_frame_unref(viewer->reply);
    viewer->reply = frame;
    return true;
  }
  bool there = deliver(viewer, frame, &tally);
  view_frame_unref(frame);
  add_up(stage, &tally);
  return there;
}

void lane_end(struct viewer *viewer, struct view_frame *last, enum close_reason reason) {
  uint64_t taken = 0;
  if (last && !viewer->frame) (void)!viewer_send(viewer, last, &taken);
  view_frame_unref(last);
  drop(viewer, reason);
}

bool lane_show(struct viewer *viewer, const struct view_box *box) {
  struct stage *stage = viewer->lane->stage;
  struct tally tally = {0};
  if (box && !viewer->window) {
    viewer->window = window_new(box);
    viewer->window->changed = true;
    if (viewer->cursor) team_fill_window(viewer->lane->source->team, viewer->cursor, viewer->window);
  }
  struct window *window = viewer->window;
  if (window && (box ? memcmp(box, &window->box, sizeof *box) != 0 : window->boxed)) window->changed = true;
  if (window) window->boxed = box != NULL;
  if (box) window->box = *box;
  bool there = viewer->frame || serve(viewer, &tally);
  add_up(stage, &tally);
  return there;
}

void lane_tend_blocked(struct stage *stage) {
  uint64_t now_ms = uv_now(stage->loop);
  for (struct viewer *viewer = stage->blocked, *next; viewer; viewer = next) {
    next = viewer->blocked_next;
    if (now_ms - viewer->progress_ms < stage->stall_ms) {
      viewer_shrink(viewer);
      continue;
    }
    log_info("viewer_stalled", "team=%s unsent_bytes=%zu", team_name(viewer->lane->source->team),
             viewer->frame->len - viewer->offset);
    drop(viewer, CLOSE_STALLED);
  }
}

// ---- the lane ----

static void on_timer(uv_timer_t *timer) {
  struct lane *lane = timer->data;
  lane->stage->gather(lane->stage->context);
  if (!uv_is_closing((uv_handle_t *)timer)) lane_changed(lane);  // else that was the end
}

struct lane *lane_new(struct stage *stage, struct channel *channel, struct source *source, enum view_protocol protocol,
                      unsigned interval_ms) {
  struct lane *lane = calloc(1, sizeof *lane);
  if (!lane) abort();
  lane->stage = stage;
  lane->channel = channel;
  lane->source = source;
  lane->protocol = protocol;
  lane->interval_ms = interval_ms;
  lane->sent_ms = uv_now(stage->loop);
  uv_timer_init(stage->loop, &lane->timer);
  lane->timer.data = lane;
  return lane;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void lane_free(struct lane *lane, enum close_reason reason) {
  while (lane->viewers) drop(lane->viewers, reason);
  uv_close((uv_handle_t *)&lane->timer, on_closed);
}

void lane_move(struct lane *lane, struct viewer *viewer) {
  unlink_viewer(viewer);
  link_viewer(lane, viewer);
}

void lane_add(struct lane *lane, const struct arrival *arrival) {
  struct viewer *viewer = viewer_new(arrival, lane->stage->stall_ms);
  link_viewer(lane, viewer);
  metric_add(lane->stage->metrics->viewers, 1);
  metric_add(lane->stage->metrics->viewers_opened, 1);
  uint32_t reads = viewer->reader ? EPOLLIN : 0;
  struct epoll_event event = {.events = EPOLLRDHUP | EPOLLOUT | EPOLLET | reads, .data.ptr = viewer};
  if (epoll_ctl(lane->stage->epoll_fd, EPOLL_CTL_ADD, viewer->fd, &event) < 0) {
    drop(viewer, CLOSE_GONE);
    return;
  }
  struct tally tally = {0};
  (void)serve(viewer, &tally);
  add_up(lane->stage, &tally);
}

void lane_changed(struct lane *lane) {
  if (lane->count == 0 || lane->source->state != SOURCE_LIVE) return;
  if (lane->flushed == team_version(lane->source->team)) return;
  uint64_t now_ms = uv_now(lane->stage->loop);
  if (now_ms >= lane->due_ms) {
    uv_timer_stop(&lane->timer);
    lane_flush(lane);
  } else if (!uv_is_active((uv_handle_t *)&lane->timer)) {
    uv_timer_start(&lane->timer, on_timer, lane->due_ms - now_ms, 0);
  }
}

void lane_wake(struct lane *lane) {
  uint64_t now_ms = uv_now(lane->stage->loop);
  if (lane->flushed < team_version(lane->source->team)) {
    uv_timer_start(&lane->timer, on_timer, lane->due_ms > now_ms ? lane->due_ms - now_ms : 0, 0);
  }
}

void lane_flush(struct lane *lane) {
  struct source *source = lane->source;
  if (source->state == SOURCE_JOINING) return;
  uint64_t version = team_version(source->team);
  int64_t now_us = clock_wall_us();
  struct tally tally = {0};
  struct view_frame *frame = NULL;  // of the cursor below: nearly always, that is the cursor of all
  uint64_t cursor = NO_CURSOR;
  // If nothing but the frame is to be told, viewers at this cursor take the short way: nearly all.
  uint64_t plain_cursor = NO_CURSOR;
  for (struct viewer *viewer = lane->viewers, *next; viewer; viewer = next) {
    next = viewer->next;
    if (viewer->cursor == plain_cursor && !viewer->frame && !viewer->window) {
      ssize_t sent = viewer_push(viewer->fd, frame->data, frame->len);
      if (sent == (ssize_t)frame->len) {
        viewer->cursor = version;
        viewer->told_stale = false;
        tally.whole++;
      } else {
        (void)settle(viewer, frame, sent, &tally);
      }
      continue;
    }
    add_whole(&tally, frame);
    if (viewer->frame || !lacks(viewer, source, version)) continue;
    if (viewer->window) {
      if (deliver_window(viewer, now_us, &tally)) deliver_stale(viewer, &tally);
      continue;
    }
    if (cursor != viewer->cursor) {
      view_frame_unref(frame);
      cursor = viewer->cursor;
      frame = team_frame(source->team, lane->protocol, cursor, now_us);
      if (source->state == SOURCE_LIVE && !source->partial) plain_cursor = cursor;
    }
    if (deliver(viewer, frame, &tally)) deliver_stale(viewer, &tally);
  }
  add_whole(&tally, frame);
  view_frame_unref(frame);
  uint64_t now_ms = uv_now(lane->stage->loop);
  lane->flushed = version;
  lane->due_ms = now_ms + lane->interval_ms;
  if (tally.frames) lane->sent_ms = now_ms;
  add_up(lane->stage, &tally);
}

void lane_tell_stale(struct lane *lane) {
  struct tally tally = {0};
  for (struct viewer *viewer = lane->viewers, *next; viewer; viewer = next) {
    next = viewer->next;
    deliver_stale(viewer, &tally);
  }
  lane->sent_ms = uv_now(lane->stage->loop);
  add_up(lane->stage, &tally);
}

void lane_begin_again(struct lane *lane) {
  for (struct viewer *viewer = lane->viewers; viewer; viewer = viewer->next) {
    if (viewer->told_partial) viewer->cursor = 0;
    viewer->told_partial = false;
  }
  lane_flush(lane);
}

void lane_broadcast(struct lane *lane, const struct view_event *event) {
  struct tally tally = {0};
  for (struct viewer *viewer = lane->viewers, *next; viewer; viewer = next) {
    next = viewer->next;
    if (!viewer->frame) deliver(viewer, event->as[lane->protocol], &tally);
  }
  lane->sent_ms = uv_now(lane->stage->loop);
  add_up(lane->stage, &tally);
}

void lane_bye(struct lane *lane, const struct view_event *events, size_t event_count) {
  struct tally tally = {0};
  size_t i = 0;
  for (struct viewer *viewer = lane->viewers, *next; viewer; viewer = next) {
    next = viewer->next;
    // In the middle of a frame there is no place for another event; the end of the connection says it too.
    bool there = viewer->frame || deliver(viewer, events[i++ % event_count].as[lane->protocol], &tally);
    if (there) drop(viewer, CLOSE_DRAIN);
  }
  add_up(lane->stage, &tally);
}

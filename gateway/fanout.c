// Letters come in through the mailbox; what they change is sent once per turn of the loop, after all of them
// (on_check).
#include "fanout.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "expiry.h"
#include "hash.h"
#include "log.h"
#include "places.h"
#include "viewer_input.h"

#define BUCKETS 1024
#define TICK_MS 1000
#define BLOCKED_TICK_MS 200
#define HEARTBEAT_MS 14500    // the tick is a second long: 15 s at most
#define HEAL_SPACING_MS 1000  // a team is joined again at most this often
#define LOG_COVERS_MS 300000  // what is recorded stays in the log for twice as long, at least
#define EVENTS 256
#define PATIENCE_US 3000  // a live batch may wait for the next frame of any lane
#define BYE_EVENTS 16
#define BYE_RETRY_MIN_MS 250
#define BYE_RETRY_STEP_MS 150

enum letter_kind {
  LETTER_BATCH,
  LETTER_ATTACH,
  LETTER_MERGE,
  LETTER_LINK,
  LETTER_HEAL,
  LETTER_COPY,
  LETTER_HOLDS,
  LETTER_DRAIN,
  LETTER_STOP,
};

// All letters but live batches.
struct order {
  struct letter letter;
  uint8_t kind;
  struct arrival arrival;
  uint64_t ticket;
  bool flag;  // LINK: connected; HOLDS: the answer; COPY: the answer is incomplete
  enum merge_kind kind_of_merge;
  enum heal_reason reason;
  struct team *state;
  uv_sem_t *done;
  char team[IDENT_MAX_BYTES + 1], worker[IDENT_MAX_BYTES + 1];  // worker: ATTACH
};

struct fanout {
  struct fanout_options options;
  uv_loop_t loop;
  uv_thread_t thread;
  struct mailbox mailbox;
  uv_check_t check;
  uv_poll_t poll;
  uv_timer_t tick, blocked_tick;
  struct stage stage;
  struct expiry expiry;
  struct channel *buckets[BUCKETS];
  struct channel *dirty;
  uint64_t tickets;
  bool connected, draining;
  _Atomic unsigned healing;  // bits of reasons: a letter to heal all teams is under way, so another one is not needed
};

// ---- channels ----

static struct channel **find_link(struct fanout *fanout, const char *team) {
  struct channel **link = &fanout->buckets[hash_bytes(team, strlen(team)) % BUCKETS];
  while (*link && strcmp((*link)->name, team) != 0) link = &(*link)->next;
  return link;
}

static void ask(struct fanout *fanout, struct channel *channel) {
  channel->asked = true;
  channel->wanted = false;
  channel->ticket = ++fanout->tickets;
  channel->asked_ms = uv_now(&fanout->loop);
  fanout->options.needs.join(fanout->options.needs.context, channel->name, channel->ticket);
}

// Asks now, or marks the channel so that the tick does: one join at a time, and not in a storm.
static void ask_soon(struct fanout *fanout, struct channel *channel) {
#ifdef FAULT_SKIP_HEALING  // for make drill-proof: what was lost stays lost
  return;
#endif
  channel->wanted = true;
  if (!channel->doubt_ms) channel->doubt_ms = uv_now(&fanout->loop);
  if (fanout->connected && !channel->asked && uv_now(&fanout->loop) - channel->asked_ms >= HEAL_SPACING_MS)
    ask(fanout, channel);
}

static struct channel *find_or_open(struct fanout *fanout, const char *team) {
  struct channel **link = find_link(fanout, team);
  if (!*link) {
    *link = channel_new(team, (int64_t)fanout->options.stale_after_ms * 1000);
    metric_add(fanout->options.metrics->teams, 1);
    log_info("team_opened", "team=%s", team);
    ask(fanout, *link);
  }
  return *link;
}

static void mark_dirty(struct fanout *fanout, struct channel *channel) {
  if (channel->dirty) return;
  channel->dirty = true;
  channel->dirty_next = fanout->dirty;
  fanout->dirty = channel;
}

static void each_channel(struct fanout *fanout, void (*visit)(struct fanout *fanout, struct channel *channel)) {
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct channel *channel = fanout->buckets[i]; channel; channel = channel->next) visit(fanout, channel);
  }
}

static void send_changes(struct fanout *fanout) {
  while (fanout->dirty) {
    struct channel *channel = fanout->dirty;
    fanout->dirty = channel->dirty_next;
    channel->dirty = false;
    channel_send_changes(channel);
  }
}

static void on_check(uv_check_t *check) {
  send_changes(check->data);
}

// Before a frame is made because its time has come: what waits here belongs into it.
static void gather(void *context) {
  struct fanout *fanout = context;
  mailbox_deliver_now(&fanout->mailbox);
  send_changes(fanout);
}

// ---- letters ----

static void take_batch(struct fanout *fanout, struct live_batch *batch) {
  struct channel *channel = *find_link(fanout, batch->team);
  size_t changed = 0;
  bool gap = false;
  metric_add(fanout->options.metrics->live_batches, 1);
  if (channel) {
    if (!channel_merge_batch(channel, batch->bytes, batch->len, &changed, &gap)) {
      metric_add(fanout->options.metrics->live_bad, 1);
    }
    if (gap) {
      metric_add(fanout->options.metrics->heals[HEAL_GAP], 1);
      log_info("heal", "team=%s reason=gap", channel->name);
      ask_soon(fanout, channel);
    }
    if (changed) {
      metric_add(fanout->options.metrics->live_changes, (int64_t)changed);
      mark_dirty(fanout, channel);
    }
  }
  batch->release(batch);
}

static void take_attach(struct fanout *fanout, const struct order *order) {
  const struct arrival *arrival = &order->arrival;
  if (fanout->draining || !expiry_admits(&fanout->expiry, &arrival->stamp, clock_wall_us() / 1000000)) {
    close(arrival->fd);
    places_release(arrival->place);
  } else {
    channel_add_viewer(find_or_open(fanout, order->team), &fanout->stage, arrival);
  }
}

// Whether a team that was joined from the log alone, without Postgres, may lack something: what was recorded is trimmed
// from the log after a while. A state that was whole lacks nothing that the log still has.
static bool is_partial(struct fanout *fanout, const struct channel *channel) {
  if (channel->source.state == SOURCE_JOINING || channel->source.partial) return true;
  return channel->doubt_ms && uv_now(&fanout->loop) - channel->doubt_ms > LOG_COVERS_MS;
}

static void become_live(struct fanout *fanout, struct channel *channel, enum merge_kind kind) {
  bool partial = kind == MERGE_FROM_LOG && is_partial(fanout, channel);
  team_expire(channel->source.team, clock_mono_us());
  channel->asked = false;
  channel->doubt_ms = channel->wanted ? channel->doubt_ms : 0;
  channel_become_live(channel);
  channel_set_partial(channel, partial);
  log_info("team_live", "team=%s workers=%zu viewers=%zu complete=%d", channel->name, team_count(channel->source.team),
           channel_viewers(channel), !partial);
}

static void take_merge(struct fanout *fanout, const struct order *order) {
  struct channel *channel = *find_link(fanout, order->team);
  if (!channel) return;
  if (order->state && team_merge_team(channel->source.team, order->state)) mark_dirty(fanout, channel);
  if (order->kind_of_merge == MERGE_MORE) return;
  if (channel->asked && order->ticket == channel->ticket) {
    become_live(fanout, channel, order->kind_of_merge);
  } else if (!channel->asked && !order->ticket && order->kind_of_merge == MERGE_WHOLE) {
    // The join that the join thread owed since Postgres was gone; nothing is known to be lost since.
    if (channel->source.state == SOURCE_LIVE) channel_set_partial(channel, false);
  }
}

// A join that was under way while NATS went away proves nothing: with the ticket changed, its answer is an old one.
static void go_stale(struct fanout *fanout, struct channel *channel) {
  channel->asked = false;
  channel->ticket = ++fanout->tickets;
  if (!channel->doubt_ms) channel->doubt_ms = uv_now(&fanout->loop);
  channel_become_stale(channel);
}

static void join_after_reconnect(struct fanout *fanout, struct channel *channel) {
#ifdef FAULT_SKIP_HEALING
  if (channel->source.state != SOURCE_JOINING) return channel_become_live(channel);
#endif
  if (channel->source.state != SOURCE_JOINING) metric_add(fanout->options.metrics->heals[HEAL_RECONNECT], 1);
  ask(fanout, channel);
}

static void take_link(struct fanout *fanout, bool connected) {
  if (connected == fanout->connected) return;
  fanout->connected = connected;
  if (connected) {
    each_channel(fanout, join_after_reconnect);
    return;
  }
  view_event_fini(&fanout->stage.stale_event);
  fanout->stage.stale_event = view_event_stale(clock_wall_us(), "nats");
  each_channel(fanout, go_stale);
}

static void take_heal(struct fanout *fanout, const char *team, enum heal_reason reason) {
  if (!*team) atomic_fetch_and(&fanout->healing, ~(1U << reason));  // first: what is lost from now on asks again
  metric_add(fanout->options.metrics->heals[reason], 1);
  log_info("heal", "team=%s reason=%s", *team ? team : "*", heal_reason_names[reason]);
  if (!*team) {
    each_channel(fanout, ask_soon);
  } else if (*find_link(fanout, team)) {
    ask_soon(fanout, *find_link(fanout, team));
  }
}

static void take_drain(struct fanout *fanout) {
  struct view_event events[BYE_EVENTS];
  fanout->draining = true;
  for (unsigned i = 0; i < BYE_EVENTS; i++) {
    events[i] = view_event_bye("drain", BYE_RETRY_MIN_MS + i * BYE_RETRY_STEP_MS, WS_GOING_AWAY);
  }
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct channel *channel = fanout->buckets[i]; channel; channel = channel->next) {
      channel_bye(channel, events, BYE_EVENTS);
    }
  }
  for (unsigned i = 0; i < BYE_EVENTS; i++) view_event_fini(&events[i]);
}

static void close_all(struct fanout *fanout) {
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct channel *channel = fanout->buckets[i], *next; channel; channel = next) {
      next = channel->next;
      channel_free(channel, CLOSE_DRAIN);
    }
    fanout->buckets[i] = NULL;
  }
  fanout->dirty = NULL;
  uv_close((uv_handle_t *)&fanout->check, NULL);
  uv_close((uv_handle_t *)&fanout->poll, NULL);
  uv_close((uv_handle_t *)&fanout->tick, NULL);
  uv_close((uv_handle_t *)&fanout->blocked_tick, NULL);
  // Whoever posted this letter may still be in mailbox_post: the mailbox is closed after the thread has ended.
  uv_unref((uv_handle_t *)&fanout->mailbox.async);
}

static void answer_copy(struct fanout *fanout, struct order *order) {
  struct channel *channel = *find_link(fanout, order->team);
  if (!channel || channel->source.state != SOURCE_LIVE) return;
  order->state = team_copy(channel->source.team);
  order->flag = channel->source.partial;
}

static void on_letter(void *context, struct letter *letter) {
  struct fanout *fanout = context;
  struct order *order = (struct order *)letter;
  switch (order->kind) {
    case LETTER_BATCH:
      take_batch(fanout, (struct live_batch *)letter);
      return;
    case LETTER_ATTACH:
      take_attach(fanout, order);
      break;
    case LETTER_MERGE:
      take_merge(fanout, order);
      team_free(order->state);
      break;
    case LETTER_LINK:
      take_link(fanout, order->flag);
      break;
    case LETTER_HEAL:
      take_heal(fanout, order->team, order->reason);
      break;
    case LETTER_COPY:
      answer_copy(fanout, order);
      break;
    case LETTER_HOLDS:
      order->flag =
          *find_link(fanout, order->team) && (*find_link(fanout, order->team))->source.state != SOURCE_JOINING;
      break;
    case LETTER_DRAIN:
      take_drain(fanout);
      break;
    default:
      close_all(fanout);
      break;
  }
  // One that waits for an answer owns its letter.
  if (order->done) {
    uv_sem_post(order->done);
  } else {
    free(order);
  }
}
_Static_assert(offsetof(struct order, kind) == offsetof(struct live_batch, kind),
               "a letter's kind is where it is read");

// ---- the tick and the sockets ----

static void look_at_tokens(struct fanout *fanout, struct channel *channel) {
  for (struct lane *lane = channel->lanes; lane; lane = lane->next) expiry_look(&fanout->expiry, lane);
  for (struct channel *part = channel->parts; part; part = part->next) look_at_tokens(fanout, part);
}

static void tend(struct fanout *fanout, struct channel *channel) {
  // Without NATS nobody can be heard: that is said of the view as a whole, not of each worker.
  bool live = channel->source.state == SOURCE_LIVE;
  if (live && team_expire(channel->source.team, clock_mono_us())) mark_dirty(fanout, channel);
  if (channel->wanted) ask_soon(fanout, channel);
  look_at_tokens(fanout, channel);
  channel_drop_empty_lanes(channel);
  if (!channel->empty_ms && channel_viewers(channel) == 0) channel->empty_ms = uv_now(&fanout->loop);
}

static void close_unused(struct fanout *fanout) {
  uint64_t now_ms = uv_now(&fanout->loop);
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct channel **link = &fanout->buckets[i]; *link;) {
      struct channel *channel = *link;
      if (!channel->empty_ms || channel->dirty || now_ms - channel->empty_ms < fanout->options.linger_ms) {
        link = &channel->next;
        continue;
      }
      *link = channel->next;
      log_info("team_closed", "team=%s", channel->name);
      metric_add(fanout->options.metrics->teams, -1);
      fanout->options.needs.leave(fanout->options.needs.context, channel->name);
      channel_free(channel, CLOSE_GONE);
    }
  }
}

static void on_blocked_tick(uv_timer_t *timer) {
  struct fanout *fanout = timer->data;
  lane_tend_blocked(&fanout->stage);
}

static void on_tick(uv_timer_t *timer) {
  struct fanout *fanout = timer->data;
  struct view_event heartbeat = {0};
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct channel *channel = fanout->buckets[i]; channel; channel = channel->next) {
      channel_heartbeat(channel, uv_now(&fanout->loop), HEARTBEAT_MS, &heartbeat);
    }
  }
  view_event_fini(&heartbeat);
  expiry_begin(&fanout->expiry, clock_wall_us() / 1000000);
  each_channel(fanout, tend);
  expiry_end(&fanout->expiry);
  send_changes(fanout);
  close_unused(fanout);
}

static void take_event(struct viewer *viewer, uint32_t events) {
  if (events & EPOLLIN && !viewer_input_read(viewer)) return;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    lane_end(viewer, NULL, CLOSE_GONE);
  } else {
    lane_writable(viewer);
  }
}

// An event's viewer is there: a viewer is closed only by its own event here, and closing takes it out of epoll.
static void on_sockets(uv_poll_t *poll, int status, int polled) {
  struct fanout *fanout = poll->data;
  struct epoll_event events[EVENTS];
  int count;
  (void)status;
  (void)polled;
  do {
    count = epoll_wait(fanout->stage.epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < count; i++) take_event(events[i].data.ptr, events[i].events);
  } while (count == EVENTS);
}

// ---- life ----

struct fanout *fanout_new(const struct fanout_options *options) {
  struct fanout *fanout = calloc(1, sizeof *fanout);
  if (!fanout) abort();
  fanout->options = *options;
  fanout->stage = (struct stage){.loop = &fanout->loop,
                                 .gather = gather,
                                 .context = fanout,
                                 .metrics = options->metrics,
                                 .stall_ms = options->stall_ms};
  fanout->stage.stale_event = view_event_stale(clock_wall_us(), "nats");
  fanout->expiry.guard = options->guard;
  return fanout;
}

static void run(void *context) {
  struct fanout *fanout = context;
  uv_run(&fanout->loop, UV_RUN_DEFAULT);
}

bool fanout_start(struct fanout *fanout) {
  fanout->stage.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (fanout->stage.epoll_fd < 0 || uv_loop_init(&fanout->loop) ||
      mailbox_init(&fanout->mailbox, &fanout->loop, on_letter, fanout) ||
      mailbox_be_patient(&fanout->mailbox, PATIENCE_US)) {
    return false;
  }
  fanout->check.data = fanout->poll.data = fanout->tick.data = fanout->blocked_tick.data = fanout;
  return uv_check_init(&fanout->loop, &fanout->check) == 0 && uv_check_start(&fanout->check, on_check) == 0 &&
         uv_poll_init(&fanout->loop, &fanout->poll, fanout->stage.epoll_fd) == 0 &&
         uv_poll_start(&fanout->poll, UV_READABLE, on_sockets) == 0 &&
         uv_timer_init(&fanout->loop, &fanout->tick) == 0 &&
         uv_timer_start(&fanout->tick, on_tick, TICK_MS, TICK_MS) == 0 &&
         uv_timer_init(&fanout->loop, &fanout->blocked_tick) == 0 &&
         uv_timer_start(&fanout->blocked_tick, on_blocked_tick, BLOCKED_TICK_MS, BLOCKED_TICK_MS) == 0 &&
         uv_thread_create(&fanout->thread, run, fanout) == 0;
}

// Any thread.
static struct order *new_order(enum letter_kind kind, const char *team) {
  struct order *order = calloc(1, sizeof *order);
  if (!order) abort();
  order->kind = (uint8_t)kind;
  snprintf(order->team, sizeof order->team, "%s", team ? team : "");
  return order;
}

void fanout_attach(struct fanout *fanout, const struct arrival *arrival) {
  struct order *order = new_order(LETTER_ATTACH, arrival->team);
  order->arrival = *arrival;
  order->arrival.team = order->team;
  if (arrival->worker) {
    strncpy(order->worker, arrival->worker, IDENT_MAX_BYTES);
    order->arrival.worker = order->worker;
  }
  mailbox_post(&fanout->mailbox, &order->letter);
}

void fanout_batch(struct fanout *fanout, struct live_batch *batch) {
  batch->kind = LETTER_BATCH;
  mailbox_post_patiently(&fanout->mailbox, &batch->letter);
}

void fanout_merge(struct fanout *fanout, struct team *state, uint64_t ticket, enum merge_kind kind, const char *team) {
  struct order *order = new_order(LETTER_MERGE, team);
  order->state = state;
  order->ticket = ticket;
  order->kind_of_merge = kind;
  mailbox_post(&fanout->mailbox, &order->letter);
}

void fanout_link(struct fanout *fanout, bool connected) {
  struct order *order = new_order(LETTER_LINK, NULL);
  order->flag = connected;
  mailbox_post(&fanout->mailbox, &order->letter);
}

void fanout_heal(struct fanout *fanout, enum heal_reason reason) {
  if (!(atomic_fetch_or(&fanout->healing, 1U << reason) & 1U << reason)) fanout_heal_team(fanout, "", reason);
}

void fanout_heal_team(struct fanout *fanout, const char *team, enum heal_reason reason) {
  struct order *order = new_order(LETTER_HEAL, team);
  order->reason = reason;
  mailbox_post(&fanout->mailbox, &order->letter);
}

// Posts and waits for the answer, which is in the order.
static void post_and_wait(struct fanout *fanout, struct order *order) {
  uv_sem_t done;
  if (uv_sem_init(&done, 0)) abort();
  order->done = &done;
  mailbox_post(&fanout->mailbox, &order->letter);
  uv_sem_wait(&done);
  uv_sem_destroy(&done);
}

struct team *fanout_copy(struct fanout *fanout, const char *team, bool *out_partial) {
  struct order *order = new_order(LETTER_COPY, team);
  post_and_wait(fanout, order);
  struct team *copy = order->state;
  *out_partial = order->flag;
  free(order);
  return copy;
}

bool fanout_holds(struct fanout *fanout, const char *team) {
  struct order *order = new_order(LETTER_HOLDS, team);
  post_and_wait(fanout, order);
  bool holds = order->flag;
  free(order);
  return holds;
}

void fanout_drain(struct fanout *fanout) {
  struct order *order = new_order(LETTER_DRAIN, NULL);
  post_and_wait(fanout, order);
  free(order);
}

void fanout_stop(struct fanout *fanout) {
  struct order *order = new_order(LETTER_STOP, NULL);
  mailbox_post(&fanout->mailbox, &order->letter);
  uv_thread_join(&fanout->thread);
  mailbox_close(&fanout->mailbox);
  uv_run(&fanout->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&fanout->loop)) log_error("loop_not_empty", "part=fanout");
}

void fanout_free(struct fanout *fanout) {
  if (!fanout) return;
  view_event_fini(&fanout->stage.stale_event);
  view_frame_unref(fanout->stage.spare);
  if (fanout->stage.epoll_fd > 0) close(fanout->stage.epoll_fd);
  free(fanout);
}

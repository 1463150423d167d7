// The thread takes wishes, does a round for all of them, and between rounds reads on for the groups of earlier rounds.
//
// One reader, the tail, serves all groups that follow the log. A round reads up to where the tail is, if that is beyond
// the log's end as the round found it; from there on the tail brings everything.
#include "join.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "compare.h"
#include "group.h"
#include "log.h"
#include "replay.h"
#include "snapshot.h"

#define PING_US 2000000
#define ROUND_RETRY_US 500000
#define READ_PATIENCE_MS 1000  // with no message for so long in a replay, the stream is asked again
#define READ_ATTEMPTS 10
#define FOLLOW_READ_MS 20
#define CREATED_SLACK_US 1000  // Postgres and JetStream round the stream's creation time differently

struct wish {
  struct wish *next;
  bool leave;
  uint64_t ticket;
  int64_t asked_us;
  char team[IDENT_MAX_BYTES + 1];
};

struct join {
  struct join_options options;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  struct wish *queue, **queue_end;  // under the lock
  bool threaded;
  _Atomic bool stopping, database_answers;
  // The thread's own from here.
  struct snapshot *snapshot;
  struct compare *compare;
  struct replay *replay;
  struct wish *waiting;  // for the next round
  struct wish *owed;     // joined without Postgres: once more when it is back
  struct group *groups;  // that follow the log
  struct replay_reader *tail;
  uint64_t tail_sequence;  // read so far
  int64_t ping_us, retry_us;
};

struct join *join_new(const struct join_options *options) {
  struct join *join = calloc(1, sizeof *join);
  if (!join) abort();
  join->options = *options;
  join->queue_end = &join->queue;
  pthread_mutex_init(&join->lock, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&join->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
  join->snapshot = snapshot_new(options->database_url);
  join->compare = compare_new(&(struct compare_options){.interval_us = options->compare_interval_s * 1000000LL,
                                                        .snapshot = join->snapshot,
                                                        .feed = options->feed,
                                                        .fanout = options->fanout,
                                                        .replicas = options->replicas,
                                                        .metrics = options->metrics});
  return join;
}

bool join_database_answers(struct join *join) {
  return atomic_load(&join->database_answers);
}

// ---- wishes ----

static struct wish *new_wish(const char *team, uint64_t ticket, bool leave) {
  struct wish *wish = calloc(1, sizeof *wish);
  if (!wish) abort();
  wish->ticket = ticket;
  wish->leave = leave;
  wish->asked_us = clock_mono_us();
  snprintf(wish->team, sizeof wish->team, "%s", team);
  return wish;
}

static void enqueue(struct join *join, struct wish *wish) {
  pthread_mutex_lock(&join->lock);
  *join->queue_end = wish;
  join->queue_end = &wish->next;
  pthread_cond_signal(&join->wake);
  pthread_mutex_unlock(&join->lock);
}

void join_team(void *join, const char *team, uint64_t ticket) {
  enqueue(join, new_wish(team, ticket, false));
}

void join_leave(void *join, const char *team) {
  enqueue(join, new_wish(team, 0, true));
}

static void remove_wish(struct wish **list, const char *team) {
  for (struct wish **link = list; *link;) {
    struct wish *wish = *link;
    if (strcmp(wish->team, team) != 0) {
      link = &wish->next;
      continue;
    }
    *link = wish->next;
    free(wish);
  }
}

static void free_wishes(struct wish *list) {
  for (struct wish *next; list; list = next) {
    next = list->next;
    free(list);
  }
}

// The newest wish for a team stands for all before; one of our own (ticket 0) is older than any of the fan-out's.
static void add_waiting(struct join *join, struct wish *wish) {
  for (struct wish *known = join->waiting; known; known = known->next) {
    if (strcmp(known->team, wish->team) != 0) continue;
    if (wish->ticket > known->ticket) known->ticket = wish->ticket;
    free(wish);
    return;
  }
  wish->next = join->waiting;
  join->waiting = wish;
}

static void leave_team(struct join *join, const char *team) {
  remove_wish(&join->waiting, team);
  remove_wish(&join->owed, team);
  for (struct group *group = join->groups; group; group = group->next) group_remove(group, team);
  compare_remove(join->compare, team);
  feed_unsubscribe(join->options.feed, team);
}

// Waits for wishes if there is nothing else to do, and sorts them.
static void take_wishes(struct join *join, int64_t wait_us) {
  int64_t until_us = clock_mono_us() + wait_us;
  struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
  pthread_mutex_lock(&join->lock);
  if (!join->queue && wait_us > 0 && !join->stopping) pthread_cond_timedwait(&join->wake, &join->lock, &until);
  struct wish *wish = join->queue;
  join->queue = NULL;
  join->queue_end = &join->queue;
  pthread_mutex_unlock(&join->lock);
  for (struct wish *next; wish; wish = next) {
    next = wish->next;
    if (wish->leave) {
      leave_team(join, wish->team);
      free(wish);
    } else {
      add_waiting(join, wish);
    }
  }
}

// ---- a round ----

// Merges a message into every group from this one on.
static void merge_message(struct join *join, struct group *groups, const struct replay_message *message) {
  struct batch_reader reader;
  struct batch_header header;
  bool good = batch_open(message->bytes, message->len, &reader, &header);
  int64_t wall_us = clock_wall_us(), now_us = clock_mono_us();
  metric_add(join->options.metrics->log_batches, 1);
  for (struct group *group = groups; group; group = group->next) {
    if (good) good = group_merge_log(group, message->bytes, message->len, wall_us, now_us);
  }
  if (!good) log_warn("log_batch_bad", "sequence=%llu", (unsigned long long)message->sequence);
}

// Reads up to and including this sequence. Messages may vanish at the front meanwhile, by age.
static bool read_to(struct join *join, struct replay_reader *reader, struct group *group, uint64_t to) {
  int attempts = 0;
  uint64_t at = 0;
  while (at < to && !join->stopping) {
    struct replay_message message;
    enum replay_status status = replay_next(reader, READ_PATIENCE_MS, &message);
    if (status == REPLAY_LOST) return false;
    if (status == REPLAY_MESSAGE) {
      merge_message(join, group, &message);
      at = message.sequence;
      attempts = 0;
      continue;
    }
    struct replay_stream stream;
    if (++attempts > READ_ATTEMPTS) return false;
    if (replay_stream(join->replay, &stream) && stream.first > to) break;
  }
  return !join->stopping;
}

static uint64_t first_unread(const struct snapshot_point *point, const struct replay_stream *stream) {
  int64_t difference_us = point->created_at_us - stream->created_at_us;
  bool same = point->known && difference_us > -CREATED_SLACK_US && difference_us < CREATED_SLACK_US;
  // Another stream of the same name: its sequences mean nothing to the one that there is now.
  return same && point->sequence + 1 > stream->first ? point->sequence + 1 : stream->first;
}

static bool replay_log(struct join *join, struct group *group, const struct snapshot_point *point) {
  struct replay_stream stream;
  if (!replay_stream(join->replay, &stream)) return false;
  if (!stream.exists) return true;
  uint64_t from = first_unread(point, &stream), to = stream.last;
  if (join->tail && join->tail_sequence > to) to = join->tail_sequence;
  if (join->tail && from > to) return true;
  struct replay_reader *reader = replay_open(join->replay, from);
  if (!reader) return false;
  bool good = from > to || read_to(join, reader, group, to);
  if (good && !join->tail) {
    join->tail = reader;
    join->tail_sequence = to;
  } else {
    replay_close(reader);
  }
  return good;
}

static void note_database(struct join *join, bool answers) {
  atomic_store(&join->database_answers, answers);
  metric_set(join->options.metrics->postgres_connected, answers);
}

static bool load_snapshot(struct join *join, struct group *group, struct snapshot_point *out_point) {
  struct team **states = calloc(group->count, sizeof *states);
  if (!states) abort();
  for (size_t i = 0; i < group->count; i++) states[i] = group->members[i].state;
  bool good = snapshot_load(join->snapshot, states, group->count, out_point);
  free(states);
  note_database(join, good);
  return good;
}

// Hands over what was gathered.
static void hand_over(struct join *join, struct group *group, enum merge_kind kind) {
  for (size_t i = 0; i < group->count; i++) {
    struct group_member *member = &group->members[i];
    if (!member->state) continue;
    struct team *state = group_take(member);
    bool answers = kind != MERGE_MORE;
    if (state || answers) fanout_merge(join->options.fanout, state, member->ticket, kind, member->name);
    if (!answers) continue;
    compare_add(join->compare, member->name);
    metric_add(join->options.metrics->joins, 1);
    metric_observe_us(join->options.metrics->join_time, clock_mono_us() - member->asked_us);
  }
}

static struct group *group_of_waiting(struct join *join) {
  struct group *group = group_new();
  for (struct wish *wish = join->waiting; wish; wish = wish->next) {
    group_add(group, wish->team, wish->ticket, wish->asked_us);
  }
  group_index(group);
  return group;
}

static bool join_group(struct join *join, struct group *group) {
  uint64_t mark;
  struct snapshot_point point = {0};
  for (size_t i = 0; i < group->count; i++) {
    if (!feed_subscribe(join->options.feed, group->members[i].name)) return false;
  }
  if (!feed_echo(join->options.feed, &mark)) return false;
  follow_init(&group->follow, mark, clock_mono_us());
  bool loaded = load_snapshot(join, group, &point);
  if (!loaded) point.known = false;
  if (!replay_log(join, group, &point)) return false;
  hand_over(join, group, loaded ? MERGE_WHOLE : MERGE_FROM_LOG);
  if (loaded) return true;
  metric_add(join->options.metrics->joins_without_snapshot, (int64_t)group->count);
  for (size_t i = 0; i < group->count; i++) {
    struct wish *wish = new_wish(group->members[i].name, 0, false);
    remove_wish(&join->owed, wish->team);
    wish->next = join->owed;
    join->owed = wish;
  }
  return true;
}

static void run_round(struct join *join) {
  struct group *group = group_of_waiting(join);
  metric_add(join->options.metrics->follows, 1);  // before the views are ready; count_follows makes it right
  if (join_group(join, group)) {
    free_wishes(join->waiting);
    join->waiting = NULL;
    group->next = join->groups;
    join->groups = group;
    return;
  }
  group_free(group);
  metric_add(join->options.metrics->join_retries, 1);
  join->retry_us = clock_mono_us() + ROUND_RETRY_US;
}

// ---- following the log ----

// The tail broke: what it would have brought is found by joining again, of our own accord.
static void begin_again(struct join *join) {
  for (struct group *group = join->groups, *next; group; group = next) {
    next = group->next;
    metric_add(join->options.metrics->follow_dropped, 1);
    for (size_t i = 0; i < group->count; i++) {
      if (group->members[i].state) add_waiting(join, new_wish(group->members[i].name, 0, false));
    }
    group_free(group);
  }
  join->groups = NULL;
  replay_close(join->tail);
  join->tail = NULL;
  join->retry_us = clock_mono_us() + ROUND_RETRY_US;
}

// Whether a group has read all that it followed the log for. A log that came into being only now was never opened.
static bool is_complete(struct join *join, struct group *group) {
  struct replay_stream stream;
  if (group->until == 0) {
    if (!replay_stream(join->replay, &stream)) return false;
    if (!stream.exists || stream.first > stream.last) return true;  // nothing is there to read
    group->until = stream.last;
  }
  if (!join->tail) begin_again(join);
  return join->tail && join->tail_sequence >= group->until;
}

static void end_follows(struct join *join) {
  size_t count;
  int64_t now_us = clock_mono_us();
  struct replica *alive = replicas_alive(join->options.replicas, now_us, &count);
  for (struct group **link = &join->groups; *link;) {
    struct group *group = *link;
    follow_hear(&group->follow, alive, count);
    enum follow_status status = follow_check(&group->follow, now_us);
    if (status == FOLLOW_ON || (status == FOLLOW_STORED && !is_complete(join, group))) {
      if (!join->groups) break;  // they all begin again
      link = &group->next;
      continue;
    }
    struct gateway_metrics *m = join->options.metrics;
    metric_add(status == FOLLOW_STORED ? m->follow_done : m->follow_bounded, 1);
    *link = group->next;
    group_free(group);
  }
  free(alive);
  if (!join->groups) {
    replay_close(join->tail);
    join->tail = NULL;
  }
}

// Reads what the tail has, for a moment. A log that did not exist yet has no tail; nothing was stored in it.
static void follow_log(struct join *join) {
  int64_t until_us = clock_mono_us() + FOLLOW_READ_MS * 1000;
  while (join->tail && clock_mono_us() < until_us) {
    struct replay_message message;
    enum replay_status status = replay_next(join->tail, FOLLOW_READ_MS, &message);
    if (status == REPLAY_NOTHING) break;
    if (status == REPLAY_LOST) {
      begin_again(join);
      return;
    }
    join->tail_sequence = message.sequence;
    merge_message(join, join->groups, &message);
  }
  for (struct group *group = join->groups; group; group = group->next) hand_over(join, group, MERGE_MORE);
  end_follows(join);
}

// ---- the thread ----

static void ping_database(struct join *join) {
  bool answers = snapshot_ping(join->snapshot);
  join->ping_us = clock_mono_us() + PING_US;
  note_database(join, answers);
  while (answers && join->owed) {
    struct wish *wish = join->owed;
    join->owed = wish->next;
    metric_add(join->options.metrics->heals[HEAL_DATABASE], 1);
    add_waiting(join, wish);
  }
}

// A tracker that died may have stored what it never got to send live.
static void heal_after_deaths(struct join *join) {
  if (replicas_take_dead(join->options.replicas, clock_mono_us())) {
    fanout_heal(join->options.fanout, HEAL_TRACKER_GONE);
  }
}

static void count_follows(struct join *join) {
  int64_t count = 0;
  for (const struct group *group = join->groups; group; group = group->next) count++;
  metric_set(join->options.metrics->follows, count);
}

// How long the thread may sleep: not at all while there is a tail to read.
static int64_t idle_us(const struct join *join) {
  int64_t until_us = join->ping_us, now_us = clock_mono_us();
  if (compare_due_us(join->compare) < until_us) until_us = compare_due_us(join->compare);
  if (join->groups && join->tail) return 0;
  if (join->groups && now_us + FOLLOW_READ_MS * 1000 < until_us) until_us = now_us + FOLLOW_READ_MS * 1000;
  if (join->waiting && join->retry_us < until_us) until_us = join->retry_us;
  return until_us > now_us ? until_us - now_us : 0;
}

static void *run(void *context) {
  struct join *join = context;
  while (!join->stopping) {
    take_wishes(join, idle_us(join));
    if (join->waiting && clock_mono_us() >= join->retry_us) run_round(join);
    if (join->groups) follow_log(join);
    count_follows(join);
    compare_step(join->compare, join->groups, clock_mono_us());
    if (clock_mono_us() >= join->ping_us) {
      ping_database(join);
      heal_after_deaths(join);
    }
  }
  return NULL;
}

bool join_start(struct join *join) {
  join->replay = replay_new(join->options.nats_url);
  if (!join->replay) return false;
  join->threaded = pthread_create(&join->thread, NULL, run, join) == 0;
  return join->threaded;
}

void join_stop(struct join *join) {
  pthread_mutex_lock(&join->lock);
  join->stopping = true;
  pthread_cond_signal(&join->wake);
  pthread_mutex_unlock(&join->lock);
  if (join->replay) replay_interrupt(join->replay);
  if (join->threaded) pthread_join(join->thread, NULL);
  replay_close(join->tail);
  join->tail = NULL;
  if (join->replay) replay_stop(join->replay);
}

void join_free(struct join *join) {
  if (!join) return;
  free_wishes(join->queue);
  free_wishes(join->waiting);
  free_wishes(join->owed);
  for (struct group *group = join->groups, *next; group; group = next) {
    next = group->next;
    group_free(group);
  }
  replay_free(join->replay);
  compare_free(join->compare);
  snapshot_free(join->snapshot);
  pthread_cond_destroy(&join->wake);
  pthread_mutex_destroy(&join->lock);
  free(join);
}

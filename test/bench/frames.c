// What the fan-out spends on a frame, counted: live batches go in, the same ones each time, and what it would send() is
// only counted. No sockets, no NATS, no Postgres; the real fan-out thread with its mailbox and loop.
//
//   frames VIEWERS ROUNDS      (at most ROUNDS_MAX)
//
// Each round is one live batch of ROWS workers of a team of WORKERS, and a frame of it for each viewer. Prints the
// frames and how often memory was allocated. Run under callgrind with two numbers of rounds, the difference tells the
// instructions of a frame: start, end, and making the batches, which are always ROUNDS_MAX, cancel out.
#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../../gateway/fanout.h"
#include "log.h"
#include "update.h"

#define WORKERS 50  // of a team, as in the workload `fanout`
#define ROWS 5      // that a tenth of a second brings then
#define ROUNDS_MAX 2000
#define FIRST_FD 1000000

static _Atomic uint64_t frames, allocations;
static uint64_t awaited;
static sem_t reached;
static struct fanout *fanout;

// ---- what the fan-out finds instead of the system ----

// The linker gives us these calls of the fan-out, and the real ones under the other name.
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_close(int fd);
int __real_close(int fd);

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags) {
  if (fd < FIRST_FD) return __real_send(fd, bytes, len, flags);
  if (++frames == awaited) sem_post(&reached);
  return (ssize_t)len;
}

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event) {
  return fd < FIRST_FD ? __real_epoll_ctl(epoll_fd, operation, fd, event) : 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  return fd < FIRST_FD ? __real_setsockopt(fd, level, name, value, len) : 0;
}

int __wrap_close(int fd) {
  return fd < FIRST_FD ? __real_close(fd) : 0;
}

// glibc's own, under the names that it keeps for this.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  allocations++;
  return __libc_realloc(memory, size);
}

// ---- the replay ----

static void on_join(void *context, const char *team, uint64_t ticket) {
  (void)context;
  fanout_merge(fanout, NULL, ticket, MERGE_WHOLE, team);
}

static void on_leave(void *context, const char *team) {
  (void)context;
  (void)team;
}

static void keep(struct live_batch *batch) {
  (void)batch;  // ours
}

static void attach(int fd) {
  fanout_attach(fanout, &(struct arrival){.fd = fd, .protocol = VIEW_SSE, .team = "team-1"});
}

static void await_frames(void) {
  while (sem_wait(&reached) < 0 && errno == EINTR) continue;
}

static void append_position(struct buffer *batch, uint64_t round, unsigned row) {
  char name[32];
  unsigned worker = (unsigned)((round * ROWS + row) % WORKERS);
  int len = snprintf(name, sizeof name, "team-1-walk-%04u", worker);
  struct update update = {
      .worker = {name, (size_t)len},
      .received_at_us = 1700000000000000 + (int64_t)round * 100000,
      .has_position = true,
      .position = {.taken_at_us = 1700000000000000 + (int64_t)round * 100000 + row,
                   .latitude_e7 = 473768812 + (int32_t)(round % 100000),
                   .longitude_e7 = 85417231 + (int32_t)worker,
                   .speed_cm_s = 140,
                   .heading_cdeg = 11400,
                   .accuracy_cm = 800,
                   .battery_percent = 87,
                   .has = POSITION_HAS_ALL_REQUIRED | POSITION_HAS_SPEED | POSITION_HAS_HEADING |
                          POSITION_HAS_ACCURACY | POSITION_HAS_BATTERY},
  };
  batch_append_update(batch, NULL, &update);
}

static struct live_batch batches[ROUNDS_MAX];

static void make_batches(void) {
  for (uint64_t i = 0; i < ROUNDS_MAX; i++) {
    struct batch_header header = {.tracker = {"tracker-1", 9}, .started_at_us = 1, .number = i + 1};
    struct buffer bytes = {0};
    batch_append_header(&bytes, &header);
    for (unsigned row = 0; row < ROWS; row++) append_position(&bytes, i, row);
    batches[i] = (struct live_batch){.bytes = bytes.data, .len = bytes.len, .release = keep, .team = "team-1"};
  }
}

static void play(uint64_t rounds, uint64_t viewers) {
  for (uint64_t i = 0; i < rounds; i++) {
    awaited = frames + viewers;
    fanout_batch(fanout, &batches[i]);
    await_frames();
  }
}

int main(int argc, char **argv) {
  static struct gateway_metrics metrics;
  if (argc != 3) return 2;
  uint64_t viewers = strtoull(argv[1], NULL, 10), rounds = strtoull(argv[2], NULL, 10);
  if (viewers == 0 || rounds > ROUNDS_MAX) return 2;
  make_batches();
  log_setup("frames", "frames", LOG_WARN);
  gateway_metrics_register(&metrics, metrics_new());
  sem_init(&reached, 0, 0);
  fanout = fanout_new(&(struct fanout_options){
      .linger_ms = 60000, .stall_ms = 60000, .metrics = &metrics, .needs = {.join = on_join, .leave = on_leave}});
  if (!fanout_start(fanout)) return 1;
  fanout_link(fanout, true);
  awaited = viewers;  // their snapshots
  for (uint64_t i = 0; i < viewers; i++) attach(FIRST_FD + (int)i);
  await_frames();
  play(rounds, viewers);
  printf("{\"frames\": %" PRIu64 ", \"allocations\": %" PRIu64 "}\n", frames, allocations);
  fflush(stdout);
  _Exit(0);  // what ends is not measured
}

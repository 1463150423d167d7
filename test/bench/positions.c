// What a tracker spends on a position, counted: the real server, sessions and batches on a real loop, with a clock that
// we move and without the publisher, whose part is a message for each team and round.
//
//   positions ROUNDS      (at most ROUNDS_MAX)
//
// Each round, 4 ms of our clock, every one of DEVICES devices, each in a team of its own, sends a report of one
// position: as many as come in a round at 15,000 a second. Prints the positions, what was published of them, and how
// often memory was allocated. Run under callgrind with two numbers of rounds, the difference tells the instructions of
// a position: start, end, and making the reports, which are always of ROUNDS_MAX rounds, cancel out.
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "../../tracker/server.h"
#include "clock.h"
#include "frame.h"
#include "log.h"
#include "peers.h"
#include "token.h"

#define DEVICES 60
#define ROUNDS_MAX 4000
#define ROUND_NS 4000000
#define LOG_INTERVAL_MS 20
#define ACK_REPORTS 8  // as a device is acked that sends once a second, by the 8 s of the default
#define REPORT_BYTES 64
#define FILES 1024
#define KEY "a key that is thirty-two bytes long"
#define NOW_S 1700000000

static uint64_t allocations;
static int64_t clock_ns;
static uv_loop_t loop;
static struct intake *intake;
static struct server *server;
static struct metrics *metrics;

static int accepted[DEVICES];           // the tracker's sockets
static unsigned char device_at[FILES];  // by socket: 1 + its place among them
static unsigned accepted_count, turn_of;
static bool replaying;
static uint8_t reports[ROUNDS_MAX][DEVICES][REPORT_BYTES];
static uint8_t report_bytes[ROUNDS_MAX][DEVICES];

// ---- what libuv and the tracker find instead of the C library ----
//
// Devices connect and say Hello by real sockets. From then on nothing touches one: all are said to be readable once in
// a round, and what is read is the next report.

static int device_of(int fd) {
  return fd < FILES ? device_at[fd] - 1 : -1;
}

int accept4(int listener, struct sockaddr *address, socklen_t *len, int flags) {
  int fd = (int)syscall(SYS_accept4, listener, address, len, flags);
  if (fd < 0 || fd >= FILES || accepted_count == DEVICES) return fd;
  accepted[accepted_count++] = fd;
  device_at[fd] = (unsigned char)accepted_count;
  return fd;
}

static bool told;  // of this round, that all are readable

int epoll_wait(int epoll_fd, struct epoll_event *events, int room, int timeout_ms) {
  if (!replaying) return (int)syscall(SYS_epoll_wait, epoll_fd, events, room, timeout_ms);
  if (told) return 0;
  told = true;
  for (int i = 0; i < DEVICES; i++) events[i] = (struct epoll_event){.events = EPOLLIN, .data.fd = accepted[i]};
  return DEVICES;
}

ssize_t read(int fd, void *bytes, size_t room) {
  int device = replaying ? device_of(fd) : -1;
  if (device < 0) return syscall(SYS_read, fd, bytes, room);
  memcpy(bytes, reports[turn_of][device], REPORT_BYTES);
  return report_bytes[turn_of][device];
}

ssize_t write(int fd, const void *bytes, size_t len) {
  return replaying && device_of(fd) >= 0 ? (ssize_t)len : syscall(SYS_write, fd, bytes, len);
}

int clock_gettime(clockid_t id, struct timespec *out) {
  int64_t now_ns = clock_ns + (id == CLOCK_REALTIME ? NOW_S * INT64_C(1000000000) : 0);
  *out = (struct timespec){now_ns / 1000000000, now_ns % 1000000000};
  return 0;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
  (void)wanted;
  (void)left;
  return 0;  // rounds are ours
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

// ---- a publisher that has published as soon as the round is over ----

struct publisher {
  struct publish_events events;
  struct publish_work *work;
  uint64_t live_batches, log_batches;
};

static struct publisher publisher;

struct publisher *publisher_start(uv_loop_t *of, const struct publish_config *config,
                                  const struct publish_events *events, struct metrics *registry,
                                  const char **out_fault) {
  (void)of;
  (void)config;
  (void)registry;
  (void)out_fault;
  publisher.events = *events;
  return &publisher;
}

void publisher_submit(struct publisher *p, struct publish_work *work) {
  p->work = work;
}

static void publish(void) {
  struct publish_work *work = publisher.work;
  uint64_t stored[PUBLISH_MAX_LOGS];
  if (!work) return;
  size_t count = work->log_count;
  publisher.work = NULL;
  for (const struct live_batch *batch = work->live; batch; batch = batch->next) publisher.live_batches++;
  for (size_t i = 0; i < count; i++) stored[i] = work->logs[i]->number;
  publisher.log_batches += count;
  publisher.events.done(publisher.events.context, work);
  for (size_t i = 0; i < count; i++) publisher.events.log_stored(publisher.events.context, stored[i], NULL);
}

bool publisher_ready(const struct publisher *p) {
  return p != NULL;
}

void publisher_finish(struct publisher *p) {
  (void)p;
}

void publisher_say(struct publisher *p, const struct buffer *replica) {
  (void)p;
  (void)replica;
}

void publisher_stop(struct publisher *p) {
  (void)p;
}

void publisher_free(struct publisher *p) {
  (void)p;
}

// ---- the tracker ----

static void on_durable(void *context, struct batch_waiter waiter) {
  (void)context;
  server_durable(server, waiter);
}

static void on_pressure(void *context, bool on) {
  (void)context;
  server_pressure(server, on);
}

static void on_describe(void *context, uint32_t *out_connections, bool *out_recorder) {
  (void)context;
  *out_connections = server_connections(server);
  *out_recorder = false;
}

static void fail(const char *what) {
  fprintf(stderr, "positions: %s\n", what);
  exit(1);
}

static void start_tracker(void) {
  const char *fault = NULL;
  char key_fault[TOKEN_KEYS_FAULT_BYTES];
  static struct token_guard guard;
  guard = (struct token_guard){token_keys_new(KEY, "", key_fault), revoked_new()};
  if (!guard.keys) fail(key_fault);
  revoked_set_known(guard.revoked);
  metrics = metrics_new();
  static const struct peers peers;  // no edge
  struct server_config config = {.host = "127.0.0.1",
                                 .peers = &peers,
                                 .guard = &guard,
                                 .idle_timeout_ms = 60000,
                                 .hello_timeout_ms = 10000,
                                 .ack_delay_ms = 8000,
                                 .ack_reports = ACK_REPORTS,
                                 .limits = {.device_positions = rate_limit_make(100, 100000),  // the defaults
                                            .device_bytes = rate_limit_make(65536, 1 << 24)},
                                 .max_connections = DEVICES};
  struct intake_config intake_config = {.publish = {.id = "tracker-1", .started_at_us = clock_wall_us()},
                                        .log_interval_ms = LOG_INTERVAL_MS,
                                        .backlog_bytes = 1 << 24};
  struct intake_events events = {NULL, on_durable, on_pressure, on_describe};
  if (uv_loop_init(&loop)) fail("no loop");
  server = server_new(&loop, &config, metrics, &fault);
  if (!server) fail(fault);
  intake = intake_new(&loop, &intake_config, &events, metrics, &fault);
  server_use_intake(server, intake);
}

// A round: all that has come is taken in, handed over and published.
static void turn(void) {
  told = false;
  clock_ns += ROUND_NS;
  uv_run(&loop, UV_RUN_NOWAIT);
  publish();
}

// ---- the devices ----

static void say_hello(int fd, int device) {
  char worker[32], team[32];
  const char *teams[] = {team};
  uint8_t hello[1024], message[1100], *to = hello;
  snprintf(worker, sizeof worker, "team-%d-walk-%04d", device, device);
  snprintf(team, sizeof team, "team-%d", device);
  char *token = token_mint(KEY, worker, TOKEN_WORKER, teams, 1, NOW_S, NOW_S + 3600);
  if (!token) fail("no token");
  to = wire_put_bytes(to, 1, token, strlen(token));  // Hello of proto/device.proto
  to = wire_put_uint(to, 2, 1);
  size_t len = (size_t)(to - hello);
  uint8_t body[1060], *end = wire_put_bytes(body, 1, hello, len);
  to = frame_put_header(message, (size_t)(end - body));
  memcpy(to, body, (size_t)(end - body));
  size_t all = (size_t)(to - message + (end - body));
  if (write(fd, message, all) != (ssize_t)all) fail("a device cannot send");
  free(token);
}

static void make_report(unsigned round, unsigned device) {
  struct position position = {.taken_at_us = NOW_S * INT64_C(1000000) + round * INT64_C(4000) + device,
                              .latitude_e7 = 473768812 + (int32_t)round,
                              .longitude_e7 = 85417231 + (int32_t)device,
                              .speed_cm_s = 140,
                              .heading_cdeg = 11400,
                              .accuracy_cm = 800,
                              .battery_percent = 87,
                              .has = POSITION_HAS_ALL_REQUIRED | POSITION_HAS_SPEED | POSITION_HAS_HEADING |
                                     POSITION_HAS_ACCURACY | POSITION_HAS_BATTERY};
  uint8_t body[POSITION_WIRE_BYTES], report[POSITION_WIRE_BYTES + 16], message[REPORT_BYTES * 2];
  uint8_t *end = position_encode(body, &position);
  uint8_t *to = wire_put_uint(report, 1, round + 1);
  to = wire_put_bytes(to, 2, body, (size_t)(end - body));
  uint8_t *last = wire_put_bytes(message, 2, report, (size_t)(to - report));
  size_t len = (size_t)(last - message);
  if (len + 1 > REPORT_BYTES || len > 127) fail("a report is longer than planned");
  memcpy(frame_put_header(reports[round][device], len), message, len);
  report_bytes[round][device] = (uint8_t)(len + 1);
}

static void connect_devices(void) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)server_port(server)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int i = 0; i < DEVICES; i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("a device cannot connect");
    say_hello(fd, i);
    uint8_t welcome[256];
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, 1) == 0) turn();
    if (read(fd, welcome, sizeof welcome) <= 0) fail("a device is not welcome");
  }
}

static uint64_t taken_in(void) {
  struct buffer page = {0};
  metrics_render(metrics, &page);
  buffer_append(&page, (const uint8_t *)"", 1);
  const char *line = strstr((const char *)page.data, "\nmuster_tracker_positions_total ");
  return line ? strtoull(strchr(line, ' '), NULL, 10) : 0;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  unsigned rounds = (unsigned)strtoul(argv[1], NULL, 10);
  if (rounds > ROUNDS_MAX) return 2;
  clock_ns = 1000000000;
  log_setup("positions", "positions", LOG_WARN);
  start_tracker();
  connect_devices();
  for (unsigned round = 0; round < ROUNDS_MAX; round++) {
    for (unsigned i = 0; i < DEVICES; i++) make_report(round, i);
  }
  replaying = true;
  for (turn_of = 0; turn_of < rounds; turn_of++) turn();
  replaying = false;
  printf("{\"positions\": %" PRIu64 ", \"live\": %" PRIu64 ", \"log\": %" PRIu64 ", \"allocations\": %" PRIu64 "}\n",
         taken_in(), publisher.live_batches, publisher.log_batches, allocations);
  fflush(stdout);
  _Exit(0);  // what ends is not measured
}

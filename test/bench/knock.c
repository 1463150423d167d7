// Devices that connect, say Hello, and then nothing: `knock PORT COUNT TEAMS SOURCE RATE FIRST`. "go" on its standard
// input lets COUNT of them connect from 127.0.SOURCE.1, RATE a second, or with 0 all at once; their tokens are made
// before that. Once all are welcomed it says {"said": "all", "ms": …, "p50_ms": …, "failures": …}: since "go" (or, of
// each connection, since its own turn), and how many were not let in. The connections stay until standard input ends.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "device.pb-c.h"
#include "frame.h"
#include "hist.h"
#include "token.h"

#define EVENTS 256
#define WELCOME_TAG 0x0a  // field 1, with a length

struct device {
  int fd;
  bool said_hello, done;
  int64_t began_us;
  size_t hello_len;
  uint8_t *hello;
};

static struct {
  int epoll, port, source;
  uint32_t count, teams, rate, first;
  uint32_t begun, welcomed, failures;
  struct device *devices;
  struct hist waits;
} knock;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// ---- before ----

static void make_hello(uint32_t index) {
  struct device *device = &knock.devices[index];
  char team[32], worker[32];
  snprintf(team, sizeof team, "crowd-%u", 1 + index % knock.teams);
  snprintf(worker, sizeof worker, "knock-%u", knock.first + index);
  const char *const teams[] = {team};
  int64_t now_s = clock_wall_us() / 1000000;
  char *token = token_mint(getenv("MUSTER_TOKEN_KEY"), worker, TOKEN_WORKER, teams, 1, now_s, now_s + 3600);
  if (!token) fail("token");
  Muster__Hello hello = MUSTER__HELLO__INIT;
  hello.token = token;
  hello.has_protocol = true;
  hello.protocol = 1;
  hello.agent = "knock";
  Muster__DeviceMessage message = MUSTER__DEVICE_MESSAGE__INIT;
  message.body_case = MUSTER__DEVICE_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  size_t len = muster__device_message__get_packed_size(&message);
  device->hello = malloc(len + FRAME_HEADER_BYTES);
  if (!device->hello) fail("malloc");
  uint8_t *body = frame_put_header(device->hello, len);
  device->hello_len = (size_t)(body - device->hello) + len;
  muster__device_message__pack(&message, body);
  free(token);
}

static void prepare(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
  knock.devices = calloc(knock.count, sizeof *knock.devices);
  knock.epoll = epoll_create1(0);
  if (!knock.devices || knock.epoll < 0) fail("epoll");
  for (uint32_t i = 0; i < knock.count; i++) make_hello(i);
}

// ---- knocking ----

static void begin(uint32_t index) {
  struct device *device = &knock.devices[index];
  struct sockaddr_in from = {.sin_family = AF_INET},
                     to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)knock.port)};
  from.sin_addr.s_addr = htonl(0x7f000001u | (uint32_t)knock.source << 8);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  device->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  if (device->fd < 0 || setsockopt(device->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) ||
      bind(device->fd, (struct sockaddr *)&from, sizeof from)) {
    fail("socket");
  }
  if (connect(device->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
  struct epoll_event event = {.events = EPOLLOUT, .data.u32 = index};
  if (epoll_ctl(knock.epoll, EPOLL_CTL_ADD, device->fd, &event)) fail("epoll_ctl");
  device->began_us = clock_mono_us();
}

static void finish(struct device *device, bool welcomed) {
  device->done = true;
  epoll_ctl(knock.epoll, EPOLL_CTL_DEL, device->fd, NULL);
  hist_record(&knock.waits, clock_mono_us() - device->began_us);
  welcomed ? knock.welcomed++ : knock.failures++;
}

static void on_event(uint32_t index) {
  struct device *device = &knock.devices[index];
  uint8_t answer[256];
  if (!device->said_hello) {
    device->said_hello = true;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(knock.epoll, EPOLL_CTL_MOD, device->fd, &event);
    if (send(device->fd, device->hello, device->hello_len, MSG_NOSIGNAL) != (ssize_t)device->hello_len) {
      finish(device, false);
    }
    return;
  }
  ssize_t len = recv(device->fd, answer, sizeof answer, 0);
  if (len < 0 && errno == EAGAIN) return;
  struct frame frame;
  finish(device, len > 0 && frame_next(answer, (size_t)len, &frame) == FRAME_OK && frame.body[0] == WELCOME_TAG);
}

static void go(void) {
  int64_t start_us = clock_mono_us();
  while (knock.welcomed + knock.failures < knock.count) {
    int64_t passed_us = clock_mono_us() - start_us;
    while (knock.begun < knock.count && (!knock.rate || knock.begun * INT64_C(1000000) / knock.rate <= passed_us)) {
      begin(knock.begun++);
    }
    struct epoll_event events[EVENTS];
    int count = epoll_wait(knock.epoll, events, EVENTS, 1);
    for (int i = 0; i < count; i++) on_event(events[i].data.u32);
  }
  printf("{\"said\": \"all\", \"ms\": %.1f, \"p50_ms\": %.1f, \"failures\": %u}\n",
         (double)(clock_mono_us() - start_us) / 1000, (double)hist_percentile_us(&knock.waits, 50) / 1000,
         knock.failures);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 7 || !getenv("MUSTER_TOKEN_KEY")) {
    fprintf(stderr, "usage: MUSTER_TOKEN_KEY=… knock PORT COUNT TEAMS SOURCE RATE FIRST\n");
    return 2;
  }
  knock.port = atoi(argv[1]);
  knock.count = (uint32_t)atoi(argv[2]);
  knock.teams = (uint32_t)atoi(argv[3]);
  knock.source = atoi(argv[4]);
  knock.rate = (uint32_t)atoi(argv[5]);
  knock.first = (uint32_t)atoi(argv[6]);
  prepare();
  printf("{\"said\": \"ready\"}\n");
  fflush(stdout);
  char line[16];
  while (fgets(line, sizeof line, stdin)) go();
  return 0;
}

// The floor of taking positions in: epoll, one recv() per readable socket, walk the length prefixes, nothing else.
//
//   sink PORT
//
// It stands in for a tracker: it welcomes whoever says anything, and acks every 16th message, as trackers coalesce
// acks. Every line on standard input is answered with what has come so far: {"messages": N, "bytes": N}. It goes on
// until standard input ends.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 60000
#define EVENTS 1024  // as libuv takes at once
#define ACK_EVERY 16

static struct {
  uint32_t messages;
  uint32_t left;  // bytes of a message that has come in part
} peers[SOCKETS_MAX + 64];

static struct { uint64_t messages, bytes; } taken;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void say_ack(int fd, uint32_t report) {
  uint8_t ack[8] = {0, 0x12, 0, 8};
  size_t len = 4;
  for (; report >= 128; report >>= 7) ack[len++] = (uint8_t)(report | 128);
  ack[len++] = (uint8_t)report;
  ack[0] = (uint8_t)(len - 1);
  ack[2] = (uint8_t)(len - 3);
  if (send(fd, ack, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN) close(fd);
}

static void take(int fd, const uint8_t *bytes, size_t len) {
  static const uint8_t welcome[] = {2, 0x0a, 0};
  taken.bytes += len;
  for (size_t at = 0; at < len;) {
    if (peers[fd].left == 0) {
      uint32_t size = 0, shift = 0;
      do size |= (bytes[at] & 127u) << shift, shift += 7;
      while (bytes[at++] & 128 && at < len);  // a length is never cut here: messages come whole
      peers[fd].left = size;
    }
    size_t part = len - at < peers[fd].left ? len - at : peers[fd].left;
    at += part;
    peers[fd].left -= (uint32_t)part;
    if (peers[fd].left > 0) continue;
    uint32_t count = peers[fd].messages++;
    taken.messages++;
    if (count == 0 && send(fd, welcome, sizeof welcome, MSG_NOSIGNAL) < 0) return;
    if (count && count % ACK_EVERY == 0) say_ack(fd, count);
  }
}

static void add(int epoll_fd, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void accept_all(int epoll_fd, int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
    memset(&peers[fd], 0, sizeof peers[fd]);
    add(epoll_fd, fd);
  }
}

static void receive(int fd) {
  static uint8_t bytes[65536];
  ssize_t len = recv(fd, bytes, sizeof bytes, 0);
  if (len > 0) {
    take(fd, bytes, (size_t)len);
  } else if (len == 0 || errno != EAGAIN) {
    close(fd);
  }
}

static void answer(void) {
  char line[16];
  if (read(STDIN_FILENO, line, sizeof line) <= 0) exit(0);
  printf("{\"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", taken.messages, taken.bytes);
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct rlimit files;
  if (argc != 2) return 2;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) fail("sink");
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) fail("sink");
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  add(epoll_fd, listener);
  add(epoll_fd, STDIN_FILENO);
  for (;;) {
    static struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        accept_all(epoll_fd, listener);
      } else if (fd == STDIN_FILENO) {
        answer();
      } else {
        receive(fd);
      }
    }
  }
}

// The floor of making load, and what takes it. `spray sink PORT` stands in for a tracker: it welcomes whoever says
// anything, counts messages, and acks every 16th, as trackers coalesce acks. Every line on its standard input it
// answers with what has come so far: {"messages": N, "bytes": N}. `spray send PORT SOCKETS PER_SECOND BYTES` sends a
// prebuilt message of that length from each socket in turn, one send() each, at that rate in all, and nothing else:
// what comes back stays in the kernel. Both go on until standard input ends.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
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

#define SOCKETS_MAX 60000
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

static bool is_input_over(void) {
  char line[16];
  if (poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, 0) <= 0) return false;
  if (read(STDIN_FILENO, line, sizeof line) <= 0) return true;
  printf("{\"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", taken.messages, taken.bytes);
  fflush(stdout);
  return false;
}

// ---- sink ----

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

static int sink(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) fail("sink");
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) fail("sink");
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event events[64], event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  while (!is_input_over()) {
    int count = epoll_wait(epoll_fd, events, 64, 100);
    for (int i = 0; i < count; i++) {
      static uint8_t bytes[65536];
      int fd = events[i].data.fd;
      if (fd == listener) {
        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
          memset(&peers[fd], 0, sizeof peers[fd]);
          event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
          epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
        }
        continue;
      }
      ssize_t len = recv(fd, bytes, sizeof bytes, 0);
      if (len > 0) {
        take(fd, bytes, (size_t)len);
      } else if (len == 0 || errno != EAGAIN) {
        close(fd);
      }
    }
  }
  return 0;
}

// ---- send ----

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int connected(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static int spray(uint16_t port, int count, int64_t per_second, size_t bytes) {
  static int fds[SOCKETS_MAX];
  char message[128] = {(char)(bytes - 1)};
  for (int i = 0; i < count; i++) {
    fds[i] = connected(port);
    if (send(fds[i], message, bytes, MSG_NOSIGNAL) < 0) fail("send");
  }
  puts("{\"said\": \"sending\"}");
  fflush(stdout);
  int64_t start_ns = now_ns(), sent = 0;
  while (!is_input_over()) {
    int64_t due = (now_ns() - start_ns) * per_second / 1000000000;
    for (; sent < due; sent++) {
      if (send(fds[sent % count], message, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) fail("send");
    }
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  return 0;
}

int main(int argc, char **argv) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);
  if (argc == 3 && strcmp(argv[1], "sink") == 0) return sink((uint16_t)atoi(argv[2]));
  int count = argc == 6 ? atoi(argv[3]) : 0, bytes = argc == 6 ? atoi(argv[5]) : 0;
  if (count < 1 || count > SOCKETS_MAX || bytes < 2 || bytes > 128) return 2;
  return spray((uint16_t)atoi(argv[2]), count, atoll(argv[4]), (size_t)bytes);
}

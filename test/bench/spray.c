// The floor of making load: a prebuilt message from each socket in turn, one send() each, and nothing else; what comes
// back stays in the kernel.
//
//   spray PORT SOCKETS PER_SECOND BYTES      (messages a second in all; bytes of a message)
//
// It goes on until standard input ends.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS_MAX 60000

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static bool is_input_over(void) {
  char byte;
  return poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

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
  int count = argc == 5 ? atoi(argv[2]) : 0, bytes = argc == 5 ? atoi(argv[4]) : 0;
  if (count < 1 || count > SOCKETS_MAX || bytes < 2 || bytes > 128) return 2;
  return spray((uint16_t)atoi(argv[1]), count, atoll(argv[3]), (size_t)bytes);
}

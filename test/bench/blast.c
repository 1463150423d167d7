// The floor of sending: one send() of a prebuilt frame per socket, and nothing else. It plays a trace: frames that a
// gateway sent, each with its team and time. To a viewer it looks like that gateway: it answers the request for a
// stream with the same head, then sends the team's first frame; the rest begins, for all, with the line "go" on
// standard input. At its end it says how many frames that were, and how often it had to wait for a socket.
//
// A trace is a list of { uint32 team; int32 at_us; uint32 len; } and len bytes; at_us < 0: a team's first frame.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEAMS_MAX 1024
#define FILES_MAX 65536
#define SEND_BUFFER_BYTES (128 * 1024)  // as the gateway sets its viewers' sockets up
#define NOTSENT_BYTES (64 * 1024)

struct entry {
  uint32_t team;
  int32_t at_us;
  uint32_t len;
  char bytes[];
};

struct group {
  int *sockets;
  size_t count, capacity;
  const struct entry *first;
};

static const char *trace, *trace_end;
static struct group groups[TEAMS_MAX];
static uint64_t frames, waits;  // since "go"; waits: for a socket that did not take a frame whole

static const struct entry *next_entry(const struct entry *entry) {
  const char *next = entry->bytes + ((entry->len + 3) & ~3U);
  return next < trace_end ? (const struct entry *)(const void *)next : NULL;
}

static void load(const char *path) {
  struct stat stat;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat) < 0) exit(1);
  trace = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (trace == MAP_FAILED) exit(1);
  trace_end = trace + stat.st_size;
  for (const struct entry *e = (const void *)trace; e && e->at_us < 0; e = next_entry(e)) groups[e->team].first = e;
}

static void send_frame(int fd, const char *bytes, size_t len) {
  ssize_t sent = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  frames++;
  while (sent != (ssize_t)len) {
    if (sent < 0 && errno != EAGAIN) return;  // gone
    if (sent > 0) {
      bytes += sent;
      len -= (size_t)sent;
    }
    waits++;
    poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
    sent = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

static void play(void) {
  struct timespec now;
  frames = waits = 0;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t start_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
  for (const struct entry *e = (const void *)trace; e; e = next_entry(e)) {
    if (e->at_us < 0) continue;
    int64_t at_ns = start_ns + e->at_us * 1000LL;
    struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) continue;
    const struct group *group = &groups[e->team];
    for (size_t i = 0; i < group->count; i++) send_frame(group->sockets[i], e->bytes, e->len);
  }
}

static void set_up(int fd) {
  int one = 1, buffer = SEND_BUFFER_BYTES, unsent = NOTSENT_BYTES;
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// Answers "GET /api/v1/teams/team-N/stream …", which comes in one piece.
static void take_request(int epoll_fd, int fd) {
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1000\n\n";
  char text[2048];
  unsigned team;
  ssize_t len = recv(fd, text, sizeof text - 1, 0);
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
  text[len > 0 ? len : 0] = '\0';
  if (sscanf(text, "GET /api/v1/teams/team-%u/stream", &team) != 1 || team == 0 || team > TEAMS_MAX) {
    close(fd);
    return;
  }
  struct group *group = &groups[team - 1];
  set_up(fd);
  send_frame(fd, head, sizeof head - 1);
  if (group->first) send_frame(fd, group->first->bytes, group->first->len);
  if (group->count == group->capacity) {
    group->capacity = group->capacity ? 2 * group->capacity : 64;
    group->sockets = realloc(group->sockets, group->capacity * sizeof *group->sockets);
    if (!group->sockets) abort();
  }
  group->sockets[group->count++] = fd;
}

static int listen_at(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  address.sin_port = htons(port);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
    perror("blast: listen");
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  struct rlimit files = {FILES_MAX, FILES_MAX};
  if (argc != 3) return 2;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);
  load(argv[2]);
  int listener = listen_at((uint16_t)atoi(argv[1])), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  event.data.fd = STDIN_FILENO;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  while (epoll_wait(epoll_fd, &event, 1, -1) == 1 || errno == EINTR) {
    char line[16];
    if (event.data.fd == STDIN_FILENO) {
      if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
      play();
      printf("{\"frames\": %" PRIu64 ", \"waits\": %" PRIu64 "}\n", frames, waits);
      fflush(stdout);
    } else if (event.data.fd == listener) {
      struct epoll_event request = {.events = EPOLLIN, .data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
      if (request.data.fd >= 0) epoll_ctl(epoll_fd, EPOLL_CTL_ADD, request.data.fd, &request);
    } else {
      take_request(epoll_fd, event.data.fd);
    }
  }
  return 1;
}

// CivetWeb's own descriptors stay low, because ours go above HANDOFF_BASE: so the search for one of them stays short.
#include "handoff.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "server.h"

#define HANDOFF_BASE 512
#define FILES_MIN 1024
#define TEST_TIMEOUT_S 3

bool handoff_prepare(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < FILES_MIN) {
    log_error("too_few_files", "limit=%" PRIu64 " needed=%d hint=\"raise ulimit -n\"", (uint64_t)limit.rlim_cur,
              FILES_MIN);
    return false;
  }
  log_info("file_limit", "files=%" PRIu64, (uint64_t)limit.rlim_cur);
  return true;
}

static bool is_connection(int fd, const struct mg_request_info *info, const struct in_addr *remote) {
  struct sockaddr_in address;
  socklen_t len = sizeof address;
  if (getpeername(fd, (struct sockaddr *)&address, &len) < 0 || address.sin_family != AF_INET ||
      ntohs(address.sin_port) != info->remote_port || address.sin_addr.s_addr != remote->s_addr) {
    return false;
  }
  len = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &len) == 0 && ntohs(address.sin_port) == info->server_port;
}

static int find_descriptor(const struct mg_request_info *info) {
  struct in_addr remote;
  if (inet_pton(AF_INET, info->remote_addr, &remote) == 1) {
    for (int fd = 3; fd < HANDOFF_BASE; fd++) {
      if (is_connection(fd, info, &remote)) return fd;
    }
  }
  errno = ENOTSOCK;
  return -1;
}

int handoff_detach(void *connection) {
  int fd = find_descriptor(mg_get_request_info(connection));
  if (fd < 0) return -1;
  int mine = fcntl(fd, F_DUPFD_CLOEXEC, HANDOFF_BASE);
  if (mine < 0) return -1;
  int dummy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int swapped = dummy < 0 ? -1 : dup3(dummy, fd, O_CLOEXEC);
  int error = errno;
  if (dummy >= 0) close(dummy);
  if (swapped < 0 || fcntl(mine, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
    close(mine);
    errno = error;
    return -1;
  }
  mg_disable_connection_keep_alive(connection);
  return mine;
}

// ---- the self-test ----

struct test {
  sem_t closed;  // CivetWeb is done with the connection
  int fd;        // what was handed over
  int client;
};

static int on_test_request(struct mg_connection *connection) {
  struct test *test = mg_get_request_info(connection)->user_data;
  test->fd = handoff_detach(connection);
  return 200;
}

static void on_test_closed(const struct mg_connection *connection) {
  struct test *test = mg_get_user_data(mg_get_context(connection));
  sem_post(&test->closed);
}

static bool connect_client(struct test *test, const struct mg_context *context) {
  static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  struct mg_server_port port;
  if (mg_get_server_ports(context, 1, &port) < 1) return false;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct timeval timeout = {.tv_sec = TEST_TIMEOUT_S};
  test->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return test->client >= 0 && setsockopt(test->client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
         connect(test->client, (struct sockaddr *)&address, sizeof address) == 0 &&
         send(test->client, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1;
}

static bool passes(const struct test *test, const char *text) {
  char got[16];
  ssize_t len = (ssize_t)strlen(text);
  return send(test->fd, text, (size_t)len, MSG_NOSIGNAL) == len && recv(test->client, got, sizeof got, 0) == len &&
         memcmp(got, text, (size_t)len) == 0;
}

// The socket must carry ours and nothing else, after CivetWeb has closed what it thinks is the connection, and after
// CivetWeb is gone altogether.
static const char *run_test(struct test *test, struct mg_context **context) {
  struct timespec until;
  char end;
  if (!*context) return "the test server does not start";
  if (!connect_client(test, *context)) return "the test server cannot be reached";
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += TEST_TIMEOUT_S;
  if (sem_timedwait(&test->closed, &until) < 0) return "CivetWeb does not let go of the connection";
  if (test->fd < HANDOFF_BASE) return "the socket was not found";
  if (!passes(test, "first")) return "the socket does not survive CivetWeb's closing";
  server_end(*context, "127.0.0.1");
  *context = NULL;
  if (!passes(test, "second")) return "the socket does not survive CivetWeb's end";
  close(test->fd);
  test->fd = -1;
  return recv(test->client, &end, 1, 0) == 0 ? NULL : "the socket is still held after its close";
}

bool handoff_self_test(void) {
  const char *options[] = {"listening_ports", "127.0.0.1:0", "num_threads", "1", "enable_keep_alive", "no", NULL};
  struct mg_callbacks callbacks = {.begin_request = on_test_request, .connection_closed = on_test_closed};
  struct test test = {.fd = -1, .client = -1};
  sem_init(&test.closed, 0, 0);
  struct mg_context *context = mg_start(&callbacks, &test, options);
  const char *fault = run_test(&test, &context);
  if (context) server_end(context, "127.0.0.1");
  if (test.fd >= 0) close(test.fd);
  if (test.client >= 0) close(test.client);
  sem_destroy(&test.closed);
  if (fault) log_error("handoff_self_test_failed", "fault=\"%s\" civetweb=%s", fault, mg_version());
  return !fault;
}

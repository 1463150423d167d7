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
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "server.h"
#include "tcp_count.h"

#define HANDOFF_BASE 512
#define FILES_MIN 1024
#define FILES_MOST 1048576u
#define SPARE_FILES 64u  // tracks are handed over, too
#define HEADERS_MOST 64  // CivetWeb's MG_MAX_HEADERS
#define SLOTS_MAX 64
#define LEARNING ((const void *)1)
#define DESCRIPTORS_LOOKED_AT 64  // CivetWeb's listening socket is among the first that the program opens
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

unsigned handoff_capacity(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  return (unsigned)(limit.rlim_cur < FILES_MOST ? limit.rlim_cur : FILES_MOST) - HANDOFF_BASE - SPARE_FILES;
}

// Urgent data is in the kernel's count, but no read gives it unless it is asked for as plain data. What is accepted
// inherits that.
void handoff_listening(void) {
  int on = 1;
  for (int fd = 3; fd < DESCRIPTORS_LOOKED_AT; fd++) {
    int listens = 0;
    socklen_t len = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens) continue;
    (void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  }
}

// ---- connections ----

// CivetWeb's user data of a connection.
struct link {
  unsigned requests;  // so far, with the one that is handled now
  uint64_t bytes;     // of their heads
  const char *end;    // of this one's head, in CivetWeb's buffer; NULL if that is not known
};

// A connection is a slot of CivetWeb's, and each slot has its buffer. Written while the server starts, then only read.
static struct {
  _Atomic(const void *) connection;
  const char *buffer;
} slots[SLOTS_MAX];

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
  return -1;
}

// CivetWeb has cut the head into strings in place: the two bytes of the last line's end, and the very last byte of the
// head, are NUL now. So behind the last value is NUL NUL CR NUL. (A head with bare line feeds is NUL NUL and then what
// follows; its end cannot be told, and it is not needed.) With more headers than it keeps, the rest is not cut.
static const char *end_of_head(const struct mg_request_info *info) {
  if (info->num_headers < 1 || info->num_headers >= HEADERS_MOST) return NULL;
  const char *value = info->http_headers[info->num_headers - 1].value, *at = value + strlen(value);
  return at[1] == '\0' && at[2] == '\r' && at[3] == '\0' ? at + 4 : NULL;
}

void handoff_request(void *connection) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  struct link *link = info->conn_data;
  if (!link) {
    link = calloc(1, sizeof *link);
    if (!link) abort();
    mg_set_user_connection_data(connection, link);
  }
  link->requests++;
  link->end = end_of_head(info);
  if (link->end) link->bytes += (uint64_t)(link->end - info->request_method);
}

void handoff_close(const void *connection) {
  free(mg_get_user_connection_data(connection));
}

void handoff_learn(void *connection) {
  for (size_t i = 0; i < SLOTS_MAX; i++) {
    const void *free_slot = NULL;
    if (slots[i].connection == connection) return;
    if (slots[i].connection) continue;
    if (!atomic_compare_exchange_strong(&slots[i].connection, &free_slot, LEARNING)) continue;
    slots[i].buffer = mg_get_request_info(connection)->request_method;
    slots[i].connection = connection;
    return;
  }
}

static bool begins_its_buffer(const void *connection) {
  for (size_t i = 0; i < SLOTS_MAX && slots[i].connection; i++) {
    if (slots[i].connection == connection) {
      return slots[i].buffer == mg_get_request_info(connection)->request_method;
    }
  }
  return false;
}

// ---- handing over ----

bool handoff_early(void *connection, void **out_bytes, size_t *out_len) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  const struct link *link = mg_get_user_connection_data(connection);
  uint64_t read;
  *out_bytes = NULL;
  *out_len = 0;
  if (!link || !link->end || !tcp_count_read(find_descriptor(info), &read) || read < link->bytes) return false;
  size_t len = (size_t)(read - link->bytes);
  if (len == 0) return true;
  if (link->requests != 1 || !begins_its_buffer(connection)) return false;
  *out_bytes = malloc(len);
  if (!*out_bytes) abort();
  memcpy(*out_bytes, link->end, len);
  *out_len = len;
  return true;
}

int handoff_detach(void *connection) {
  int fd = find_descriptor(mg_get_request_info(connection));
  if (fd < 0) {
    errno = ENOTSOCK;
    return -1;
  }
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

// The client sends this behind its request at once.
static const char early_text[] = "early";

struct test {
  sem_t closed;  // CivetWeb is done with the connection
  int fd;        // what was handed over
  bool early;    // and with it, exactly what was sent early
  int client;
};

static int on_test_request(struct mg_connection *connection) {
  struct test *test = mg_get_request_info(connection)->user_data;
  void *early;
  size_t len;
  handoff_request(connection);
  handoff_learn(connection);
  test->early =
      handoff_early(connection, &early, &len) && len == sizeof early_text - 1 && memcmp(early, early_text, len) == 0;
  free(early);
  test->fd = handoff_detach(connection);
  return 200;
}

static void on_test_closed(const struct mg_connection *connection) {
  struct test *test = mg_get_user_data(mg_get_context(connection));
  sem_post(&test->closed);
}

static void on_test_close(const struct mg_connection *connection) {
  handoff_close(connection);
}

static bool connect_client(struct test *test, const struct mg_context *context) {
  static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nearly";
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
  if (!test->early) return "what the client sent behind its request was not found";
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
  struct mg_callbacks callbacks = {
      .begin_request = on_test_request, .connection_close = on_test_close, .connection_closed = on_test_closed};
  struct test test = {.fd = -1, .client = -1};
  sem_init(&test.closed, 0, 0);
  struct mg_context *context = mg_start(&callbacks, &test, options);
  handoff_listening();
  const char *fault = run_test(&test, &context);
  if (context) server_end(context, "127.0.0.1");
  if (test.fd >= 0) close(test.fd);
  if (test.client >= 0) close(test.client);
  sem_destroy(&test.closed);
  memset(slots, 0, sizeof slots);  // that server is no more
  if (fault) log_error("handoff_self_test_failed", "fault=\"%s\" civetweb=%s", fault, mg_version());
  return !fault;
}

// Guests are in one list for each thing that they can wait for, the oldest first, and every list has one time limit: so
// those who have waited too long are at the front. A guest that goes is freed only at the end of a turn, because the
// events at hand may still name it.
#include "door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"
#include "clock.h"
#include "config.h"
#include "head.h"
#include "jitter.h"
#include "log.h"
#include "safe_headers.h"

#define BACKLOG 4096      // clients that the kernel keeps until we accept them; a storm fits in
#define DEFER_ACCEPT_S 1  // a client that says nothing is not accepted for so long
#define ACCEPTS_AT_ONCE 64
#define EVENTS 256
#define LINGER_MS 1000
#define STOP_MS 1000  // what stopping leaves to those who still take an answer
#define NO_FILES_PAUSE_MS 20

enum source { SOURCE_LISTENER, SOURCE_WAKE, SOURCE_GUEST, SOURCE_CARRIER };

struct door {
  struct door_options options;
  pthread_t thread;
  bool threaded;
  _Atomic bool stopping;
  bool closed;  // accepts no more
  int listen_fd, epoll_fd;
  uint8_t listener, wake;  // sources, for epoll
  struct carriers carriers;
  struct guest_list lists[GUEST_LISTS];
  struct guest *gone;
  uint8_t bytes[HEAD_MAX_BYTES];
};

static const struct refusal {
  int status;
  const char *reason, *code, *message;
} refusals[DOOR_REFUSALS] = {
    [DOOR_BAD] = {400, "Bad Request", "bad_request", "this is no HTTP request, or its head is longer than 16 KiB"},
    [DOOR_SLOW] = {408, "Request Timeout", "too_slow", "the head of the request did not come in time"},
    [DOOR_CROWDED] = {503, "Service Unavailable", "crowded", "too many connections wait here"},
    [DOOR_BUSY] = {503, "Service Unavailable", "busy", "no thread was free for this request"},
};

// ---- guests ----

static size_t guests(const struct door *door) {
  size_t count = 0;
  for (int i = 0; i < GUEST_LISTS; i++) count += door->lists[i].count;
  return count;
}

static unsigned patience_ms(const struct door *door, enum guest_state state) {
  if (state == GUEST_LEAVING) return LINGER_MS;
  return door->stopping && state == GUEST_WRITING ? STOP_MS : door->options.patience_ms;
}

static void move(struct door *door, struct guest *guest, enum guest_state state) {
  if (guest->state < GUEST_LISTS) guest_exit(&door->lists[guest->state], guest);
  guest->state = (uint8_t)state;
  if (state >= GUEST_LISTS) return;
  guest->deadline_us = clock_mono_us() + patience_ms(door, state) * 1000LL;
  guest_enter(&door->lists[state], guest);
}

static void forget(struct door *door, struct guest *guest) {
  move(door, guest, GUEST_GONE);
  if (guest->fd >= 0) close(guest->fd);
  guest->fd = -1;
  guest->next = door->gone;
  door->gone = guest;
}

static void bury(struct door *door) {
  for (struct guest *guest = door->gone, *next; guest; guest = next) {
    next = guest->next;
    guest_free(guest);
  }
  door->gone = NULL;
  metric_set(door->options.metrics->connections, (int64_t)guests(door));
}

static void unwatch(struct door *door, struct guest *guest) {
  if (guest->watched) (void)epoll_ctl(door->epoll_fd, EPOLL_CTL_DEL, guest->fd, NULL);
  guest->watched = false;
}

static void watch(struct door *door, struct guest *guest, uint32_t events) {
  struct epoll_event event = {.events = events | EPOLLRDHUP, .data.ptr = &guest->source};
  // Both tell at once what is there already.
  int done = epoll_ctl(door->epoll_fd, guest->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, guest->fd, &event);
  guest->watched = done == 0;
  if (done < 0) forget(door, guest);
}

// ---- ends of connections ----

// The client's last bytes may be on their way to us, and closing on them would tear away what we sent.
static void let_leave(struct door *door, struct guest *guest) {
  if (!guest_must_linger(guest) || door->closed) {
    forget(door, guest);
    return;
  }
  shutdown(guest->fd, SHUT_WR);
  move(door, guest, GUEST_LEAVING);
  watch(door, guest, EPOLLIN);
}

static void refuse(struct door *door, struct guest *guest, enum door_refusal why) {
  const struct refusal *refusal = &refusals[why];
  char body[256], retry[32] = "", answer[1280];
  if (refusal->status == 503) snprintf(retry, sizeof retry, "Retry-After: %u\r\n", jitter_retry_after_s());
  int len =
      snprintf(body, sizeof body, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", refusal->code, refusal->message);
  len = snprintf(answer, sizeof answer,
                 "HTTP/1.1 %d %s\r\n" SAFE_HEADERS_DATA
                 "Cache-Control: no-store\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\nConnection: close\r\n%s\r\n%s",
                 refusal->status, refusal->reason, len, retry, body);
  (void)!send(guest->fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
  metric_add(door->options.metrics->refused[why], 1);
  metric_add(door->options.metrics->http[refusal->status / 100], 1);
  let_leave(door, guest);
}

// A connection that has said nothing so far is not answered, but closed.
static void give_up_on(struct door *door, struct guest *guest, enum door_refusal why) {
  char byte;
  if (recv(guest->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
    refuse(door, guest, why);
    return;
  }
  if (why == DOOR_CROWDED) metric_add(door->options.metrics->refused[why], 1);
  forget(door, guest);
}

// ---- heads ----

// Looks at what has come of a head. hung_up: nothing more will come.
static void look(struct door *door, struct guest *guest, bool hung_up) {
  ssize_t len = recv(guest->fd, door->bytes, sizeof door->bytes, MSG_PEEK | MSG_DONTWAIT);
  bool nothing_yet = len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  if (len == 0 || (len < 0 && !nothing_yet)) {
    forget(door, guest);
    return;
  }
  switch (head_scan(door->bytes, nothing_yet ? 0 : (size_t)len, &guest->head_len)) {
    case HEAD_WHOLE:
      move(door, guest, GUEST_READY);
      break;
    case HEAD_BAD:
      refuse(door, guest, DOOR_BAD);
      break;
    default:
      if (hung_up) {
        forget(door, guest);
      } else if (!guest->watched) {
        watch(door, guest, EPOLLIN | EPOLLET);  // what has come stays there: told of only once
      }
      break;
  }
}

static void wait_for_head(struct door *door, struct guest *guest) {
  move(door, guest, GUEST_WAITING);
  look(door, guest, false);
}

// Takes the head off its socket and gives it to a worker.
static void serve(struct door *door, struct guest *guest, struct carrier *carrier) {
  unwatch(door, guest);
  ssize_t len = recv(guest->fd, door->bytes, guest->head_len, MSG_DONTWAIT);
  if (len != (ssize_t)guest->head_len) {  // it was there; so the connection was reset
    forget(door, guest);
    return;
  }
  head_own_connection(door->bytes, (size_t)len);
  move(door, guest, GUEST_VISITING);
  if (carrier_give(carrier, guest, door->bytes, (size_t)len)) return;
  carrier_close(carrier);
  refuse(door, guest, DOOR_BUSY);
}

static void watch_carrier(struct door *door, struct carrier *carrier, int operation, uint32_t events) {
  struct epoll_event event = {.events = events | EPOLLRDHUP, .data.ptr = &carrier->source};
  if (epoll_ctl(door->epoll_fd, operation, carrier->fd, &event) < 0) carrier_close(carrier);
}

static void serve_ready(struct door *door) {
  struct guest_list *ready = &door->lists[GUEST_READY];
  struct carrier *carrier;
  while (ready->first && (carrier = carriers_find(&door->carriers, CARRIER_IDLE))) serve(door, ready->first, carrier);
  for (size_t i = ready->count; i && (carrier = carriers_find(&door->carriers, CARRIER_ABSENT)); i--) {
    if (!carrier_connect(carrier)) break;
    watch_carrier(door, carrier, EPOLL_CTL_ADD, EPOLLOUT);
  }
}

// ---- answers ----

static void after_answer(struct door *door, struct guest *guest) {
  if (guest->keep && !guest->body && !door->closed) {
    wait_for_head(door, guest);
  } else {
    let_leave(door, guest);
  }
}

static void write_on(struct door *door, struct guest *guest) {
  size_t left = guest->answer.len - guest->answer_sent + guest->fixed_len;
  enum guest_push push = guest_push(guest);
  if (push == GUEST_SENT) {
    after_answer(door, guest);
  } else if (push == GUEST_BROKEN) {
    forget(door, guest);
  } else if (guest->answer.len - guest->answer_sent + guest->fixed_len < left) {
    move(door, guest, GUEST_WRITING);  // time begins again
  }
}

static void take_back(struct door *door) {
  for (struct carrier *carrier = carriers_take_back(&door->carriers), *next; carrier; carrier = next) {
    next = carrier->next_back;
    struct guest *guest = carrier_take(carrier);
    if (!carrier->end.reusable) carrier_close(carrier);
    guest->keep = carrier->end.keep;
    guest->body = carrier->end.body;
    if (guest->fd < 0) {
      forget(door, guest);
    } else if (guest->answer.len || guest->fixed_len) {
      move(door, guest, GUEST_WRITING);
      watch(door, guest, EPOLLOUT | EPOLLET);
    } else {
      after_answer(door, guest);
    }
  }
}

// ---- events ----

static void close_listener(struct door *door) {
  if (door->listen_fd >= 0) close(door->listen_fd);
  door->listen_fd = -1;
}

// One that waits for a head gives its place to a newcomer; if nobody does, the newcomer goes.
static void make_room(struct door *door, struct guest *newcomer) {
  if (guests(door) < door->options.guests) return;
  struct guest *oldest = door->lists[GUEST_LEAVING].first;
  if (oldest) {
    forget(door, oldest);
  } else if ((oldest = door->lists[GUEST_WAITING].first)) {
    give_up_on(door, oldest, DOOR_CROWDED);
    if (oldest->state == GUEST_LEAVING) forget(door, oldest);
  } else {
    refuse(door, newcomer, DOOR_CROWDED);
    if (newcomer->state == GUEST_LEAVING) forget(door, newcomer);
  }
}

static bool is_stranger(const struct door *door, const struct sockaddr_storage *address) {
  struct peer peer = peer_of((const struct sockaddr *)address);
  if (peers_judge(door->options.peers, &peer) != PEERS_STRANGER) return false;
  metric_add(door->options.metrics->refused[DOOR_STRANGER], 1);
  return true;
}

static void accept_some(struct door *door) {
  for (int i = 0; i < ACCEPTS_AT_ONCE && !door->closed; i++) {
    struct sockaddr_storage address = {0};
    socklen_t address_len = sizeof address;
    int fd = accept4(door->listen_fd, (struct sockaddr *)&address, &address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_warn("cannot_accept", "error=\"%s\"", strerror(errno));
        clock_sleep_ms(NO_FILES_PAUSE_MS);
      }
      return;
    }
    if (is_stranger(door, &address)) {
      close(fd);
      continue;
    }
    struct guest *guest = guest_new(fd);
    guest->source = SOURCE_GUEST;
    metric_add(door->options.metrics->accepted, 1);
    make_room(door, guest);
    if (guest->state != GUEST_GONE) wait_for_head(door, guest);
  }
}

static void discard(struct door *door, struct guest *guest) {
  ssize_t len = recv(guest->fd, door->bytes, sizeof door->bytes, MSG_DONTWAIT);
  if (len == 0 || (len < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) forget(door, guest);
}

static void on_guest(struct door *door, struct guest *guest, uint32_t events) {
  if (guest->state == GUEST_WAITING) {
    look(door, guest, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
  } else if (guest->state == GUEST_WRITING) {
    write_on(door, guest);
  } else if (guest->state == GUEST_LEAVING) {
    discard(door, guest);
  }
}

static void on_carrier(struct door *door, struct carrier *carrier, uint32_t events) {
  if (carrier->state == CARRIER_CONNECTING && !(events & (EPOLLHUP | EPOLLERR)) && carrier_connected(carrier)) {
    watch_carrier(door, carrier, EPOLL_CTL_MOD, EPOLLIN);
    return;
  }
  // CivetWeb has closed it. What a worker had to say about its request, it said before.
  take_back(door);
  struct guest *guest = carrier->guest;
  if (carrier->state != CARRIER_ABSENT) carrier_close(carrier);
  if (guest) refuse(door, guest, DOOR_BAD);  // CivetWeb took it for no request at all
}

static void on_event(struct door *door, const struct epoll_event *event) {
  uint8_t *source = event->data.ptr;
  uint64_t count;
  switch (*source) {
    case SOURCE_LISTENER:
      if (!door->closed) accept_some(door);
      break;
    case SOURCE_WAKE:
      (void)!read(door->carriers.wake_fd, &count, sizeof count);
      break;
    case SOURCE_GUEST:
      on_guest(door, (struct guest *)source, event->events);
      break;
    default:
      on_carrier(door, (struct carrier *)source, event->events);
      break;
  }
}
_Static_assert(offsetof(struct guest, source) == 0 && offsetof(struct carrier, source) == 0,
               "an event names its source");

// ---- the thread ----

static void expire(struct door *door) {
  int64_t now_us = clock_mono_us();
  for (int state = 0; state < GUEST_LISTS; state++) {
    struct guest *guest;
    while ((guest = door->lists[state].first) && guest->deadline_us <= now_us) {
      if (state == GUEST_WAITING) {
        give_up_on(door, guest, DOOR_SLOW);
      } else if (state == GUEST_READY) {
        refuse(door, guest, DOOR_BUSY);
      } else {
        forget(door, guest);
      }
    }
  }
}

static int wait_ms(const struct door *door) {
  int64_t first_us = INT64_MAX;
  for (int i = 0; i < GUEST_LISTS; i++) {
    const struct guest *guest = door->lists[i].first;
    if (guest && guest->deadline_us < first_us) first_us = guest->deadline_us;
  }
  if (first_us == INT64_MAX) return -1;
  int64_t left_us = first_us - clock_mono_us();
  return left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
}

// Whoever waits for nothing of ours goes; what is under way is finished.
static void close_up(struct door *door) {
  door->closed = true;
  close_listener(door);
  while (door->lists[GUEST_WAITING].first) forget(door, door->lists[GUEST_WAITING].first);
  while (door->lists[GUEST_LEAVING].first) forget(door, door->lists[GUEST_LEAVING].first);
  for (struct guest *guest = door->lists[GUEST_WRITING].first; guest; guest = guest->next) {
    guest->deadline_us = clock_mono_us() + STOP_MS * 1000LL;
  }
}

static bool is_done(struct door *door) {
  return door->closed && guests(door) == 0 && !carriers_busy(&door->carriers);
}

static void *run(void *context) {
  struct door *door = context;
  struct epoll_event events[EVENTS];
  while (!is_done(door)) {
    int count = epoll_wait(door->epoll_fd, events, EVENTS, wait_ms(door));
    for (int i = 0; i < count; i++) on_event(door, &events[i]);
    take_back(door);
    if (door->stopping && !door->closed) close_up(door);
    serve_ready(door);
    expire(door);
    bury(door);
  }
  return NULL;
}

// ---- life ----

static bool listen_at(struct door *door, const struct addrinfo *address) {
  int on = 1, defer_s = DEFER_ACCEPT_S;
  door->listen_fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (door->listen_fd < 0) return false;
  // Those that are accepted inherit all but the first.
  (void)setsockopt(door->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  (void)setsockopt(door->listen_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)setsockopt(door->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Not longer than a second: meanwhile the silent ones fill up the backlog.
  (void)setsockopt(door->listen_fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof defer_s);
  return bind(door->listen_fd, address->ai_addr, address->ai_addrlen) == 0 && listen(door->listen_fd, BACKLOG) == 0;
}

static bool open_listener(struct door *door) {
  char host[128], port_text[16];
  int port;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *addresses;
  if (!config_address(door->options.listen, host, sizeof host, &port)) return false;
  snprintf(port_text, sizeof port_text, "%d", port);
  int error = getaddrinfo(host, port_text, &hints, &addresses);
  bool good = error == 0 && listen_at(door, addresses);
  if (!good) {
    log_error("cannot_listen", "addr=%s error=\"%s\"", door->options.listen,
              error ? gai_strerror(error) : strerror(errno));
  }
  if (error == 0) freeaddrinfo(addresses);
  return good;
}

struct door *door_open(const struct door_options *options) {
  struct door *door = calloc(1, sizeof *door);
  if (!door) abort();
  door->options = *options;
  door->listen_fd = -1;
  door->listener = SOURCE_LISTENER;
  door->wake = SOURCE_WAKE;
  door->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  bool good = carriers_init(&door->carriers, options->carriers, SOURCE_CARRIER) && door->epoll_fd >= 0;
  if (!good) log_error("cannot_listen", "addr=%s error=\"%s\"", options->listen, strerror(errno));
  if (good && open_listener(door)) return door;
  door_free(door);
  return NULL;
}

bool door_start(struct door *door, uint16_t port) {
  struct epoll_event listener = {.events = EPOLLIN, .data.ptr = &door->listener};
  struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &door->wake};
  door->carriers.server_port = port;
  door->threaded = epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, door->listen_fd, &listener) == 0 &&
                   epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, door->carriers.wake_fd, &wake) == 0 &&
                   pthread_create(&door->thread, NULL, run, door) == 0;
  return door->threaded;
}

int door_connect(const struct door *door) {
  struct sockaddr_storage address;
  socklen_t len = sizeof address;
  int fd = -1;
  if (getsockname(door->listen_fd, (struct sockaddr *)&address, &len) == 0) {
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  }
  // The wildcard address names this machine.
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) == 0) return fd;
  close(fd);
  return -1;
}

void door_stop(struct door *door) {
  uint64_t one = 1;
  if (!door->threaded) return;
  door->stopping = true;
  (void)!write(door->carriers.wake_fd, &one, sizeof one);
  pthread_join(door->thread, NULL);
  door->threaded = false;
  for (size_t i = 0; i < door->carriers.count; i++) carrier_close(&door->carriers.all[i]);
}

void door_free(struct door *door) {
  if (!door) return;
  bury(door);
  close_listener(door);
  carriers_fini(&door->carriers);
  if (door->epoll_fd >= 0) close(door->epoll_fd);
  free(door);
}

struct peer door_peer(const struct carrier *carrier) {
  struct sockaddr_storage address = {0};
  socklen_t len = sizeof address;
  (void)getpeername(carrier->guest->fd, (struct sockaddr *)&address, &len);  // of one that is gone: not known
  return peer_of((const struct sockaddr *)&address);
}

struct carrier *door_carrier(struct door *door, int port) {
  struct carrier *found = NULL;
  pthread_mutex_lock(&door->carriers.lock);
  for (size_t i = 0; i < door->carriers.count; i++) {
    struct carrier *carrier = &door->carriers.all[i];
    if (carrier->state == CARRIER_BUSY && carrier->port == port) found = carrier;
  }
  pthread_mutex_unlock(&door->carriers.lock);
  return found;
}

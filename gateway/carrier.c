// Everything that both the door's thread and a worker touch is under one lock.
#include "carrier.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

bool carriers_init(struct carriers *carriers, size_t count, uint8_t source) {
  carriers->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  carriers->all = calloc(count, sizeof *carriers->all);
  if (!carriers->all) abort();
  carriers->count = count;
  for (size_t i = 0; i < count; i++)
    carriers->all[i] = (struct carrier){.source = source, .fd = -1, .carriers = carriers};
  pthread_mutex_init(&carriers->lock, NULL);
  return carriers->wake_fd >= 0;
}

void carriers_fini(struct carriers *carriers) {
  for (size_t i = 0; i < carriers->count; i++) carrier_close(&carriers->all[i]);
  if (carriers->wake_fd >= 0) close(carriers->wake_fd);
  pthread_mutex_destroy(&carriers->lock);
  free(carriers->all);
}

struct carrier *carriers_find(struct carriers *carriers, enum carrier_state state) {
  for (size_t i = 0; i < carriers->count; i++) {
    if (carriers->all[i].state == state) return &carriers->all[i];
  }
  return NULL;
}

bool carriers_busy(struct carriers *carriers) {
  return carriers_find(carriers, CARRIER_BUSY) != NULL;
}

static void set(struct carrier *carrier, enum carrier_state state, struct guest *guest) {
  pthread_mutex_lock(&carrier->carriers->lock);
  carrier->state = (uint8_t)state;
  carrier->guest = guest;
  pthread_mutex_unlock(&carrier->carriers->lock);
}

bool carrier_connect(struct carrier *carrier) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(carrier->carriers->server_port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  carrier->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (carrier->fd < 0) return false;
  // CivetWeb need not be there to see it end, and no port shall be kept for a minute after.
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(carrier->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  set(carrier, CARRIER_CONNECTING, NULL);
  (void)connect(carrier->fd, (struct sockaddr *)&to, sizeof to);  // that it failed is told as an event
  return true;
}

bool carrier_connected(struct carrier *carrier) {
  struct sockaddr_in own, peer;
  socklen_t len = sizeof own, peer_len = sizeof peer;
  if (getpeername(carrier->fd, (struct sockaddr *)&peer, &peer_len) < 0 ||
      getsockname(carrier->fd, (struct sockaddr *)&own, &len) < 0) {
    return false;
  }
  pthread_mutex_lock(&carrier->carriers->lock);
  carrier->port = ntohs(own.sin_port);
  carrier->state = CARRIER_IDLE;
  pthread_mutex_unlock(&carrier->carriers->lock);
  return true;
}

void carrier_close(struct carrier *carrier) {
  if (carrier->fd >= 0) close(carrier->fd);
  carrier->fd = -1;
  set(carrier, CARRIER_ABSENT, NULL);
}

bool carrier_give(struct carrier *carrier, struct guest *guest, const void *head, size_t len) {
  set(carrier, CARRIER_BUSY, guest);
  if (send(carrier->fd, head, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) return true;
  set(carrier, CARRIER_IDLE, NULL);
  return false;
}

struct carrier *carriers_take_back(struct carriers *carriers) {
  pthread_mutex_lock(&carriers->lock);
  struct carrier *back = carriers->back;
  carriers->back = NULL;
  pthread_mutex_unlock(&carriers->lock);
  return back;
}

struct guest *carrier_take(struct carrier *carrier) {
  struct guest *guest = carrier->guest;
  set(carrier, CARRIER_IDLE, NULL);
  return guest;
}

// ---- a worker's thread ----

int door_detach(struct carrier *carrier) {
  int fd = carrier->guest->fd;
  carrier->guest->fd = -1;
  return fd;
}

void door_answer(struct carrier *carrier, struct buffer *answer, const void *fixed, size_t fixed_len) {
  struct guest *guest = carrier->guest;
  guest->answer = *answer;
  *answer = (struct buffer){0};
  guest->answer_sent = 0;
  guest->fixed = fixed;
  guest->fixed_len = fixed_len;
  // What is left is the door's to send, and what is broken its to notice.
  if (guest_push(guest) == GUEST_BROKEN) shutdown(guest->fd, SHUT_RDWR);
}

void door_leave(struct carrier *carrier, const struct door_end *end) {
  struct carriers *carriers = carrier->carriers;
  uint64_t one = 1;
  carrier->end = *end;
  pthread_mutex_lock(&carriers->lock);
  bool wake = !carriers->back;
  carrier->next_back = carriers->back;
  carriers->back = carrier;
  pthread_mutex_unlock(&carriers->lock);
  if (wake) (void)!write(carriers->wake_fd, &one, sizeof one);
}

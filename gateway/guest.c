// Lists, and sending without waiting.
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct guest *guest_new(int fd) {
  struct guest *guest = calloc(1, sizeof *guest);
  if (!guest) abort();
  guest->fd = fd;
  guest->state = GUEST_VISITING;
  return guest;
}

void guest_free(struct guest *guest) {
  if (guest->fd >= 0) close(guest->fd);
  buffer_fini(&guest->answer);
  free(guest);
}

void guest_enter(struct guest_list *list, struct guest *guest) {
  guest->next = NULL;
  guest->previous = list->last;
  *(list->last ? &list->last->next : &list->first) = guest;
  list->last = guest;
  list->count++;
}

void guest_exit(struct guest_list *list, struct guest *guest) {
  *(guest->previous ? &guest->previous->next : &list->first) = guest->next;
  *(guest->next ? &guest->next->previous : &list->last) = guest->previous;
  guest->previous = guest->next = NULL;
  list->count--;
}

static void drop_answer(struct guest *guest) {
  buffer_fini(&guest->answer);
  guest->answer = (struct buffer){0};
  guest->answer_sent = guest->fixed_len = 0;
}

static void advance(struct guest *guest, size_t sent) {
  size_t own = guest->answer.len - guest->answer_sent;
  if (own > sent) own = sent;
  guest->answer_sent += own;
  guest->fixed += sent - own;
  guest->fixed_len -= sent - own;
}

enum guest_push guest_push(struct guest *guest) {
  while (guest->answer_sent < guest->answer.len || guest->fixed_len) {
    struct iovec parts[] = {{guest->answer.data + guest->answer_sent, guest->answer.len - guest->answer_sent},
                            {(void *)(uintptr_t)guest->fixed, guest->fixed_len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(guest->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      advance(guest, (size_t)sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      return GUEST_BLOCKED;
    } else if (errno != EINTR) {
      drop_answer(guest);
      return GUEST_BROKEN;
    }
  }
  drop_answer(guest);
  return GUEST_SENT;
}

bool guest_must_linger(const struct guest *guest) {
  int unread = 0;
  return guest->body || (ioctl(guest->fd, FIONREAD, &unread) == 0 && unread > 0);
}

// A client's HTTP connection while it is at the door: its socket, the state that it is in, and what it has still to be
// sent. One thread at a time: the door's, or the worker's that answers it.
#ifndef MUSTER_GUEST_H
#define MUSTER_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

enum guest_state {
  GUEST_WAITING,  // for the rest of a head, or for the next one
  GUEST_READY,    // its head is whole; it waits for a worker
  GUEST_WRITING,  // its answer does not fit into the socket at once
  GUEST_LEAVING,  // it has got its last answer; what it still sends is thrown away until it closes
  GUEST_LISTS,    // the states up to here are lists of the door
  GUEST_VISITING = GUEST_LISTS,
  GUEST_GONE,
};

struct guest {
  uint8_t source;  // the door's: what an event of its epoll is about
  uint8_t state;
  bool watched;  // it is in the door's epoll
  bool keep;     // after this answer another request may follow
  bool body;     // the request had a body, which nobody reads
  int fd;        // -1 once it was taken away
  size_t head_len;
  int64_t deadline_us;
  struct guest *previous, *next;
  // What is to be sent: a buffer of its own, and then memory that lives for ever.
  struct buffer answer;
  size_t answer_sent;
  const uint8_t *fixed;
  size_t fixed_len;
};

// By age: a guest comes in at the end.
struct guest_list {
  struct guest *first, *last;
  size_t count;
};

struct guest *guest_new(int fd);
void guest_free(struct guest *guest);  // closes its socket

void guest_enter(struct guest_list *list, struct guest *guest);
void guest_exit(struct guest_list *list, struct guest *guest);

enum guest_push { GUEST_SENT, GUEST_BLOCKED, GUEST_BROKEN };

// Sends what the socket takes now. The answer is freed once it is sent or cannot be.
enum guest_push guest_push(struct guest *guest) __attribute__((warn_unused_result));

// Whether closing it now would tear the answer away from the client: what nobody has read makes the kernel send a
// reset.
bool guest_must_linger(const struct guest *guest);

#endif

// A queue from any thread to a libuv loop. Posting takes a lock for a moment and wakes the loop only when the mailbox
// was empty; delivery takes everything at once and calls back on the loop's thread with no lock held.
//
// Letters are the poster's structs with a `struct letter` inside; the receiver owns them from delivery on.
#ifndef MUSTER_MAILBOX_H
#define MUSTER_MAILBOX_H

#include <uv.h>

struct letter {
  struct letter *next;
};

typedef void (*mailbox_deliver)(void *context, struct letter *letter);

struct mailbox {
  uv_async_t async;
  uv_mutex_t lock;
  struct letter *first;
  struct letter **last;
  mailbox_deliver deliver;
  void *context;
};

// On the loop's thread. Returns 0 or libuv's error.
int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop, mailbox_deliver deliver, void *context)
    __attribute__((warn_unused_result));

// Any thread, until mailbox_close. Letters are delivered in the order of posting.
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

// On the loop's thread, for one that cannot wait for the loop: delivers all that was posted so far.
void mailbox_deliver_now(struct mailbox *mailbox);

// On the loop's thread, when no other thread can post any more: delivers what is left, then closes the handle. Run the
// loop once more before the mailbox's memory goes.
void mailbox_close(struct mailbox *mailbox);

#endif

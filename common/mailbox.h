// A queue from any thread to a libuv loop. Posting takes a lock for a moment and wakes the loop only when the mailbox
// was empty; delivery takes everything at once and calls back on the loop's thread with no lock held.
//
// Letters are the poster's structs with a `struct letter` inside; the receiver owns them from delivery on.
#ifndef MUSTER_MAILBOX_H
#define MUSTER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
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
  bool woken;  // the loop was woken for what is in the queue
  mailbox_deliver deliver;
  void *context;
  // For letters that may wait a little:
  uv_prepare_t prepare;
  int64_t patience_us;          // 0: none
  _Atomic int64_t wakes_at_us;  // when the loop's next timer is due, by uv_hrtime
};

// On the loop's thread. Returns 0 or libuv's error.
int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop, mailbox_deliver deliver, void *context)
    __attribute__((warn_unused_result));

// On the loop's thread, once: letters may be posted patiently from now on.
int mailbox_be_patient(struct mailbox *mailbox, int64_t patience_us) __attribute__((warn_unused_result));

// Any thread, until mailbox_close. Letters are delivered in the order of posting.
void mailbox_post(struct mailbox *mailbox, struct letter *letter);
// The same, but the loop is not woken if a timer of its own is due within the patience: so many letters may share one
// wake-up. That timer's callback may call mailbox_deliver_now; what is left is delivered before the loop waits again.
void mailbox_post_patiently(struct mailbox *mailbox, struct letter *letter);

// On the loop's thread, for one that cannot wait for the loop: delivers all that was posted so far.
void mailbox_deliver_now(struct mailbox *mailbox);

// On the loop's thread, when no other thread can post any more: delivers what is left, then closes the handle. Run the
// loop once more before the mailbox's memory goes.
void mailbox_close(struct mailbox *mailbox);

#endif

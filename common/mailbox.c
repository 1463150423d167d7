// The queue is a linked list under a mutex; uv_async_send is the wake-up.
#include "mailbox.h"

#include <stddef.h>

void mailbox_deliver_now(struct mailbox *mailbox) {
  uv_mutex_lock(&mailbox->lock);
  struct letter *letter = mailbox->first;
  mailbox->first = NULL;
  mailbox->last = &mailbox->first;
  mailbox->woken = false;
  uv_mutex_unlock(&mailbox->lock);
  while (letter) {
    struct letter *next = letter->next;  // read first: the receiver may free the letter
    mailbox->deliver(mailbox->context, letter);
    letter = next;
  }
}

static void on_async(uv_async_t *async) {
  mailbox_deliver_now(async->data);
}

int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop, mailbox_deliver deliver, void *context) {
  mailbox->first = NULL;
  mailbox->last = &mailbox->first;
  mailbox->deliver = deliver;
  mailbox->context = context;
  mailbox->woken = false;
  mailbox->patience_us = 0;
  mailbox->async.data = mailbox;
  int error = uv_mutex_init(&mailbox->lock);
  if (error) return error;
  error = uv_async_init(loop, &mailbox->async, on_async);
  if (error) uv_mutex_destroy(&mailbox->lock);
  return error;
}

// With the lock held: whether the loop must be woken, once for all that is in the queue.
static bool begin_wake(struct mailbox *mailbox) {
  bool needed = mailbox->first && !mailbox->woken;
  if (needed) mailbox->woken = true;
  return needed;
}

static void wake(struct mailbox *mailbox) {
  uv_mutex_lock(&mailbox->lock);
  bool needed = begin_wake(mailbox);
  uv_mutex_unlock(&mailbox->lock);
  if (needed) uv_async_send(&mailbox->async);
}

// The order of the two steps matters: whoever posts after the look sees the new time.
static void on_prepare(uv_prepare_t *prepare) {
  struct mailbox *mailbox = prepare->data;
  int timeout_ms = uv_backend_timeout(prepare->loop);
  int64_t now_us = (int64_t)(uv_hrtime() / 1000);
  atomic_store(&mailbox->wakes_at_us, timeout_ms < 0 ? INT64_MAX : now_us + timeout_ms * 1000LL);
  wake(mailbox);
}

int mailbox_be_patient(struct mailbox *mailbox, int64_t patience_us) {
  int error = uv_prepare_init(mailbox->async.loop, &mailbox->prepare);
  if (error) return error;
  mailbox->prepare.data = mailbox;
  mailbox->patience_us = patience_us;
  uv_prepare_start(&mailbox->prepare, on_prepare);
  uv_unref((uv_handle_t *)&mailbox->prepare);
  return 0;
}

static void post(struct mailbox *mailbox, struct letter *letter, bool patiently) {
  letter->next = NULL;
  uv_mutex_lock(&mailbox->lock);
  *mailbox->last = letter;
  mailbox->last = &letter->next;
  bool needed = !patiently && begin_wake(mailbox);
  uv_mutex_unlock(&mailbox->lock);
  if (needed) uv_async_send(&mailbox->async);
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter) {
  post(mailbox, letter, false);
}

void mailbox_post_patiently(struct mailbox *mailbox, struct letter *letter) {
  // The letter must be in the queue before the time is looked at: the loop stores the time before it looks for letters.
  post(mailbox, letter, true);
  int64_t wakes_at_us = atomic_load(&mailbox->wakes_at_us);
  bool soon = wakes_at_us - (int64_t)(uv_hrtime() / 1000) <= mailbox->patience_us;
  if (!mailbox->patience_us || !soon) wake(mailbox);
}

void mailbox_close(struct mailbox *mailbox) {
  mailbox_deliver_now(mailbox);
  uv_close((uv_handle_t *)&mailbox->async, NULL);
  if (mailbox->patience_us) uv_close((uv_handle_t *)&mailbox->prepare, NULL);
  uv_mutex_destroy(&mailbox->lock);
}

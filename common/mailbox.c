// The queue is a linked list under a mutex; uv_async_send is the wake-up.
#include "mailbox.h"

#include <stddef.h>

void mailbox_deliver_now(struct mailbox *mailbox) {
  uv_mutex_lock(&mailbox->lock);
  struct letter *letter = mailbox->first;
  mailbox->first = NULL;
  mailbox->last = &mailbox->first;
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
  mailbox->async.data = mailbox;
  int error = uv_mutex_init(&mailbox->lock);
  if (error) return error;
  error = uv_async_init(loop, &mailbox->async, on_async);
  if (error) uv_mutex_destroy(&mailbox->lock);
  return error;
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter) {
  letter->next = NULL;
  uv_mutex_lock(&mailbox->lock);
  int was_empty = mailbox->first == NULL;
  *mailbox->last = letter;
  mailbox->last = &letter->next;
  uv_mutex_unlock(&mailbox->lock);
  if (was_empty) uv_async_send(&mailbox->async);
}

void mailbox_close(struct mailbox *mailbox) {
  mailbox_deliver_now(mailbox);
  uv_close((uv_handle_t *)&mailbox->async, NULL);
  uv_mutex_destroy(&mailbox->lock);
}

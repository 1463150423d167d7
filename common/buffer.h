// A growable byte buffer. The struct is its owner's; buffer_fini frees the bytes. Not thread-safe.
//
// Running out of memory aborts: a server that cannot get a few kilobytes has no good way on, and every queue above has
// its own limit long before that.
#ifndef MUSTER_BUFFER_H
#define MUSTER_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
  uint8_t *data;
  size_t len;
  size_t capacity;
};

void buffer_fini(struct buffer *buffer);

// What buffer_reserve leaves to it.
void buffer_grow(struct buffer *buffer, size_t extra);
// Makes room for `extra` more bytes and returns where they begin; the caller writes and then adds to len.
static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t extra) {
  if (extra > buffer->capacity - buffer->len) buffer_grow(buffer, extra);
  return buffer->data + buffer->len;
}
void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_append_string(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Removes the first len bytes, moving the rest to the front.
void buffer_consume(struct buffer *buffer, size_t len);

#endif

// Growable bytes: doubling, with vsnprintf on top.
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_fini(struct buffer *buffer) {
  free(buffer->data);
  *buffer = (struct buffer){0};
}

void buffer_grow(struct buffer *buffer, size_t extra) {
  size_t need = buffer->len + extra, capacity = buffer->capacity ? buffer->capacity : 256;
  while (capacity < need) capacity *= 2;
  uint8_t *data = realloc(buffer->data, capacity);
  if (!data) abort();
  buffer->data = data;
  buffer->capacity = capacity;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len) {
  if (len == 0) return;
  memcpy(buffer_reserve(buffer, len), bytes, len);
  buffer->len += len;
}

void buffer_append_string(struct buffer *buffer, const char *text) {
  buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len > 0) {
    vsnprintf((char *)buffer_reserve(buffer, (size_t)len + 1), (size_t)len + 1, format, again);
    buffer->len += (size_t)len;
  }
  va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t len) {
  if (len == 0) return;
  buffer->len -= len;
  memmove(buffer->data, buffer->data + len, buffer->len);
}

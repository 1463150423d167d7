// Reading into one buffer shared by all connections of the loop, because each read is used up before the next.
#include "conn.h"

#include <stdlib.h>

#include "clock.h"

#define QUEUE_MAX_BYTES 65536  // unsent bytes at which a peer counts as not reading

// One loop per process.
static uint8_t read_buffer[CONN_READ_BYTES];
static const uv_handle_t *filled_by;  // whose last read filled the buffer; NULL once it has been held back for that

// After a read that filled its buffer, libuv reads the same connection again, up to 32 times, before it looks at the
// others. No buffer, and it goes on with them; it comes back in the next round.
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  (void)suggested;
  bool again = handle == filled_by;
  filled_by = NULL;
  *out = uv_buf_init((char *)read_buffer, again ? 0 : ((struct conn *)handle->data)->read_bytes);
}

static void on_closed(uv_handle_t *handle) {
  struct conn *conn = handle->data;
  buffer_fini(&conn->partial);
  conn->events->closed(conn);
}

void conn_abort(struct conn *conn) {
  conn->ended = true;
  if (conn->closing) return;
  conn->closing = true;
  uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void break_off(struct conn *conn, const char *reason) {
  if (conn->ended) {
    conn_abort(conn);
  } else {
    conn->events->broken(conn, reason);
  }
}

// Hands over what is there; keeps what was not used, in memory of its own.
static void take(struct conn *conn, const uint8_t *bytes, size_t len) {
  if (conn->ended) return;  // thrown away
  bool direct = conn->partial.len == 0;
  if (!direct) {
    buffer_append(&conn->partial, bytes, len);
    bytes = conn->partial.data;
    len = conn->partial.len;
  }
  size_t used = conn->events->received(conn, bytes, len);
  if (used == len || conn->ended) {
    buffer_fini(&conn->partial);
  } else if (direct) {
    buffer_append(&conn->partial, bytes + used, len - used);
  } else {
    buffer_consume(&conn->partial, used);
  }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  struct conn *conn = stream->data;
  if (count == UV_ENOBUFS) return;  // held back by on_alloc
  if (count > 0) {
    if ((size_t)count == buffer->len) filled_by = (uv_handle_t *)stream;
    conn->heard_us = (int64_t)uv_now(stream->loop) * 1000;  // the same clock, read once a round
    conn->heard_bytes = (uint32_t)count;
    take(conn, (const uint8_t *)buffer->base, (size_t)count);
  } else if (count < 0) {
    conn->peer_ended = true;
    break_off(conn, count == UV_EOF ? "closed" : uv_err_name((int)count));
  }
}

int conn_accept(struct conn *conn, uv_stream_t *listener, const struct conn_events *events) {
  conn->events = events;
  conn->read_bytes = CONN_READ_BYTES;
  int error = uv_tcp_init(listener->loop, &conn->tcp);
  if (error) abort();  // it only sets fields up
  conn->tcp.data = conn;
  conn->heard_us = clock_mono_us();
  error = uv_accept(listener, (uv_stream_t *)&conn->tcp);
  if (!error) error = uv_tcp_nodelay(&conn->tcp, 1);
  if (!error) error = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
  if (error) conn_abort(conn);
  return error;
}

struct write {
  uv_write_t request;
  uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status) {
  struct conn *conn = request->handle->data;
  free(request);  // the first member of its struct write
  if (status < 0 && status != UV_ECANCELED) break_off(conn, "write_failed");
}

void conn_send(struct conn *conn, const uint8_t *bytes, size_t len) {
  if (conn->ended) return;
  uv_buf_t now = uv_buf_init((char *)bytes, (unsigned)len);
  int sent = uv_try_write((uv_stream_t *)&conn->tcp, &now, 1);
  if (sent == (int)len) return;
  if (sent < 0 && sent != UV_EAGAIN) return;  // reading will tell of the fault, too
  size_t done = sent > 0 ? (size_t)sent : 0;
  if (conn->tcp.write_queue_size + len - done > QUEUE_MAX_BYTES) {
    conn->events->broken(conn, "not_reading");
    return;
  }
  struct write *write = malloc(sizeof *write + len - done);
  if (!write) abort();
  __builtin_memcpy(write->bytes, bytes + done, len - done);
  uv_buf_t rest = uv_buf_init((char *)write->bytes, (unsigned)(len - done));
  if (uv_write(&write->request, (uv_stream_t *)&conn->tcp, &rest, 1, on_written)) free(write);
}

void conn_pause(struct conn *conn) {
  if (conn->paused || conn->ended) return;
  conn->paused = true;
  uv_read_stop((uv_stream_t *)&conn->tcp);
}

void conn_resume(struct conn *conn) {
  if (!conn->paused) return;
  conn->paused = false;
  conn->heard_us = clock_mono_us();  // it was our silence
  if (!conn->closing) uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

static void on_shutdown(uv_shutdown_t *request, int status) {
  (void)status;
  struct conn *conn = request->handle->data;
  free(request);
  if (conn->peer_ended) conn_abort(conn);
}

void conn_end(struct conn *conn) {
  if (conn->ended) return;
  conn->ended = true;
  conn_resume(conn);
  uv_shutdown_t *request = malloc(sizeof *request);
  if (!request) abort();
  if (uv_shutdown(request, (uv_stream_t *)&conn->tcp, on_shutdown)) {
    free(request);
    conn_abort(conn);
  }
}

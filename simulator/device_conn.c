// libuv around a device. Reading and writing go through the host's two scratch buffers; only what a full socket did not
// take is kept per connection.
#include "device_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"
#include "steady.h"

void device_conn_init(struct device_conn *conn, struct device_conn_host *host, struct device *device, void *context,
                      uint32_t number, uint32_t server) {
  *conn = (struct device_conn){.host = host, .device = device, .context = context, .number = number, .server = server};
}

static void on_closed(uv_handle_t *handle) {
  struct device_conn *conn = handle->data;
  conn->state = DEVICE_CONN_CLOSED;
  conn->host->open--;
  conn->writing = false;
  buffer_fini(&conn->rest);
}

void device_conn_close(struct device_conn *conn, int64_t now_us) {
  if (conn->state == DEVICE_CONN_CLOSED || conn->state == DEVICE_CONN_CLOSING) return;
  conn->state = DEVICE_CONN_CLOSING;
  device_closed(conn->device, now_us);
  uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

// ---- writing ----

static void on_written(uv_write_t *request, int status) {
  struct device_conn *conn = request->data;
  free(request);
  if (conn->state != DEVICE_CONN_OPEN) return;
  conn->writing = false;
  conn->rest.len = 0;
  int64_t now_us = steady_us();
  if (status < 0) {
    device_conn_close(conn, now_us);
  } else {
    device_conn_send(conn, now_us);
  }
}

// What the socket did not take waits in libuv, and nothing else is written meanwhile.
static void write_rest(struct device_conn *conn, const uint8_t *bytes, size_t len, int64_t now_us) {
  uv_write_t *request = malloc(sizeof *request);
  if (!request) abort();
  request->data = conn;
  buffer_append(&conn->rest, bytes, len);
  uv_buf_t buf = uv_buf_init((char *)conn->rest.data, (unsigned)conn->rest.len);
  conn->writing = true;
  if (uv_write(request, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) < 0) {
    free(request);
    device_conn_close(conn, now_us);
  }
}

// Nothing waits in libuv, so its uv_try_write() would only do the same, by a write() that costs more.
static void write_bytes(struct device_conn *conn, const uint8_t *bytes, size_t len, int64_t now_us) {
  ssize_t taken = send(conn->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (taken < 0 && (errno == EAGAIN || errno == EINTR)) taken = 0;
  if (taken < 0) {
    device_conn_close(conn, now_us);
  } else if ((size_t)taken < len) {
    write_rest(conn, bytes + taken, len - (size_t)taken, now_us);
  }
}

void device_conn_send(struct device_conn *conn, int64_t now_us) {
  struct device_conn_host *host = conn->host;
  while (conn->state == DEVICE_CONN_OPEN && !conn->writing) {
    size_t len = device_write(conn->device, now_us, host->out, sizeof host->out);
    if (len == 0) return;
    write_bytes(conn, host->out, len, now_us);
  }
}

// ---- reading ----

static void give_scratch(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  struct device_conn *conn = handle->data;
  *buf = uv_buf_init((char *)conn->host->in, sizeof conn->host->in);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
  struct device_conn *conn = stream->data;
  if (count == 0 || conn->state != DEVICE_CONN_OPEN) return;
  int64_t now_us = steady_us();
  if (count < 0 || !device_receive(conn->device, now_us, (const uint8_t *)buf->base, (size_t)count)) {
    device_conn_close(conn, now_us);
  } else {
    device_conn_poll(conn, now_us);
  }
}

// ---- opening ----

static void greet(struct device_conn *conn, int64_t now_us) {
  char *token = conn->host->token(conn->context);
  size_t token_len = strlen(token);
  uint8_t *hello = malloc(token_len + DEVICE_HELLO_BYTES);
  if (!hello) abort();
  size_t len = device_connected(conn->device, now_us, token, token_len, hello);
  write_bytes(conn, hello, len, now_us);
  free(hello);
  free(token);
}

static void on_connected(uv_connect_t *request, int status) {
  struct device_conn *conn = request->data;
  free(request);
  if (conn->state != DEVICE_CONN_OPENING) return;
  int64_t now_us = steady_us();
  if (status == 0) {
    conn->host->connects++;
    conn->state = DEVICE_CONN_OPEN;
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_fileno((uv_handle_t *)&conn->tcp, &conn->fd);
    status = uv_read_start((uv_stream_t *)&conn->tcp, give_scratch, on_read);
  } else {
    conn->host->connect_failures++;
  }
  if (status == 0) {
    greet(conn, now_us);
  } else {
    device_conn_close(conn, now_us);
  }
}

static void open_conn(struct device_conn *conn, int64_t now_us) {
  const struct device_conn_host *host = conn->host;
  uv_connect_t *request = malloc(sizeof *request);
  if (!request) abort();
  int status = source_tcp_init(host->loop, &conn->tcp, conn->number, host->sources);
  conn->tcp.data = conn;
  request->data = conn;
  conn->state = DEVICE_CONN_OPENING;
  conn->host->open++;
  device_connecting(conn->device, now_us);
  const struct endpoint *server = &host->servers[conn->server++ % host->server_count];
  const struct sockaddr *address = (const struct sockaddr *)&server->address;
  if (status < 0 || uv_tcp_connect(request, &conn->tcp, address, on_connected) < 0) {
    free(request);
    conn->host->connect_failures++;
    device_conn_close(conn, now_us);
  }
}

void device_conn_poll(struct device_conn *conn, int64_t now_us) {
  switch (device_poll(conn->device, now_us)) {
    case DEVICE_NOTHING:
      break;
    case DEVICE_CONNECT:
      if (conn->state == DEVICE_CONN_CLOSED) open_conn(conn, now_us);
      break;
    case DEVICE_WRITE:
      device_conn_send(conn, now_us);
      break;
    case DEVICE_CLOSE:
      device_conn_close(conn, now_us);
      break;
  }
}

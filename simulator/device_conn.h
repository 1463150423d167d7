// A device's TCP connection on a libuv loop: opens, closes, carries bytes between the socket and the device's protocol
// core, and knows nothing of the protocol. The loop's thread.
#ifndef MUSTER_DEVICE_CONN_H
#define MUSTER_DEVICE_CONN_H

#include <sys/socket.h>
#include <uv.h>

#include "buffer.h"
#include "device.h"
#include "endpoint.h"

// What all connections share; outlives them. Fill in the first five, the rest is counted.
struct device_conn_host {
  uv_loop_t *loop;
  const struct endpoint *servers;  // outlive the host
  uint32_t server_count;
  uint32_t sources;               // how many addresses connections come from: source.h
  char *(*token)(void *context);  // a fresh token, to be freed by the caller; context is the connection's
  uint64_t connects, connect_failures;
  uint32_t open;  // connections that are not closed
  uint8_t in[65536], out[65536];
};

enum device_conn_state { DEVICE_CONN_CLOSED, DEVICE_CONN_OPENING, DEVICE_CONN_OPEN, DEVICE_CONN_CLOSING };

// Embedded in its owner, who must not go before the connection is DEVICE_CONN_CLOSED.
struct device_conn {
  uv_tcp_t tcp;
  struct device_conn_host *host;
  struct device *device;  // borrowed
  void *context;
  uint32_t number;  // among all connections
  uint32_t server;  // the next to connect to; another one after each connection
  uv_os_fd_t fd;    // while it is open
  enum device_conn_state state;
  bool writing;  // the socket took only a part: rest is on its way
  struct buffer rest;
};

// server: any number; it says which of the host's is the first to be tried.
void device_conn_init(struct device_conn *conn, struct device_conn_host *host, struct device *device, void *context,
                      uint32_t number, uint32_t server);

// Does what the device wants now.
void device_conn_poll(struct device_conn *conn, int64_t now_us);
// Sends what the device has to send; cheaper than a poll when that is all there can be.
void device_conn_send(struct device_conn *conn, int64_t now_us);
void device_conn_close(struct device_conn *conn, int64_t now_us);

#endif

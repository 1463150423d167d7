// Which address of this machine a connection comes from. One address has some 28,000 ports (ip_local_port_range) for
// all connections to one server; on loopback any address of 127.0.0.0/8 is ours, so many can be used. The loop's
// thread, but for what is pure.
#ifndef MUSTER_SOURCE_H
#define MUSTER_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#define SOURCE_MAX 65000u

bool source_is_loopback(const struct sockaddr_storage *server);  // IPv4 only: IPv6 has a single loopback address

// How many addresses so many connections to this server should come from.
uint32_t source_count(const struct sockaddr_storage *server, uint32_t connections);

// The address of the number-th connection, in network byte order: 127.1.0.1 and those after it.
uint32_t source_address(uint32_t number, uint32_t count);

// Makes a socket for a connection that comes from that address; with a count of 1 from where the system
// likes. 0 or libuv's error: then the handle must still be closed.
int source_tcp_init(uv_loop_t *loop, uv_tcp_t *tcp, uint32_t number, uint32_t count)
    __attribute__((warn_unused_result));

#endif

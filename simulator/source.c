// Addresses in turn.
#include "source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_EACH 10000u  // well below the ports of one address: those lately closed are not free at once
#define FIRST 0x7f010001u        // 127.1.0.1

bool source_is_loopback(const struct sockaddr_storage *server) {
  struct sockaddr_in address;
  if (server->ss_family != AF_INET) return false;
  memcpy(&address, server, sizeof address);
  return ntohl(address.sin_addr.s_addr) >> 24 == 127;
}

uint32_t source_count(const struct sockaddr_storage *server, uint32_t connections) {
  return source_is_loopback(server) && connections > 0 ? (connections - 1) / CONNECTIONS_EACH + 1 : 1;
}

uint32_t source_address(uint32_t number, uint32_t count) {
  return htonl(FIRST + number % count);
}

int source_tcp_init(uv_loop_t *loop, uv_tcp_t *tcp, uint32_t number, uint32_t count) {
  const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = source_address(number, count)};
  int fd, one = 1;
  int status = count > 1 ? uv_tcp_init_ex(loop, tcp, AF_INET) : UV_EINVAL;
  if (status < 0 && uv_tcp_init(loop, tcp) < 0) abort();  // makes no socket: only a lack of memory fails
  if (count == 1) return 0;
  if (status < 0) return status;
  // The port is chosen as it connects, when the server is known: until then it would have to be free for all servers.
  if (uv_fileno((uv_handle_t *)tcp, &fd) == 0) {
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  }
  return uv_tcp_bind(tcp, (const struct sockaddr *)&from, 0);
}

// A file of its own, because the kernel's header and the C library's cannot be included together, and only the kernel's
// has the count (Linux 4.1).
#include "tcp_count.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ESTABLISHED 1  // TCP_ESTABLISHED, which only the C library's header has

static bool count_received(int fd, uint64_t *out_bytes) {
  struct tcp_info info = {0};
  socklen_t len = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0) return false;
  *out_bytes = info.tcpi_bytes_received;
  return info.tcpi_state == ESTABLISHED &&
         len >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
}

bool tcp_count_read(int fd, uint64_t *out_bytes) {
  uint64_t before, after;
  int unread, urgent_too = 0;
  socklen_t len = sizeof urgent_too;
  if (getsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &urgent_too, &len) < 0 || !urgent_too) return false;
  do {  // what is received and what is unread must be of one moment
    if (!count_received(fd, &before) || ioctl(fd, SIOCINQ, &unread) < 0 || !count_received(fd, &after)) return false;
  } while (before != after);
  *out_bytes = after - (uint64_t)unread;
  return true;
}

// How much has come over a TCP connection.
#ifndef MUSTER_TCP_COUNT_H
#define MUSTER_TCP_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// The bytes that were read from the connection since it began, by whoever. False if the kernel does not tell, or counts
// what no read ever gives: the end of a connection that its client has ended, and urgent data unless SO_OOBINLINE is
// set.
bool tcp_count_read(int fd, uint64_t *out_bytes) __attribute__((warn_unused_result));

#endif

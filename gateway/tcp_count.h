// How much has come over a TCP connection.
#ifndef MUSTER_TCP_COUNT_H
#define MUSTER_TCP_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// The bytes that were read from the connection since it began, by whoever. False if the kernel does not tell.
bool tcp_count_read(int fd, uint64_t *out_bytes) __attribute__((warn_unused_result));

#endif

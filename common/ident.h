// Ids of workers, teams and replicas: [A-Za-z0-9_-]{1,64}. The alphabet has no '.', '*', '>' or space, so an id can
// never be a NATS wildcard or a path separator. Pure; any thread.
#ifndef MUSTER_IDENT_H
#define MUSTER_IDENT_H

#include <stdbool.h>
#include <stddef.h>

#define IDENT_MAX_BYTES 64

// True if the len bytes at text are an id. text need not end in NUL.
bool ident_valid(const char *text, size_t len);

#endif

// The tracker's HTTP side door: /healthz, /readyz, /metrics, on CivetWeb's threads.
#ifndef MUSTER_ADMIN_H
#define MUSTER_ADMIN_H

#include "metrics.h"

struct admin;

// ready: called from any thread; NULL if the program is ready, else why it is not. address: "host:port".
struct admin *admin_start(const char *address, const struct metrics *metrics, const char *(*ready)(void *context),
                          void *context);  // NULL if it cannot listen
void admin_stop(struct admin *admin);

#endif

// Whether a request comes from a page of our own. Browsers say whose page it is that asks (Origin), and send the cookie
// whoever that is. Pure; any thread.
#ifndef MUSTER_ORIGIN_H
#define MUSTER_ORIGIN_H

#include <stdbool.h>

// Headers as they came, NULL if absent; proto: "https" or "http" if the edge says so, else NULL. Who sends no Origin is
// no browser, and has no cookie that was not given to it: true.
bool origin_is_ours(const char *origin, const char *host, const char *proto);

#endif

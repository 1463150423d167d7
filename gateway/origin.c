// An origin is SCHEME://HOST or SCHEME://HOST:PORT (RFC 6454 6.1), with the port left out where Host leaves it out,
// too.
#include "origin.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

bool origin_is_ours(const char *origin, const char *host, const char *proto) {
  if (!origin) return true;
  const char *authority = strstr(origin, "://");
  if (!authority || !host || !*host) return false;
  size_t scheme = (size_t)(authority - origin);
  bool https = scheme == 5 && strncasecmp(origin, "https", 5) == 0;
  bool http = scheme == 4 && strncasecmp(origin, "http", 4) == 0;
  // A page that came without TLS may be anybody's who is on the way.
  if (proto && strcasecmp(proto, "https") == 0) http = false;
  if (proto && strcasecmp(proto, "http") == 0) https = false;
  return (http || https) && strcasecmp(authority + 3, host) == 0;
}

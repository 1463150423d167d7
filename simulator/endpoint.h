// Where to connect to: "host:port" and "http://host:port/path", resolved once. Any thread; blocks while it resolves.
#ifndef MUSTER_ENDPOINT_H
#define MUSTER_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

struct endpoint {
  struct sockaddr_storage address;
  char authority[272];  // host:port, as in a Host header
  char path[256];       // of a URL, without a slash at its end; may be ""
};

// NULL, or why not: a text for the user.
const char *endpoint_parse(const char *text, struct endpoint *out) __attribute__((warn_unused_result));
const char *endpoint_parse_url(const char *url, struct endpoint *out) __attribute__((warn_unused_result));

#endif

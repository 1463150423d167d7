// getaddrinfo for one address.
#include "endpoint.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

const char *endpoint_parse(const char *text, struct endpoint *out) {
  char host[256], port_text[8];
  int port;
  if (!config_address(text, host, sizeof host, &port) || port == 0) return "is not host:port";
  size_t len = strlen(host);
  if (len > 2 && host[0] == '[' && host[len - 1] == ']') {  // an IPv6 address
    memmove(host, host + 1, len - 2);
    host[len - 2] = '\0';
  }
  snprintf(port_text, sizeof port_text, "%d", port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
  if (getaddrinfo(host, port_text, &hints, &found) != 0) return "names a host that is not known";
  *out = (struct endpoint){0};
  memcpy(&out->address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  snprintf(out->authority, sizeof out->authority, "%s", text);
  return NULL;
}

const char *endpoint_parse_url(const char *url, struct endpoint *out) {
  static const char scheme[] = "http://";
  char authority[sizeof out->authority];
  if (strncmp(url, scheme, sizeof scheme - 1) != 0) return "does not begin with http://";
  const char *start = url + sizeof scheme - 1;
  size_t len = strcspn(start, "/");
  size_t path_len = strlen(start + len);
  while (path_len > 0 && start[len + path_len - 1] == '/') path_len--;
  if (len + sizeof ":80" > sizeof authority || path_len >= sizeof out->path) return "is too long";
  bool has_port = memchr(start, ':', len) != NULL;
  snprintf(authority, sizeof authority, "%.*s%s", (int)len, start, has_port ? "" : ":80");
  const char *fault = endpoint_parse(authority, out);
  if (fault) return fault;
  memcpy(out->path, start + len, path_len);
  out->path[path_len] = '\0';
  return NULL;
}

// A request and its response as the handlers see them: no HTTP library, so that handlers are plain functions. Strings
// of a request live until its handler returns.
#ifndef MUSTER_HTTP_H
#define MUSTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

#include "buffer.h"
#include "peers.h"
#include "token.h"

struct carrier;

struct http_request {
  const char *method;
  const char *path;                                                                        // decoded, begins with '/'
  const char *query;                                                                       // raw; NULL if there is none
  const char *authorization, *cookie, *if_none_match, *accept_encoding, *forwarded_proto;  // headers, NULL if absent
  char team[IDENT_MAX_BYTES + 1];                                                          // {team} of the path
  char worker[IDENT_MAX_BYTES + 1];  // {worker} of the path, "" if it has none
  char share[IDENT_MAX_BYTES + 1];   // {share} of the path
  struct token token;                // of routes that want one
  uint64_t token_hash;               // names that token
  bool shared;                       // below /api/v1/shared/: a share link's, with a cookie of its own
  struct peer client;                // whose request it is: the peer, or whom the edge speaks for
  void *connection;                  // CivetWeb's, for http_request_header
  struct carrier *carrier;           // for door_detach
};

struct http_response {
  int status;
  const char *type;      // Content-Type; NULL if there is no body
  struct buffer header;  // further lines, each ended by CRLF
  struct buffer body;
  const void *fixed;  // a body that is not ours to free, instead
  size_t fixed_len;
  bool detached;  // the socket has a new owner: nothing is to be sent
};

// Whether the edge says that the client came by TLS.
static inline bool http_request_by_tls(const struct http_request *request) {
  return request->forwarded_proto && strcasecmp(request->forwarded_proto, "https") == 0;
}

// Any other header; NULL if it is absent.
const char *http_request_header(const struct http_request *request, const char *name);

// Whether browsers shall come by TLS only from now on (SAFE_HEADERS_TLS): not to this machine by the name that all that
// is developed on it has.
static inline bool http_request_keeps_tls(const struct http_request *request) {
  const char *host = http_request_header(request, "Host");
  return http_request_by_tls(request) && host && strncasecmp(host, "localhost", 9) != 0;
}

static inline void http_header(struct http_response *response, const char *name, const char *value) {
  buffer_printf(&response->header, "%s: %s\r\n", name, value);
}

static inline void http_response_fini(struct http_response *response) {
  buffer_fini(&response->header);
  buffer_fini(&response->body);
}

#endif

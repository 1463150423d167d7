// The HTTP server: CivetWeb with a small pool of threads. It reads requests, asks routes.c, and writes responses; TLS
// and everything slow is the business of the proxy in front.
#ifndef MUSTER_SERVER_H
#define MUSTER_SERVER_H

#include "gateway.h"

struct server;
struct mg_context;

// Starts listening. NULL, with the reason logged, if that fails. The gateway outlives the server.
struct server *server_start(struct gateway *gateway);
void server_stop(struct server *server);  // waits for requests under way; NULL is fine

// Ends a CivetWeb that listens at this IPv4 address. mg_stop alone takes up to 2 s, because its accepting thread sleeps
// for so long; connections wake it.
void server_end(struct mg_context *context, const char *address);

#endif

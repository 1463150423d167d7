// The HTTP server: the door for clients' connections, and behind it CivetWeb with a small pool of threads. It reads
// requests, asks routes.c, and writes responses; TLS and everything slow is the business of the proxy in front.
#ifndef MUSTER_SERVER_H
#define MUSTER_SERVER_H

#include "gateway.h"

struct server;

// Starts listening. NULL, with the reason logged, if that fails. The gateway outlives the server.
struct server *server_start(struct gateway *gateway);
void server_stop(struct server *server);  // waits for requests under way; NULL is fine

#endif

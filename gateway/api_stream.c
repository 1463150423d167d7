// The handshake of a live view as Server-Sent Events: all checks, then the socket goes to the fan-out, and this thread
// is free again.
#include <stdio.h>

#include "jitter.h"
#include "safe_headers.h"
#include "view_open.h"

#define RETRY_MIN_MS 1000  // after a broken connection, browsers come back between these
#define RETRY_MAX_MS 4000

void api_stream(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  struct arrival arrival = {.protocol = VIEW_SSE};
  char head[1280];
  if (!view_open_query(gateway, request, response, &arrival.filter) ||
      !view_open_admit(gateway, request, response, &arrival.place)) {
    return;
  }
  snprintf(head, sizeof head,
           "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n"
           "X-Accel-Buffering: no\r\n" SAFE_HEADERS_DATA "%s\r\nretry: %u\n\n",
           http_request_keeps_tls(request) ? SAFE_HEADERS_TLS : "", jitter(RETRY_MIN_MS, RETRY_MAX_MS));
  response->status = 200;
  view_open_attach(gateway, request, response, head, &arrival);
}

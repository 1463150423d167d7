// The handshake of a live view over WebSocket (RFC 6455, 4.2), answered here; then the socket goes to the fan-out.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "safe_headers.h"
#include "view_open.h"
#include "ws.h"

static const struct subprotocol {
  const char *name;
  enum view_protocol protocol;
} subprotocols[] = {{"muster.v1.json", VIEW_SOCKET_JSON}, {"muster.v1.protobuf", VIEW_SOCKET_PROTOBUF}};
#define SUBPROTOCOLS (sizeof subprotocols / sizeof *subprotocols)

// Takes the next of a header's elements, which commas part; false at the end. Empty ones are passed over.
static bool next_element(const char **rest, const char **out_text, size_t *out_len) {
  const char *at = *rest + strspn(*rest, ", \t");
  size_t len = strcspn(at, ",");
  *rest = at + len;
  while (len && strchr(" \t", at[len - 1])) len--;
  *out_text = at;
  *out_len = len;
  return len > 0;
}

static bool header_has(const struct http_request *request, const char *name, const char *wanted) {
  const char *rest = http_request_header(request, name), *text;
  size_t len;
  while (rest && next_element(&rest, &text, &len)) {
    if (len == strlen(wanted) && strncasecmp(text, wanted, len) == 0) return true;
  }
  return false;
}

// The first that the client names and we speak; NULL if there is none.
static const struct subprotocol *choose(const struct http_request *request) {
  const char *rest = http_request_header(request, "Sec-WebSocket-Protocol"), *text;
  size_t len;
  while (rest && next_element(&rest, &text, &len)) {
    for (size_t i = 0; i < SUBPROTOCOLS; i++) {
      if (len == strlen(subprotocols[i].name) && memcmp(text, subprotocols[i].name, len) == 0) return &subprotocols[i];
    }
  }
  return NULL;
}

// On success, out_accept is what proves to the client that it was understood.
static const struct subprotocol *check_handshake(const struct http_request *request, struct http_response *response,
                                                 char out_accept[WS_ACCEPT_BYTES]) {
  const char *version = http_request_header(request, "Sec-WebSocket-Version");
  const char *key = http_request_header(request, "Sec-WebSocket-Key");
  const struct subprotocol *chosen = choose(request);
  if (!header_has(request, "Upgrade", "websocket") || !header_has(request, "Connection", "Upgrade")) {
    http_header(response, "Upgrade", "websocket");
    http_header(response, "Connection", "Upgrade");
    api_fail(response, 426, "upgrade_required", "this path is for WebSocket handshakes (RFC 6455) only");
  } else if (!version || strcmp(version, "13") != 0) {
    http_header(response, "Sec-WebSocket-Version", "13");
    api_fail(response, 426, "upgrade_required", "Sec-WebSocket-Version must be 13");
  } else if (!key || !ws_accept(key, out_accept)) {
    api_fail(response, 400, "bad_handshake", "Sec-WebSocket-Key must be 16 bytes in base64");
  } else if (!chosen) {
    api_fail(response, 400, "bad_handshake", "Sec-WebSocket-Protocol must name muster.v1.json or muster.v1.protobuf");
  } else {
    return api_same_origin(request, response) ? chosen : NULL;
  }
  return NULL;
}

void api_socket(struct gateway *gateway, struct http_request *request, struct http_response *response) {
  struct arrival arrival = {0};
  char accept[WS_ACCEPT_BYTES], head[1280];
  const struct subprotocol *chosen = check_handshake(request, response, accept);
  if (!chosen || !view_open_query(gateway, request, response, &arrival.filter) ||
      !view_open_admit(gateway, request, response, &arrival.place)) {
    return;
  }
  arrival.protocol = chosen->protocol;
  snprintf(head, sizeof head,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n" SAFE_HEADERS_DATA "%s\r\n",
           accept, chosen->name, http_request_keeps_tls(request) ? SAFE_HEADERS_TLS : "");
  response->status = 101;
  view_open_attach(gateway, request, response, head, &arrival);
}

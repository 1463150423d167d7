// What every answer tells browsers about itself, whichever part of the gateway writes it. CORS headers are not among
// it: no page but our own may read an answer.
#ifndef MUSTER_SAFE_HEADERS_H
#define MUSTER_SAFE_HEADERS_H

#define SAFE_HEADERS                                                                             \
  "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n" \
  "Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n"     \
  "Permissions-Policy: camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), usb=()\r\n"
// The same of what is no page, and so needs nothing of what pages may do.
#define SAFE_HEADERS_DATA SAFE_HEADERS "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
// Only when the edge says that the client came by TLS: over plain HTTP browsers pass it over (RFC 6797 7.2). See
// http_request_keeps_tls.
#define SAFE_HEADERS_TLS "Strict-Transport-Security: max-age=31536000\r\n"

#endif

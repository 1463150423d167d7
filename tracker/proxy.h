// What the edge says in front of a device's first byte: the device's address, by the PROXY protocol, version 2.
// Source: haproxy.org, doc/proxy-protocol.txt, section 2.2. Strict: a header that is not exactly of that form, of TCP,
// is refused, because whoever trusts it believes its address. Pure.
#ifndef MUSTER_PROXY_H
#define MUSTER_PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "peers.h"

// With everything behind the addresses (TLVs, which are passed over). The edge sends 28 or 52.
#define PROXY_MAX_BYTES 536

enum proxy_status { PROXY_PART, PROXY_WHOLE, PROXY_BAD };

// Looks at the first bytes of a connection. PROXY_WHOLE: *out_used bytes are the header, and *out_source whom the edge
// speaks for; not known (family 0) if it speaks for itself, as in a health check.
enum proxy_status proxy_parse(const uint8_t *bytes, size_t len, size_t *out_used, struct peer *out_source)
    __attribute__((warn_unused_result));

#endif

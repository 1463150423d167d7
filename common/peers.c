// Addresses, networks and judgement.
#include "peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct peer normalise(const struct in6_addr *address) {
  struct peer peer = {0};
  if (IN6_IS_ADDR_V4MAPPED(address)) {
    peer.family = 4;
    memcpy(peer.bytes, address->s6_addr + 12, 4);
  } else {
    peer.family = 6;
    memcpy(peer.bytes, address->s6_addr, 16);
  }
  return peer;
}

struct peer peer_of(const struct sockaddr *address) {
  struct peer peer = {0};
  if (address->sa_family == AF_INET) {
    peer.family = 4;
    memcpy(peer.bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
  } else if (address->sa_family == AF_INET6) {
    peer = normalise(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
  }
  return peer;
}

bool peer_parse(const char *text, size_t len, struct peer *out) {
  char copy[PEER_TEXT_BYTES];
  struct in6_addr six;
  struct peer peer = {.family = 4};
  if (len == 0 || len >= sizeof copy) return false;
  memcpy(copy, text, len);
  copy[len] = '\0';
  if (strlen(copy) != len) return false;
  if (inet_pton(AF_INET, copy, peer.bytes) != 1) {
    if (inet_pton(AF_INET6, copy, &six) != 1) return false;
    peer = normalise(&six);
  }
  *out = peer;
  return true;
}

const char *peer_text(const struct peer *peer, char out[PEER_TEXT_BYTES]) {
  bool known = peer->family && inet_ntop(peer->family == 4 ? AF_INET : AF_INET6, peer->bytes, out, PEER_TEXT_BYTES);
  if (!known) strcpy(out, "-");
  return out;
}

// ---- networks ----

static bool parse_network(const char *text, size_t len, struct peer_network *out) {
  const char *slash = memchr(text, '/', len);
  if (!peer_parse(text, slash ? (size_t)(slash - text) : len, &out->base)) return false;
  unsigned most = out->base.family == 4 ? 32 : 128, bits = most;
  if (slash) {
    const char *digit = slash + 1, *end = text + len;
    if (digit == end || end - digit > 3) return false;
    for (bits = 0; digit < end; digit++) {
      if (*digit < '0' || *digit > '9') return false;
      bits = bits * 10 + (unsigned)(*digit - '0');
    }
    if (bits > most) return false;
  }
  out->bits = (uint8_t)bits;
  return true;
}

bool peers_parse(struct peers *out, const char *text) {
  out->count = 0;
  for (const char *part = text; *part;) {
    size_t len = strcspn(part, ",");
    if (out->count == PEERS_MAX || !parse_network(part, len, &out->edges[out->count])) return false;
    out->count++;
    part += len;
    if (*part && !*++part) return false;  // a comma at the end
  }
  return true;
}

static bool contains(const struct peer_network *network, const struct peer *peer) {
  if (network->base.family != peer->family) return false;
  size_t whole = network->bits / 8;
  if (memcmp(network->base.bytes, peer->bytes, whole) != 0) return false;
  unsigned rest = network->bits % 8u;
  return rest == 0 || (network->base.bytes[whole] ^ peer->bytes[whole]) >> (8 - rest) == 0;
}

static bool is_loopback(const struct peer *peer) {
  static const uint8_t six[16] = {[15] = 1};
  return peer->family == 4 ? peer->bytes[0] == 127 : peer->family == 6 && memcmp(peer->bytes, six, sizeof six) == 0;
}

enum peers_judgement peers_judge(const struct peers *peers, const struct peer *peer) {
  for (size_t i = 0; i < peers->count; i++) {
    if (contains(&peers->edges[i], peer)) return PEERS_EDGE;
  }
  return peers->everyone || is_loopback(peer) ? PEERS_DIRECT : PEERS_STRANGER;
}

const char *peers_listen_fault(const struct peers *peers, const char *host) {
  struct peer peer;
  bool here = strcmp(host, "localhost") == 0 || (peer_parse(host, strlen(host), &peer) && is_loopback(&peer));
  if (here || peers->count > 0 || peers->everyone) return NULL;
  return "is not this machine alone: name the edge's addresses with --trusted-proxies, or say --listen-without-edge";
}

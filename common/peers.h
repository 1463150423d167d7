// Who may connect to a server of ours: the edge, which speaks for clients and names their addresses; this machine; and
// others only where that was asked for. Pure; once parsed it is only read, on any thread.
#ifndef MUSTER_PEERS_H
#define MUSTER_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// An address without a port. An IPv4 address that came as IPv6 (::ffff:…) is IPv4.
struct peer {
  uint8_t family;  // 4 or 6; 0: not known
  uint8_t bytes[16];
};

struct peer peer_of(const struct sockaddr *address);
bool peer_parse(const char *text, size_t len, struct peer *out) __attribute__((warn_unused_result));
#define PEER_TEXT_BYTES 46
const char *peer_text(const struct peer *peer, char out[PEER_TEXT_BYTES]);  // "-" if it is not known
#define PEER_TEXT(peer) peer_text(peer, (char[PEER_TEXT_BYTES]){0})

#define PEERS_MAX 64

struct peers {
  struct peer_network {
    struct peer base;
    uint8_t bits;
  } edges[PEERS_MAX];
  size_t count;
  bool everyone;  // strangers, too: there is no edge
};

// Addresses and networks (10.0.0.0/8, 2001:db8::/32, 192.0.2.7) with commas between. False if it is none of that.
bool peers_parse(struct peers *out, const char *text) __attribute__((warn_unused_result));

enum peers_judgement {
  PEERS_EDGE,     // what it says of the client is believed, and has to be said
  PEERS_DIRECT,   // a client itself
  PEERS_STRANGER  // has no business here
};
enum peers_judgement peers_judge(const struct peers *peers, const struct peer *peer);

// Whether to listen there is safe, or was asked for: loopback, an edge to trust, or everyone. NULL, or what is missing.
const char *peers_listen_fault(const struct peers *peers, const char *host);

#endif

// 12 bytes of signature, version and command, family, length; then addresses and ports, then TLVs.
#include "proxy.h"

#include <netinet/in.h>
#include <string.h>

#define HEAD_BYTES 16
#define ADDRESSES_4 12
#define ADDRESSES_6 36

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum { LOCAL = 0x20, PROXY = 0x21, UNSPECIFIED = 0x00, TCP_4 = 0x11, TCP_6 = 0x21 };

// Bytes of the addresses; -1 if such a header is not for us.
static int addresses_bytes(uint8_t command, uint8_t family) {
  if (command == LOCAL) return family == UNSPECIFIED ? 0 : -1;
  if (command != PROXY) return -1;
  return family == TCP_4 ? ADDRESSES_4 : family == TCP_6 ? ADDRESSES_6 : -1;
}

static bool are_tlvs(const uint8_t *bytes, size_t len) {
  while (len >= 3) {
    size_t tlv = 3 + ((size_t)bytes[1] << 8 | bytes[2]);
    if (tlv > len) return false;
    bytes += tlv;
    len -= tlv;
  }
  return len == 0;
}

static struct peer source_of(uint8_t family, const uint8_t *bytes) {
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  if (family == UNSPECIFIED) return (struct peer){0};
  memcpy(&four.sin_addr, bytes, 4);
  if (family == TCP_6) memcpy(&six.sin6_addr, bytes, 16);
  return peer_of(family == TCP_4 ? (const struct sockaddr *)&four : (const struct sockaddr *)&six);
}

enum proxy_status proxy_parse(const uint8_t *bytes, size_t len, size_t *out_used, struct peer *out_source) {
  size_t seen = len < sizeof signature ? len : sizeof signature;
  if (memcmp(bytes, signature, seen) != 0) return PROXY_BAD;
  if (len >= 13 && bytes[12] != LOCAL && bytes[12] != PROXY) return PROXY_BAD;
  if (len < HEAD_BYTES) return PROXY_PART;
  int addresses = addresses_bytes(bytes[12], bytes[13]);
  size_t rest = (size_t)bytes[14] << 8 | bytes[15];
  if (addresses < 0 || rest < (size_t)addresses || HEAD_BYTES + rest > PROXY_MAX_BYTES) return PROXY_BAD;
  if (len < HEAD_BYTES + rest) return PROXY_PART;
  if (!are_tlvs(bytes + HEAD_BYTES + addresses, rest - (size_t)addresses)) return PROXY_BAD;
  *out_source = source_of(bytes[13], bytes + HEAD_BYTES);
  *out_used = HEAD_BYTES + rest;
  return PROXY_WHOLE;
}

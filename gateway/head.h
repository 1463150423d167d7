// The head of an HTTP request: request line and header lines, up to the empty one. Pure.
//
// Where it ends is found by exactly the rules of CivetWeb 1.15 (get_http_header_len and parse_http_request), because
// the door gives CivetWeb one head at a time, and both must mean the same bytes by it.
#ifndef MUSTER_HEAD_H
#define MUSTER_HEAD_H

#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX_BYTES 16384u

enum head_status {
  HEAD_PART,   // more is needed
  HEAD_WHOLE,  // *out_len bytes, the empty line included
  HEAD_BAD,    // no HTTP, or too long
};

// A head that begins with white space is refused: CivetWeb would skip it, and look for the end elsewhere than we do.
enum head_status head_scan(const uint8_t *bytes, size_t len, size_t *out_len) __attribute__((warn_unused_result));

// What a head's Connection fields are called after head_own_connection.
#define HEAD_CONNECTION "Hop-Option"

// Renames all Connection fields of a whole head, in place. They are about the client's connection to us, not about
// ours to CivetWeb, which would close that as it is told to.
void head_own_connection(uint8_t *head, size_t len);

#endif

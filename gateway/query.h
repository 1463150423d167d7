// The query of a URL: "interval_ms=250&x=%41". Pure; any thread.
#ifndef MUSTER_QUERY_H
#define MUSTER_QUERY_H

#include <stdbool.h>
#include <stddef.h>

enum query_status { QUERY_PAIR, QUERY_END, QUERY_BAD };

#define QUERY_TEXT_BYTES 128  // the longest name or value, decoded, with its NUL

struct query_pair {
  char name[QUERY_TEXT_BYTES];
  char value[QUERY_TEXT_BYTES];  // "" if there was no '='
};

// Takes the next pair off *rest, percent-decoded, with '+' as a space (WHATWG URL, "urlencoded parsing"). QUERY_BAD if
// it is too long, has a '%' without two hex digits, or decodes to a control character. rest may point to NULL.
enum query_status query_next(const char **rest, struct query_pair *out_pair) __attribute__((warn_unused_result));

// A whole number without sign, from min to max.
bool query_number(const char *text, long min, long max, long *out_number) __attribute__((warn_unused_result));

// Finds the value of a cookie in a Cookie header (RFC 6265); false if it is not there. out points into header.
bool query_cookie(const char *header, const char *name, const char **out_value, size_t *out_len)
    __attribute__((warn_unused_result));

// True if an Accept-Encoding header (or NULL) takes gzip: named, and not with q=0 (RFC 9110 12.5.3).
bool query_accepts_gzip(const char *header);

// True if an If-None-Match header (or NULL) names this entity tag, weakly compared, or is "*" (RFC 9110 13.1.2).
bool query_matches_etag(const char *header, const char *etag);

#endif

// Moments as text: what clients may write in a query, and how GeoJSON says them. Pure; any thread.
#ifndef MUSTER_TIME_TEXT_H
#define MUSTER_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_TEXT_BYTES 28                           // "2026-01-02T03:04:05.678901Z" and its NUL
#define TIME_TEXT_MAX_US (253402300799LL * 1000000)  // the last second of the year 9999

// Reads microseconds since 1970, exactly, from one of
//   2026-01-02T03:04:05Z   RFC 3339, with up to six decimals of a second, and Z or an offset such as +02:00; the '+'
//   may
//                          have become a space, as in a query it does
//   1767323045             Unix seconds, with up to six decimals
// False if it is neither, is before 1970, or is beyond TIME_TEXT_MAX_US.
bool time_text_parse(const char *text, int64_t *out_us) __attribute__((warn_unused_result));

// Writes RFC 3339 in UTC with six decimals and a NUL; us from 0 to TIME_TEXT_MAX_US plus a second, else it is cut off
// at these ends.
void time_text_format(char out[TIME_TEXT_BYTES], int64_t us);

#endif

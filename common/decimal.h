// Decimal text to a scaled integer, exactly: no floating point, so "47.3768812" is 473768812 and nothing near it. Pure.
#ifndef MUSTER_DECIMAL_H
#define MUSTER_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads all len bytes as [+-]digits[.digits] and gives the value times 10^scale (scale at most 9), rounded to the
// nearest, half away from zero, where the text has more decimals. False if the text is anything else (an exponent,
// spaces, no digit) or the result is beyond ±9·10^17.
bool decimal_parse(const char *text, size_t len, unsigned scale, int64_t *out_value)
    __attribute__((warn_unused_result));

// "LATITUDE,LONGITUDE" in degrees to 1e-7 degrees. False if it is no place on earth.
bool decimal_place(const char *text, int32_t *out_latitude_e7, int32_t *out_longitude_e7)
    __attribute__((warn_unused_result));

// One coordinate in degrees, within ±limit degrees, to 1e-7 degrees.
bool decimal_degrees(const char *text, size_t len, int limit, int32_t *out_e7) __attribute__((warn_unused_result));

#endif

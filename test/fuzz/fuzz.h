// What a fuzz target has: LLVMFuzzerTestOneInput, which libFuzzer calls with any bytes, and fuzz_check for what must
// hold of them. Bytes lie in memory of exactly their size, so a sanitizer sees who reads beyond them.
#ifndef MUSTER_FUZZ_H
#define MUSTER_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

// Like assert, but also in a build without.
#define fuzz_check(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

static inline _Noreturn void fuzz_fail(const char *condition, const char *file, int line) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  abort();
}

#endif

// What a fuzz target is: a parser, what must hold of it for any bytes, and some good inputs to begin with. fuzz.c has
// the rest. Targets fit libFuzzer as well.
#ifndef MUSTER_FUZZ_H
#define MUSTER_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_INPUT_MAX 10000

// Ends the program if anything is wrong. Returns 0.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

// Writes the index-th input to begin with, at most FUZZ_INPUT_MAX bytes; false if there are no more.
typedef uint8_t fuzz_input[FUZZ_INPUT_MAX];
_Bool fuzz_seed(size_t index, fuzz_input to, size_t *out_len);

// Like assert, but also in a build without.
#define fuzz_check(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_fail(const char *condition, const char *file, int line);

#endif

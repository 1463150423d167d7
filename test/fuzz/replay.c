// Runs a fuzz target once on each file given, without libFuzzer: for builds that measure coverage.
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (1u << 20)

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    uint8_t *bytes = malloc(INPUT_MAX);
    if (!file || !bytes) {
      perror(argv[i]);
      return 1;
    }
    size_t len = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    uint8_t *exact = malloc(len + 1);
    if (!exact) abort();
    memcpy(exact, bytes, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    free(bytes);
  }
  return 0;
}

// Runs a fuzz target: takes an input that is known, changes it a little, and keeps it if it led through code that no
// other did (gcc -fsanitize-coverage=trace-pc; this file is compiled without). Debian's gcc has no libFuzzer, and
// clang's is a package of its own.
//
//   fuzz_ws RUNS SEED                  the same SEED does the same runs
//   fuzz_ws replay < fuzz_ws.failure   one run
//
// A failure, be it the target's or a sanitizer's, leaves its input in PROGRAM.failure.
#include "fuzz.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CORPUS_MAX 4096
#define HANG_S 20
#define BATCH 1000  // runs for which one HANG_S is allowed

struct input {
  uint8_t *bytes;
  size_t len;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;
static uint64_t random_state;
static char failure_path[4096];
static const uint8_t *running;
static size_t running_len;

// ---- coverage ----

static uint8_t seen[1 << 16];  // steps from one place in the program to the next, by hash
static size_t seen_count;
static uintptr_t last_place;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
  // From where this file is, because the program is loaded somewhere else each time.
  uintptr_t place = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&__sanitizer_cov_trace_pc;
  place *= 0x9e3779b97f4a7c15u;
  size_t step = (place >> 40 ^ last_place >> 41) % sizeof seen;
  last_place = place;
  seen_count += !seen[step];
  seen[step] = 1;
}

// ---- failures ----

// Where a signal or a sanitizer has stopped the target: system calls only.
static void leave_input(void) {
  if (!running || !failure_path[0]) return;
  int fd = open(failure_path, O_CREAT | O_TRUNC | O_WRONLY, 0666);
  ssize_t written = fd < 0 ? -1 : write(fd, running, running_len);
  static const char there[] = "fuzz: the input is in ", nowhere[] = "fuzz: cannot write ";
  const char *text = written == (ssize_t)running_len ? there : nowhere;
  if (write(2, text, strlen(text)) < 0 || write(2, failure_path, strlen(failure_path)) < 0 || write(2, "\n", 1) < 0)
    return;
  running = NULL;
}

static void on_signal(int signal_number) {
  static const char hangs[] = "fuzz: the target hangs\n";
  if (signal_number == SIGALRM && write(2, hangs, sizeof hangs - 1) < 0) _exit(1);
  leave_input();
  _exit(1);
}

void fuzz_fail(const char *condition, const char *file, int line) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  leave_input();
  _exit(1);
}

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void catch_failures(const char *program) {
  snprintf(failure_path, sizeof failure_path, "%s.failure", program);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(leave_input);
  signal(SIGABRT, on_signal);
  signal(SIGALRM, on_signal);
}

// ---- runs ----

static uint64_t random_below(uint64_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (random_state * 0x2545f4914f6cdd1du >> 11) % limit;
}

// In memory of exactly its size, so that a sanitizer sees an overrun. True if it led somewhere new.
static bool run(const uint8_t *bytes, size_t len) {
  uint8_t *exact = malloc(len ? len : 1);
  memcpy(exact, bytes, len);
  size_t before = seen_count;
  last_place = 0;
  running = exact;
  running_len = len;
  LLVMFuzzerTestOneInput(exact, len);
  running = NULL;
  free(exact);
  return seen_count > before;
}

static void keep(const uint8_t *bytes, size_t len) {
  size_t at = corpus_count < CORPUS_MAX ? corpus_count++ : random_below(CORPUS_MAX);
  free(corpus[at].bytes);
  corpus[at] = (struct input){malloc(len ? len : 1), len};
  memcpy(corpus[at].bytes, bytes, len);
}

// Puts new_len bytes where old_len were, as far as there is room.
static size_t replace(fuzz_input input, size_t len, size_t at, size_t old_len, const uint8_t *with, size_t new_len) {
  if (len - old_len + new_len > FUZZ_INPUT_MAX) return len;
  memmove(input + at + new_len, input + at + old_len, len - at - old_len);
  if (new_len > 0) memcpy(input + at, with, new_len);
  return len - old_len + new_len;
}

static size_t mutate(fuzz_input input, size_t len) {
  static const uint8_t edges[] = {0, 1, 0x7d, 0x7e, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff};
  size_t at = random_below(len + 1), some = random_below(len - at + 1);
  if (random_below(2)) some = some < 8 ? some : random_below(8);
  uint8_t byte = random_below(2) ? (uint8_t)random_below(256) : edges[random_below(sizeof edges)];
  const struct input *other = &corpus[random_below(corpus_count)];
  size_t from = random_below(other->len + 1), part = random_below(other->len - from + 1);
  switch (at == len ? 3 + random_below(3) : random_below(7)) {
    case 0:
      input[at] ^= (uint8_t)(1 << random_below(8));
      return len;
    case 1:
      input[at] = byte;
      return len;
    case 2:
      return replace(input, len, at, some, NULL, 0);
    case 3:
      return replace(input, len, at, 0, &byte, 1);
    case 4:
      return replace(input, len, at, 0, other->bytes + from, part);
    case 5:
      return replace(input, len, at, some, other->bytes + from, part);
    default:
      input[at] = (uint8_t)(input[at] + random_below(9) - 4);
      return len;
  }
}

static void fuzz(uint64_t runs, const char *program) {
  static fuzz_input input;
  size_t len;
  for (size_t i = 0; fuzz_seed(i, input, &len); i++) {
    run(input, len);
    keep(input, len);
  }
  size_t seeds = corpus_count;
  for (uint64_t i = 0; i < runs; i++) {
    if (i % BATCH == 0) alarm(HANG_S);
    const struct input *from = &corpus[random_below(corpus_count)];
    len = from->len;
    memcpy(input, from->bytes, len);
    do len = mutate(input, len);
    while (!random_below(3));
    if (run(input, len)) keep(input, len);
  }
  alarm(0);
  printf("%s: %" PRIu64 " runs, %zu inputs made of %zu, %zu steps covered\n", program, runs, corpus_count, seeds,
         seen_count);
  for (size_t i = 0; i < corpus_count; i++) free(corpus[i].bytes);
}

static int replay(void) {
  static fuzz_input input;
  run(input, fread(input, 1, sizeof input, stdin));
  return 0;
}

int main(int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
  if (argc == 2 && strcmp(argv[1], "replay") == 0) return replay();
  if (argc != 3) {
    fprintf(stderr, "usage: %s RUNS SEED | %s replay < INPUT\n", argv[0], argv[0]);
    return 2;
  }
  random_state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
  printf("%s: SEED=%s\n", name, argv[2]);
  fflush(stdout);
  catch_failures(argv[0]);
  fuzz(strtoull(argv[1], NULL, 10), name);
  return 0;
}

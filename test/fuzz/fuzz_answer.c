// answer.c: what the head of an HTTP answer says does not depend on how it was cut, and the rest is left to the body.
#include "../../simulator/answer.h"

#include <string.h>

#include "fuzz.h"
#include "tale.h"

#define INPUT_MAX 1024

// How many bytes were taken, -1 if it is no HTTP.
static ptrdiff_t feed(struct answer *answer, const uint8_t *bytes, size_t len, size_t most) {
  static uint8_t *room;
  uint64_t seed = len;
  size_t at = 0;
  answer_init(answer);
  while (at < len && !answer->status) {
    size_t size = next_piece(&seed, most, len - at);
    ptrdiff_t taken = answer_take(answer, at_end(&room, INPUT_MAX, bytes + at, size), size);
    if (taken < 0) return -1;
    fuzz_check((size_t)taken <= size && ((size_t)taken == size || answer->status));
    at += (size_t)taken;
  }
  return (ptrdiff_t)at;
}

static void check_same(const struct answer *a, const struct answer *b) {
  fuzz_check(a->status == b->status && a->is_events == b->is_events && a->is_chunked == b->is_chunked);
  fuzz_check(a->is_socket == b->is_socket && a->retry_after_s == b->retry_after_s);
  fuzz_check(strcmp(a->accept, b->accept) == 0 && strcmp(a->protocol, b->protocol) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  if (len > INPUT_MAX) return 0;
  struct answer whole, part;
  ptrdiff_t taken = feed(&whole, bytes, len, INPUT_MAX);
  fuzz_check(feed(&part, bytes, len, 7) == taken);
  if (taken >= 0) check_same(&whole, &part);
  if (taken >= 0 && whole.status) {
    fuzz_check(whole.status == 101 || (whole.status >= 200 && whole.status <= 999));
    fuzz_check(taken >= 4 && memcmp(bytes + taken - 4, "\r\n\r\n", 4) == 0);
    fuzz_check(whole.retry_after_s >= -1 && whole.retry_after_s <= 99999);
  }
  answer_fini(&whole);
  answer_fini(&part);
  return 0;
}

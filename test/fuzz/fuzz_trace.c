// trace.c: every line of a file is a fix or is said to be bad; fixes are in order, each worker's together; and written
// as a plain CSV they are read again as they are.
#include "../../simulator/trace.h"

#include <inttypes.h>
#include <string.h>

#include "fuzz.h"

#define TEXT_MAX 4096

static uint32_t bad_calls;

static void on_bad(void *context, uint32_t line, const char *reason) {
  (void)context;
  fuzz_check(line >= 2 && reason);
  bad_calls++;
}

static uint32_t count_lines(const uint8_t *bytes, size_t len) {
  uint32_t count = 0, number = 0;
  for (size_t at = 0; at < len; number++) {
    const uint8_t *newline = memchr(bytes + at, '\n', len - at);
    size_t line = newline ? (size_t)(newline - bytes) - at : len - at;
    bool empty = line == 0 || (line == 1 && bytes[at] == '\r');
    if (number > 0 && !empty) count++;
    at += line + 1;
  }
  return count;
}

static void check_order(const struct trace *trace) {
  uint32_t next = 0;
  for (uint32_t w = 0; w < trace->worker_count; w++) {
    const struct trace_worker *worker = &trace->workers[w];
    fuzz_check(ident_valid(worker->name, strlen(worker->name)));
    fuzz_check(worker->first == next && worker->count > 0);
    for (uint32_t i = 0; i < worker->count; i++) {
      const struct trace_fix *fix = &trace->fixes[next + i];
      fuzz_check(fix->worker == w && abs(fix->latitude_e7) <= 900000000 && abs(fix->longitude_e7) <= 1800000000);
      if (i > 0) fuzz_check(fix->taken_at_us > fix[-1].taken_at_us);
    }
    next += worker->count;
    for (uint32_t other = 0; other < w; other++) fuzz_check(strcmp(worker->name, trace->workers[other].name) != 0);
  }
  fuzz_check(next == trace->fix_count);
}

static int put_degrees(char *to, int32_t e7) {
  return sprintf(to, "%s%d.%07d", e7 < 0 ? "-" : "", abs(e7) / 10000000, abs(e7) % 10000000);
}

static void check_again(const struct trace *trace) {
  static char text[TEXT_MAX * 32];
  char *to = text + sprintf(text, "worker,time,longitude,latitude\n");
  for (uint32_t i = 0; i < trace->fix_count; i++) {
    const struct trace_fix *fix = &trace->fixes[i];
    to += sprintf(to, "%s,%" PRId64 ".%06d,", trace->workers[fix->worker].name, fix->taken_at_us / 1000000,
                  (int)(fix->taken_at_us % 1000000));
    to += put_degrees(to, fix->longitude_e7);
    *to++ = ',';
    to += put_degrees(to, fix->latitude_e7);
    *to++ = '\n';
  }
  struct trace again;
  bad_calls = 0;
  fuzz_check(!trace_parse(text, (size_t)(to - text), on_bad, NULL, &again));
  fuzz_check(bad_calls == 0 && again.fix_count == trace->fix_count && again.worker_count == trace->worker_count);
  for (uint32_t i = 0; i < again.fix_count; i++) {
    const struct trace_fix *a = &trace->fixes[i], *b = &again.fixes[i];
    fuzz_check(a->taken_at_us == b->taken_at_us && a->worker == b->worker);
    fuzz_check(a->latitude_e7 == b->latitude_e7 && a->longitude_e7 == b->longitude_e7);
  }
  trace_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  struct trace trace;
  if (len > TEXT_MAX) return 0;
  bad_calls = 0;
  if (trace_parse((const char *)bytes, len, on_bad, NULL, &trace)) return 0;
  fuzz_check(trace.bad_lines == bad_calls && trace.fix_count + bad_calls == count_lines(bytes, len));
  check_order(&trace);
  check_again(&trace);
  trace_fini(&trace);
  return 0;
}

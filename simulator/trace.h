// Recorded traces: reads a CSV of fixes (columns time, worker, latitude, longitude, found by the names in the first
// line, in any order; others are passed over) into fixes sorted by worker and time. Pure.
//
// time is ISO 8601 in UTC (2020-07-18T08:00:00.5Z; "Z" or "+00:00" may be left out) or Unix seconds with an optional
// fraction; coordinates are decimal degrees, taken exactly to 1e-7. A field may stand in double quotes.
#ifndef MUSTER_TRACE_H
#define MUSTER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

struct trace_fix {
  int64_t taken_at_us;
  int32_t latitude_e7, longitude_e7;
  uint32_t worker;  // index into workers
  uint32_t line;    // of the file, from 1
};

struct trace_worker {
  char name[IDENT_MAX_BYTES + 1];
  uint32_t first, count;  // its fixes
};

struct trace {
  struct trace_fix *fixes;
  uint32_t fix_count;
  struct trace_worker *workers;
  uint32_t worker_count;
  uint32_t bad_lines;
};

// Called for each line that is not taken.
typedef void (*trace_bad)(void *context, uint32_t line, const char *reason);

// NULL, or why the whole file is no trace. On NULL, trace_fini frees what out_trace holds, which may be no fix at all.
const char *trace_parse(const char *text, size_t len, trace_bad bad, void *context, struct trace *out_trace)
    __attribute__((warn_unused_result));
void trace_fini(struct trace *trace);

// Microseconds since 1970.
bool trace_time(const char *text, size_t len, int64_t *out_us) __attribute__((warn_unused_result));

// Which of `teams` teams a worker is of, from 0: FNV-1a (64 bits) of its id, modulo teams.
uint32_t trace_team(const char *worker, uint32_t teams);

#endif

// CSV to sorted fixes.
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

enum { TIME, WORKER, LATITUDE, LONGITUDE, COLUMNS };
static const char *const column_names[COLUMNS] = {"time", "worker", "latitude", "longitude"};

struct text {
  const char *data;
  size_t len;
};

struct parser {
  struct trace trace;
  uint32_t fix_capacity, worker_capacity;
  uint32_t *slots;  // open addressing: index into workers plus 1, 0 where free
  uint32_t slot_count;
  int columns[COLUMNS];  // where each stands in a line
  trace_bad bad;
  void *context;
};

// ---- time ----

static bool two_digits(const char *text, int *out) {
  if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') return false;
  *out = (text[0] - '0') * 10 + text[1] - '0';
  return true;
}

// Days since 1970-01-01 of the proleptic Gregorian calendar.
static int64_t days_since_1970(int year, int month, int day) {
  int y = month <= 2 ? year - 1 : year;
  int era_years = y % 400, day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int day_of_era = era_years * 365 + era_years / 4 - era_years / 100 + day_of_year;
  return (int64_t)(y / 400) * 146097 + day_of_era - 719468;
}

static int days_in(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

static bool iso_time(const char *text, size_t len, int64_t *out_us) {
  int century, years, month, day, hour, minute;
  if (len > 0 && (text[len - 1] == 'Z' || text[len - 1] == 'z')) {
    len--;
  } else if (len > 6 && memcmp(text + len - 6, "+00:00", 6) == 0) {
    len -= 6;
  }
  if (len < 19 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return false;
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return false;
  if (!two_digits(text, &century) || !two_digits(text + 2, &years) || !two_digits(text + 5, &month) ||
      !two_digits(text + 8, &day) || !two_digits(text + 11, &hour) || !two_digits(text + 14, &minute)) {
    return false;
  }
  int year = century * 100 + years, seconds;
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) return false;
  if (hour > 23 || minute > 59 || !two_digits(text + 17, &seconds) || seconds > 59) return false;
  int64_t us;
  if ((len > 19 && text[19] != '.') || !decimal_parse(text + 17, len - 17, 6, &us)) return false;
  *out_us = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60000000 + us;
  return true;
}

bool trace_time(const char *text, size_t len, int64_t *out_us) {
  if (len > 4 && text[4] == '-') return iso_time(text, len, out_us);
  return len > 0 && text[0] >= '0' && text[0] <= '9' && decimal_parse(text, len, 6, out_us);
}

// ---- workers ----

static uint64_t fnv1a(const char *text, size_t len) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
  return hash;
}

uint32_t trace_team(const char *worker, uint32_t teams) {
  return (uint32_t)(fnv1a(worker, strlen(worker)) % teams);
}

static void *grow(void *items, uint32_t *capacity, size_t item_bytes) {
  *capacity = *capacity ? *capacity * 2 : 256;
  items = realloc(items, *capacity * item_bytes);
  if (!items) abort();
  return items;
}

// The slot where the worker is, or would be.
static uint32_t *find_slot(const struct parser *p, const char *name, size_t len) {
  for (uint64_t i = fnv1a(name, len);; i++) {
    uint32_t *slot = &p->slots[i & (p->slot_count - 1)];
    if (*slot == 0) return slot;
    const char *other = p->trace.workers[*slot - 1].name;
    if (strncmp(other, name, len) == 0 && other[len] == '\0') return slot;
  }
}

static void grow_slots(struct parser *p) {
  free(p->slots);
  p->slot_count = p->slot_count ? p->slot_count * 2 : 1024;
  p->slots = calloc(p->slot_count, sizeof *p->slots);
  if (!p->slots) abort();
  for (uint32_t i = 0; i < p->trace.worker_count; i++) {
    const char *name = p->trace.workers[i].name;
    *find_slot(p, name, strlen(name)) = i + 1;
  }
}

static uint32_t worker_index(struct parser *p, struct text name) {
  if (p->trace.worker_count * 2 >= p->slot_count) grow_slots(p);
  uint32_t *slot = find_slot(p, name.data, name.len);
  if (*slot == 0) {
    if (p->trace.worker_count == p->worker_capacity) {
      p->trace.workers = grow(p->trace.workers, &p->worker_capacity, sizeof *p->trace.workers);
    }
    struct trace_worker *worker = &p->trace.workers[p->trace.worker_count++];
    *worker = (struct trace_worker){0};
    memcpy(worker->name, name.data, name.len);
    *slot = p->trace.worker_count;
  }
  return *slot - 1;
}

// ---- lines ----

// Takes the next field off the line, without its quotes.
static struct text next_field(struct text *line) {
  const char *end = line->data + line->len, *at = line->data;
  bool quoted = at < end && *at == '"';
  const char *close = quoted ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
  const char *comma = memchr(close ? close : at, ',', (size_t)(end - (close ? close : at)));
  const char *stop = comma ? comma : end;
  *line = comma ? (struct text){comma + 1, (size_t)(end - comma - 1)} : (struct text){NULL, 0};
  if (close && close + 1 == stop) return (struct text){at + 1, (size_t)(close - at - 1)};
  return (struct text){at, (size_t)(stop - at)};
}

static struct text next_line(const char **at, const char *end) {
  const char *newline = memchr(*at, '\n', (size_t)(end - *at));
  const char *stop = newline ? newline : end;
  struct text line = {*at, (size_t)(stop - *at)};
  *at = newline ? newline + 1 : end;
  if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
  return line;
}

static const char *read_header(struct parser *p, struct text line) {
  static const char *const missing[COLUMNS] = {
      "the first line names no column \"time\"", "the first line names no column \"worker\"",
      "the first line names no column \"latitude\"", "the first line names no column \"longitude\""};
  if (line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {  // a byte order mark
    line = (struct text){line.data + 3, line.len - 3};
  }
  for (int i = 0; i < COLUMNS; i++) p->columns[i] = -1;
  for (int column = 0; line.data; column++) {
    struct text field = next_field(&line);
    for (int i = 0; i < COLUMNS; i++) {
      bool same = field.len == strlen(column_names[i]) && memcmp(field.data, column_names[i], field.len) == 0;
      if (same && p->columns[i] < 0) p->columns[i] = column;
    }
  }
  for (int i = 0; i < COLUMNS; i++) {
    if (p->columns[i] < 0) return missing[i];
  }
  return NULL;
}

// NULL, or why the line is bad.
static const char *read_line(struct parser *p, struct text line, uint32_t number) {
  struct text fields[COLUMNS] = {{0}};
  for (int column = 0; line.data; column++) {
    struct text field = next_field(&line);
    for (int i = 0; i < COLUMNS; i++) {
      if (p->columns[i] == column) fields[i] = field;
    }
  }
  struct trace_fix fix = {.line = number};
  if (!fields[TIME].data || !fields[WORKER].data || !fields[LATITUDE].data || !fields[LONGITUDE].data) {
    return "a column is missing";
  }
  if (!trace_time(fields[TIME].data, fields[TIME].len, &fix.taken_at_us)) {
    return "time is neither ISO 8601 in UTC nor Unix seconds";
  }
  if (!ident_valid(fields[WORKER].data, fields[WORKER].len)) return "worker is no id ([A-Za-z0-9_-], at most 64)";
  if (!decimal_degrees(fields[LATITUDE].data, fields[LATITUDE].len, 90, &fix.latitude_e7)) {
    return "latitude is no number from -90 to 90";
  }
  if (!decimal_degrees(fields[LONGITUDE].data, fields[LONGITUDE].len, 180, &fix.longitude_e7)) {
    return "longitude is no number from -180 to 180";
  }
  fix.worker = worker_index(p, fields[WORKER]);
  if (p->trace.fix_count == p->fix_capacity) {
    p->trace.fixes = grow(p->trace.fixes, &p->fix_capacity, sizeof *p->trace.fixes);
  }
  p->trace.fixes[p->trace.fix_count++] = fix;
  return NULL;
}

static void bad_line(struct parser *p, uint32_t line, const char *reason) {
  p->trace.bad_lines++;
  p->bad(p->context, line, reason);
}

// ---- order ----

static int by_worker_and_time(const void *left, const void *right) {
  const struct trace_fix *a = left, *b = right;
  if (a->worker != b->worker) return a->worker < b->worker ? -1 : 1;
  if (a->taken_at_us != b->taken_at_us) return a->taken_at_us < b->taken_at_us ? -1 : 1;
  return a->line < b->line ? -1 : 1;
}

// Sorts, and leaves out fixes with the worker and time of an earlier line: they have the same identity.
static void sort_fixes(struct parser *p) {
  struct trace *trace = &p->trace;
  uint32_t kept = 0;
  if (trace->fix_count > 0) qsort(trace->fixes, trace->fix_count, sizeof *trace->fixes, by_worker_and_time);
  for (uint32_t i = 0; i < trace->fix_count; i++) {
    struct trace_fix fix = trace->fixes[i];
    struct trace_worker *worker = &trace->workers[fix.worker];
    if (worker->count > 0 && trace->fixes[kept - 1].taken_at_us == fix.taken_at_us) {
      bad_line(p, fix.line, "an earlier line has the same worker and time");
      continue;
    }
    if (worker->count++ == 0) worker->first = kept;
    trace->fixes[kept++] = fix;
  }
  trace->fix_count = kept;
}

const char *trace_parse(const char *text, size_t len, trace_bad bad, void *context, struct trace *out_trace) {
  struct parser parser = {.bad = bad, .context = context};
  const char *at = text, *end = text + len;
  const char *fault = read_header(&parser, next_line(&at, end));
  for (uint32_t number = 2; !fault && at < end; number++) {
    struct text line = next_line(&at, end);
    const char *reason = line.len ? read_line(&parser, line, number) : NULL;
    if (reason) bad_line(&parser, number, reason);
  }
  free(parser.slots);
  if (fault) return fault;
  sort_fixes(&parser);
  *out_trace = parser.trace;
  return NULL;
}

void trace_fini(struct trace *trace) {
  free(trace->fixes);
  free(trace->workers);
  *trace = (struct trace){0};
}

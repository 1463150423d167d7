// Text, written in whole lines and always at the file's end, so that several processes can write the same file: a line
// costs about a microsecond, and nothing waits for the disk.
#include "ledger.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buffer.h"

#define BUFFER_BYTES (1u << 20)
#define LINE_BYTES 128u  // more than a fate takes

static const char *const fate_names[] = {"acked", "refused", "dropped", "unacked", "unsent"};

struct ledger {
  int fd;
  bool failed;
  struct buffer lines;
};

struct ledger *ledger_open(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return NULL;
  struct ledger *ledger = calloc(1, sizeof *ledger);
  if (!ledger) abort();
  ledger->fd = fd;
  return ledger;
}

static void flush(struct ledger *ledger) {
  struct buffer *lines = &ledger->lines;
  // A part of them would be followed by another process' lines: that is a failure, too.
  if (lines->len && write(ledger->fd, lines->data, lines->len) != (ssize_t)lines->len) ledger->failed = true;
  lines->len = 0;
}

bool ledger_close(struct ledger *ledger) {
  if (!ledger) return true;
  flush(ledger);
  bool good = !ledger->failed;
  if (close(ledger->fd) != 0) good = false;
  buffer_fini(&ledger->lines);
  free(ledger);
  return good;
}

void ledger_worker(struct ledger *ledger, uint32_t worker, const char *team, const char *name) {
  if (!ledger) return;
  buffer_printf(&ledger->lines, "worker %" PRIu32 " %s %s\n", worker, team, name);
  if (ledger->lines.len >= BUFFER_BYTES) flush(ledger);
}

void ledger_note(struct ledger *ledger, enum ledger_fate fate, uint32_t worker, const struct position *position,
                 int64_t at_us) {
  if (!ledger) return;
  char *to = (char *)buffer_reserve(&ledger->lines, LINE_BYTES);
  int len =
      snprintf(to, LINE_BYTES, "%s %" PRIu32 " %" PRId64 " %" PRId32 " %" PRId32 " %" PRId64 "\n", fate_names[fate],
               worker, position->taken_at_us, position->latitude_e7, position->longitude_e7, at_us);
  ledger->lines.len += (size_t)len;
  if (ledger->lines.len >= BUFFER_BYTES) flush(ledger);
}

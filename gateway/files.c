// Each part keeps to its share, so that no accept and no query of ours ever finds the table full.
#include "files.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "log.h"

#define FILES_MIN 1024
#define FILES_MOST 1048576u
#define OWN 256u  // logs, NATS, Postgres, CivetWeb and its carriers, tracks
#define GUESTS_SHARE 8u
#define GUESTS_MOST 8192u

bool files_prepare(struct files *out_files) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < FILES_MIN) {
    log_error("too_few_files", "limit=%" PRIu64 " needed=%d hint=\"raise ulimit -n\"", (uint64_t)limit.rlim_cur,
              FILES_MIN);
    return false;
  }
  out_files->limit = limit.rlim_cur < FILES_MOST ? (unsigned)limit.rlim_cur : FILES_MOST;
  out_files->guests = out_files->limit / GUESTS_SHARE;
  if (out_files->guests > GUESTS_MOST) out_files->guests = GUESTS_MOST;
  out_files->viewers = out_files->limit - out_files->guests - OWN;
  log_info("file_limit", "files=%u guests=%u viewers=%u", out_files->limit, out_files->guests, out_files->viewers);
  return true;
}

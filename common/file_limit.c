// getrlimit(2).
#include "file_limit.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "log.h"

unsigned file_limit_raise(unsigned least, unsigned most) {
  struct rlimit limit = {0};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < least) {
    log_error("too_few_files", "limit=%" PRIu64 " needed=%u hint=\"raise ulimit -n\"", (uint64_t)limit.rlim_cur, least);
    return 0;
  }
  return limit.rlim_cur < most ? (unsigned)limit.rlim_cur : most;
}

// Each part keeps to its share, so that no accept and no query of ours ever finds the table full.
#include "files.h"

#include "file_limit.h"
#include "log.h"

#define FILES_MIN 1024u
#define FILES_MOST 1048576u
#define OWN 256u  // logs, NATS, Postgres, CivetWeb and its carriers, tracks
#define GUESTS_SHARE 8u
#define GUESTS_MOST 8192u

bool files_prepare(struct files *out_files) {
  out_files->limit = file_limit_raise(FILES_MIN, FILES_MOST);
  if (out_files->limit == 0) return false;
  out_files->guests = out_files->limit / GUESTS_SHARE;
  if (out_files->guests > GUESTS_MOST) out_files->guests = GUESTS_MOST;
  out_files->viewers = out_files->limit - out_files->guests - OWN;
  log_info("file_limit", "files=%u guests=%u viewers=%u", out_files->limit, out_files->guests, out_files->viewers);
  return true;
}

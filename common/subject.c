// NATS subjects.
#include "subject.h"

#include <stdio.h>

const char *subject_team(char *out, const char *team, size_t team_len) {
  snprintf(out, SUBJECT_BYTES, "muster.pos.%.*s", (int)team_len, team);
  return out;
}

const char *subject_log(char *out, unsigned shard) {
  snprintf(out, SUBJECT_BYTES, "muster.log.%u", shard);
  return out;
}

const char *subject_revoked(char *out, const char *kind, const unsigned char *digest, size_t digest_bytes) {
  int len = snprintf(out, SUBJECT_BYTES, "muster.revoked.%s.", kind);
  for (size_t i = 0; i < digest_bytes; i++) len += snprintf(out + len, SUBJECT_BYTES - (size_t)len, "%02x", digest[i]);
  return out;
}

const char *subject_share(char *out, const char *team, const char *id) {
  snprintf(out, SUBJECT_BYTES, "muster.share.%s.%s", team, id);
  return out;
}

const char *subject_replica(char *out, const char *kind, const char *id) {
  snprintf(out, SUBJECT_BYTES, "muster.replica.%s.%s", kind, id);
  return out;
}

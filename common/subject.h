// The one place that spells NATS subjects and the stream. Pure; any thread.
#ifndef MUSTER_SUBJECT_H
#define MUSTER_SUBJECT_H

#include <stddef.h>

#define SUBJECT_BYTES 192  // holds every subject of ours
#define SUBJECT_STREAM "MUSTER_LOG"
#define SUBJECT_ALL_LOGS "muster.log.*"
#define SUBJECT_TEAM_PREFIX "muster.pos."  // what subject_team begins with
#define SUBJECT_ALL_REPLICAS "muster.replica.>"
#define SUBJECT_ALL_TRACKERS "muster.replica.tracker.*"
#define SUBJECT_REVOKED_STREAM "MUSTER_REVOKED"
#define SUBJECT_ALL_REVOKED "muster.revoked.*.*"
#define SUBJECT_SHARE_STREAM "MUSTER_SHARES"
#define SUBJECT_ALL_SHARES "muster.share.*.*"
// Below these a program gets its answers, so that its NATS user need not be allowed to read those of others.
#define SUBJECT_TRACKER_INBOX "_INBOX.tracker"
#define SUBJECT_GATEWAY_INBOX "_INBOX.gateway"

// Write the subject into out, which has SUBJECT_BYTES, and return it. Ids must be valid ids.
const char *subject_team(char *out, const char *team, size_t team_len);
const char *subject_log(char *out, unsigned shard);
const char *subject_replica(char *out, const char *kind, const char *id);
// kind: "jti" or "holder", whose name is told by a digest: it may have characters that a subject may not.
const char *subject_revoked(char *out, const char *kind, const unsigned char *digest, size_t digest_bytes);
const char *subject_share(char *out, const char *team, const char *id);  // id: "*" for all of the team

#endif

// The share links that there are, so that every gateway can list them: a JetStream stream with one message for each
// link, asked when somebody wants to know. Whether a link is good does not depend on it: that says its token, and what
// is revoked (docs/decisions/011-share-links.md).
//
// Any thread but for new and free; has a connection to NATS from the first call on. While another thread waits for
// NATS, a call waits for a moment, and then says that NATS is away.
#ifndef MUSTER_SHARE_LOG_H
#define MUSTER_SHARE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

#define SHARE_LABEL_BYTES 128
#define SHARE_LONGEST_DAYS 30  // the stream forgets messages soon after
#define SHARE_TEAM_MAX 100     // links of one team

struct share_link {
  char id[IDENT_MAX_BYTES + 1];  // jti of its token
  char team[IDENT_MAX_BYTES + 1];
  char worker[IDENT_MAX_BYTES + 1];   // "": all of the team
  char label[SHARE_LABEL_BYTES];      // UTF-8, for people
  char made_by[IDENT_MAX_BYTES + 1];  // a token's subject: any text, cut to fit
  int64_t created_s, expires_s;       // Unix time
};

enum share_status {
  SHARE_OK,
  SHARE_UNKNOWN,  // there is no such link
  SHARE_FULL,     // the team has as many as it may
  SHARE_UNAVAILABLE,
};

struct share_log;

// Strings must outlive it.
struct share_log_options {
  const char *nats_url, *name;
  const char *inbox;  // prefix of the subjects that answers come on; NULL: any
  bool creates;       // the stream, if it is not there
};

struct share_log *share_log_new(const struct share_log_options *options);
// To be called before the library is ended; NULL is fine.
void share_log_free(struct share_log *log);

// Looks whether the stream is there.
enum share_status share_log_look(struct share_log *log) __attribute__((warn_unused_result));

enum share_status share_log_add(struct share_log *log, const struct share_link *link)
    __attribute__((warn_unused_result));
// Those of a team that have not expired by now_s, in no order; the caller frees them.
enum share_status share_log_list(struct share_log *log, const char *team, int64_t now_s, struct share_link **out_links,
                                 size_t *out_count) __attribute__((warn_unused_result));
enum share_status share_log_find(struct share_log *log, const char *team, const char *id, struct share_link *out)
    __attribute__((warn_unused_result));
// Takes it off the list, and only that.
enum share_status share_log_remove(struct share_log *log, const char *team, const char *id)
    __attribute__((warn_unused_result));

#endif

// What must be there before trackers and gateways run, and what it takes the rights of an owner to make: tables, the
// rights of the other roles on them, and the stream. A program's step of its own (`--provision only`), so that the
// servers' own roles need no such rights. Blocks; main's thread.
#ifndef MUSTER_PROVISION_H
#define MUSTER_PROVISION_H

#include <stdbool.h>

#include "embed.h"

enum provision { PROVISION_SELF, PROVISION_ONLY, PROVISION_NEVER };

// Reads "self", "only" or "never".
bool provision_parse(const char *text, enum provision *out) __attribute__((warn_unused_result));

struct provision_config {
  const char *nats_url, *database_url;
  const struct embedded *schema;
  long log_max_age_s, log_max_bytes;
};

// Does it all, once; what is there already stays. False, with the reason logged, if something could not be done.
bool provision_run(const struct provision_config *config) __attribute__((warn_unused_result));

#endif

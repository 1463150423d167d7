// Postgres first, because it tells more clearly when a role lacks rights: NATS only falls silent.
#include "provision.h"

#include <nats/nats.h>
#include <string.h>

#include "jetstream.h"
#include "log.h"
#include "revocation_log.h"
#include "share_log.h"
#include "store.h"
#include "stream.h"
#include "subject.h"

#define WAIT_MS 5000

bool provision_parse(const char *text, enum provision *out) {
  static const char *const names[] = {"self", "only", "never"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(text, names[i]) == 0) return *out = (enum provision)i, true;
  }
  return false;
}

static bool prepare_database(const struct provision_config *config) {
  struct store *store = store_open(config->database_url);
  bool good = store && store_migrate(store, config->schema);
  store_close(store);
  return good;
}

static bool prepare_log(const struct provision_config *config) {
  struct stream_limits limits = {config->log_max_age_s, config->log_max_bytes};
  struct jetstream jetstream = {.url = config->nats_url, .name = "muster-provision", .wait_ms = WAIT_MS};
  natsStatus status = jetstream_connect(&jetstream);
  if (status == NATS_OK) status = stream_ensure(jetstream.js, &limits, true, NULL);
  jetstream_hang_up(&jetstream);
  nats_CloseAndWait(WAIT_MS);
  if (status != NATS_OK)
    log_error("stream_failed", "stream=%s fault=\"%s\"", SUBJECT_STREAM, natsStatus_GetText(status));
  return status == NATS_OK;
}

// The stream of what is revoked, which has a home of its own.
static bool prepare_revocations(const struct provision_config *config) {
  struct revoked *revoked = revoked_new();
  struct revocation_log *log = revocation_log_new(&(struct revocation_log_options){
      .nats_url = config->nats_url, .name = "muster-provision", .creates = true, .revoked = revoked});
  bool good = revocation_log_read(log);
  revocation_log_free(log);
  revoked_free(revoked);
  return good;
}

static bool prepare_shares(const struct provision_config *config) {
  struct share_log *log = share_log_new(
      &(struct share_log_options){.nats_url = config->nats_url, .name = "muster-provision", .creates = true});
  bool good = share_log_look(log) == SHARE_OK;
  share_log_free(log);
  return good;
}

bool provision_run(const struct provision_config *config) {
  return prepare_database(config) && prepare_revocations(config) && prepare_shares(config) && prepare_log(config);
}

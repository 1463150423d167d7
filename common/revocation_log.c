// The stream and the thread that looks at it.
#include "revocation_log.h"

#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "jetstream.h"
#include "log.h"
#include "revocation.pb-c.h"
#include "subject.h"

#define LOOK_US 1000000
#define TIDY_LOOKS 60u
#define WAIT_MS 1000
// Beyond it nothing more can be revoked, which is said to whoever tries; forgetting some would give their tokens back.
#define ENTRIES_MAX 100000
#define MESSAGE_MAX_BYTES 1024

struct revocation_log {
  struct revocation_log_options options;
  pthread_mutex_t lock;  // of all below; held while NATS is asked
  pthread_cond_t wake;
  struct jetstream jetstream;
  int64_t created_at;  // of the stream that was read, as NATS has it
  uint64_t next;       // message to be read
  bool heard;          // the last time NATS was asked
  _Atomic bool stopping;
  bool threaded;
  pthread_t thread;
};

struct revocation_log *revocation_log_new(const struct revocation_log_options *options) {
  struct revocation_log *log = calloc(1, sizeof *log);
  if (!log) abort();
  log->options = *options;
  log->jetstream =
      (struct jetstream){.url = options->nats_url, .name = options->name, .inbox = options->inbox, .wait_ms = WAIT_MS};
  log->heard = true;
  pthread_mutex_init(&log->lock, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&log->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return log;
}

// ---- the stream; all with the lock held ----

static const struct jetstream_stream stream = {.name = SUBJECT_REVOKED_STREAM,
                                               .subjects = SUBJECT_ALL_REVOKED,
                                               .max_messages = ENTRIES_MAX,
                                               .max_per_subject = 1,
                                               .max_message_bytes = MESSAGE_MAX_BYTES};

static natsStatus look(struct revocation_log *log, jsStreamInfo **out_info) {
  natsStatus status = jetstream_connect(&log->jetstream);
  jsCtx *js = log->jetstream.js;
  if (status == NATS_OK) status = js_GetStreamInfo(out_info, js, SUBJECT_REVOKED_STREAM, NULL, NULL);
  return status == NATS_NOT_FOUND && log->options.creates ? jetstream_create(js, &stream, NULL, out_info) : status;
}

// ---- messages ----

static void copy_text(char *to, size_t bytes, const char *text) {
  snprintf(to, bytes, "%s", text ? text : "");
}

// False if it is none of ours, or says something that this version does not understand.
static bool unpack(natsMsg *message, struct revocation *out) {
  Muster__Revocation *r = muster__revocation__unpack(NULL, (size_t)natsMsg_GetDataLength(message),
                                                     (const uint8_t *)natsMsg_GetData(message));
  if (!r) return false;
  *out = (struct revocation){.issued_until_s = r->issued_until_s, .until_s = r->until_s, .at_us = r->at_us};
  copy_text(out->id, sizeof out->id, r->jti);
  copy_text(out->holder, sizeof out->holder, r->holder);
  copy_text(out->reason, sizeof out->reason, r->reason);
  bool whole = strlen(r->jti ? r->jti : "") < sizeof out->id && strlen(r->holder ? r->holder : "") < sizeof out->holder;
  muster__revocation__free_unpacked(r, NULL);
  return whole && (*out->id || *out->holder);
}

static size_t pack(const struct revocation *r, uint8_t out[MESSAGE_MAX_BYTES]) {
  Muster__Revocation message = MUSTER__REVOCATION__INIT;
  message.jti = *r->id ? (char *)r->id : NULL;
  message.holder = *r->holder ? (char *)r->holder : NULL;
  message.has_issued_until_s = *r->holder != '\0';
  message.issued_until_s = r->issued_until_s;
  message.has_until_s = message.has_at_us = 1;
  message.until_s = r->until_s;
  message.at_us = r->at_us;
  message.reason = *r->reason ? (char *)r->reason : NULL;
  return muster__revocation__pack(&message, out);  // its texts are short
}

// NATS_NOT_FOUND: there is no such message any more, or it says nothing.
static natsStatus get(struct revocation_log *log, uint64_t sequence, struct revocation *out) {
  natsMsg *message = NULL;
  natsStatus status = js_GetMsg(&message, log->jetstream.js, SUBJECT_REVOKED_STREAM, sequence, NULL, NULL);
  if (status == NATS_OK && !unpack(message, out)) {
    log_error("revocation_not_understood", "sequence=%" PRIu64, sequence);
    status = NATS_NOT_FOUND;
  }
  natsMsg_Destroy(message);
  return status;
}

// ---- reading ----

static natsStatus read_new(struct revocation_log *log, const jsStreamInfo *info) {
  if (info->Created != log->created_at) {  // another one, or the first: what is known stays
    log->created_at = info->Created;
    log->next = 1;
  }
  if (log->next < info->State.FirstSeq) log->next = info->State.FirstSeq;
  for (; log->next <= info->State.LastSeq; log->next++) {
    struct revocation r;
    natsStatus status = get(log, log->next, &r);
    if (status == NATS_OK) {
      revoked_add(log->options.revoked, &r);
    } else if (status != NATS_NOT_FOUND) {
      return status;
    }
  }
  if (!revoked_known(log->options.revoked)) {
    log_info("revocations_known", "count=%zu", revoked_count(log->options.revoked));
  }
  revoked_set_known(log->options.revoked);
  return NATS_OK;
}

static bool read_locked(struct revocation_log *log) {
  jsStreamInfo *info = NULL;
  natsStatus status = look(log, &info);
  if (status == NATS_OK) status = read_new(log, info);
  jsStreamInfo_Destroy(info);
  bool heard = status == NATS_OK;
  if (heard != log->heard) {
    if (heard) log_info("revocations_heard_again", "count=%zu", revoked_count(log->options.revoked));
    if (!heard) log_warn("revocations_not_heard", "fault=\"%s\" known_ones=kept", natsStatus_GetText(status));
  }
  log->heard = heard;
  return heard;
}

bool revocation_log_read(struct revocation_log *log) {
  pthread_mutex_lock(&log->lock);
  bool heard = read_locked(log);
  pthread_mutex_unlock(&log->lock);
  return heard;
}

bool revocation_log_list(struct revocation_log *log, bool (*each)(void *context, const struct revocation *revocation),
                         void *context) {
  jsStreamInfo *info = NULL;
  pthread_mutex_lock(&log->lock);
  natsStatus status = look(log, &info);
  for (uint64_t i = info && info->State.FirstSeq ? info->State.FirstSeq : 1;
       status == NATS_OK && i <= info->State.LastSeq; i++) {
    struct revocation r;
    status = get(log, i, &r);
    if (status == NATS_OK && each(context, &r)) {
      status = js_DeleteMsg(log->jetstream.js, SUBJECT_REVOKED_STREAM, i, NULL, NULL);
    }
    if (status == NATS_NOT_FOUND) status = NATS_OK;
  }
  jsStreamInfo_Destroy(info);
  pthread_mutex_unlock(&log->lock);
  return status == NATS_OK;
}

// ---- revoking ----

// What is stored takes the place of what was revoked under the same name before, and must not revoke less.
static natsStatus add_to_older(struct revocation_log *log, const char *subject, struct revocation *r) {
  natsMsg *message = NULL;
  struct revocation older;
  natsStatus status = js_GetLastMsg(&message, log->jetstream.js, SUBJECT_REVOKED_STREAM, subject, NULL, NULL);
  if (status == NATS_OK && unpack(message, &older)) {
    if (r->issued_until_s < older.issued_until_s) r->issued_until_s = older.issued_until_s;
    if (!older.until_s || (r->until_s && r->until_s < older.until_s)) r->until_s = older.until_s;
  }
  natsMsg_Destroy(message);
  return status == NATS_NOT_FOUND ? NATS_OK : status;
}

static natsStatus store(struct revocation_log *log, const struct revocation *revocation, jsErrCode *out_error) {
  char subject[SUBJECT_BYTES];
  uint8_t bytes[MESSAGE_MAX_BYTES], digest[TOKEN_DIGEST_BYTES];
  struct revocation whole = *revocation;
  const char *name = *whole.id ? whole.id : whole.holder;
  token_digest(name, strlen(name), digest);
  subject_revoked(subject, *whole.id ? "jti" : "holder", digest, sizeof digest);
  natsStatus status = add_to_older(log, subject, &whole);
  if (status != NATS_OK) return status;
  return js_Publish(NULL, log->jetstream.js, subject, bytes, (int)pack(&whole, bytes), NULL, out_error);
}

bool revocation_log_add(struct revocation_log *log, const struct revocation *revocation,
                        char out_fault[REVOCATION_FAULT_BYTES]) {
  jsStreamInfo *info = NULL;
  jsErrCode error = 0;
  pthread_mutex_lock(&log->lock);
  natsStatus status = look(log, &info);
  if (status == NATS_OK) status = store(log, revocation, &error);
  jsStreamInfo_Destroy(info);
  pthread_mutex_unlock(&log->lock);
  if (status == NATS_OK) revoked_add(log->options.revoked, revocation);
  if (status != NATS_OK) {
    snprintf(out_fault, REVOCATION_FAULT_BYTES, "NATS: %s (JetStream error %d)", natsStatus_GetText(status),
             (int)error);
  }
  return status == NATS_OK;
}

// ---- the thread ----

static void *run(void *context) {
  struct revocation_log *log = context;
  unsigned looks = 0;
  pthread_mutex_lock(&log->lock);
  while (!log->stopping) {
    int64_t until_us = clock_mono_us() + LOOK_US;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_cond_timedwait(&log->wake, &log->lock, &until);
    if (log->stopping || clock_mono_us() < until_us) continue;
    (void)read_locked(log);
    if (++looks % TIDY_LOOKS == 0) revoked_tidy(log->options.revoked, clock_wall_us() / 1000000);
  }
  pthread_mutex_unlock(&log->lock);
  return NULL;
}

bool revocation_log_start(struct revocation_log *log) {
  (void)!revocation_log_read(log);  // it is tried again
  log->threaded = pthread_create(&log->thread, NULL, run, log) == 0;
  return log->threaded;
}

void revocation_log_end(struct revocation_log *log) {
  log->stopping = true;  // found within a second, or once NATS has answered
}

void revocation_log_free(struct revocation_log *log) {
  if (!log) return;
  pthread_mutex_lock(&log->lock);
  log->stopping = true;
  pthread_cond_signal(&log->wake);
  pthread_mutex_unlock(&log->lock);
  if (log->threaded) pthread_join(log->thread, NULL);
  jetstream_hang_up(&log->jetstream);
  pthread_cond_destroy(&log->wake);
  pthread_mutex_destroy(&log->lock);
  free(log);
}

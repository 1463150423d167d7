// A request to NATS for each thing that is asked; nothing is kept.
#include "share_log.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jetstream.h"
#include "log.h"
#include "share.pb-c.h"
#include "subject.h"

#define WAIT_MS 1000
#define LOCK_WAIT_S 2  // the HTTP server's threads are few
#define MESSAGE_MAX_BYTES 1024
#define STREAM_MAX 100000
#define DAY_NS (86400LL * 1000000000)

struct share_log {
  struct share_log_options options;
  pthread_mutex_t lock;  // of all below; held while NATS is asked
  struct jetstream jetstream;
};

struct share_log *share_log_new(const struct share_log_options *options) {
  struct share_log *log = calloc(1, sizeof *log);
  if (!log) abort();
  log->options = *options;
  log->jetstream =
      (struct jetstream){.url = options->nats_url, .name = options->name, .inbox = options->inbox, .wait_ms = WAIT_MS};
  pthread_mutex_init(&log->lock, NULL);
  return log;
}

void share_log_free(struct share_log *log) {
  if (!log) return;
  jetstream_hang_up(&log->jetstream);
  pthread_mutex_destroy(&log->lock);
  free(log);
}

// ---- the stream; with the lock held ----

static const struct jetstream_stream stream = {.name = SUBJECT_SHARE_STREAM,
                                               .subjects = SUBJECT_ALL_SHARES,
                                               .max_age_ns = (SHARE_LONGEST_DAYS + 1) * DAY_NS,
                                               .max_messages = STREAM_MAX,
                                               .max_per_subject = 1,
                                               .max_message_bytes = MESSAGE_MAX_BYTES};

// What it has on these subjects.
static natsStatus look(struct share_log *log, const char *subject, jsStreamInfo **out_info) {
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = WAIT_MS;
  options.Stream.Info.SubjectsFilter = subject;
  natsStatus status = jetstream_connect(&log->jetstream);
  jsCtx *js = log->jetstream.js;
  if (status == NATS_OK) status = js_GetStreamInfo(out_info, js, SUBJECT_SHARE_STREAM, &options, NULL);
  if (status != NATS_NOT_FOUND) return status;
  return log->options.creates ? jetstream_create(js, &stream, NULL, out_info) : NATS_NO_RESPONDERS;
}

// Begins a call: false, without the lock, if another thread waits for NATS for too long.
static bool enter(struct share_log *log) {
  struct timespec until;
#ifdef __SANITIZE_THREAD__  // that of gcc 12 does not know pthread_mutex_clocklock, and takes the lock for free
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LOCK_WAIT_S;
  return pthread_mutex_timedlock(&log->lock, &until) == 0;
#else
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += LOCK_WAIT_S;
  return pthread_mutex_clocklock(&log->lock, CLOCK_MONOTONIC, &until) == 0;
#endif
}

static enum share_status leave(struct share_log *log, const char *doing, natsStatus status) {
  pthread_mutex_unlock(&log->lock);
  if (status == NATS_OK) return SHARE_OK;
  if (status == NATS_NOT_FOUND) return SHARE_UNKNOWN;
  log_warn("share_links_failed", "doing=%s fault=\"%s\"", doing, natsStatus_GetText(status));
  return SHARE_UNAVAILABLE;
}

// ---- messages ----

static bool copy_text(char *to, size_t bytes, const char *text) {
  return (size_t)snprintf(to, bytes, "%s", text ? text : "") < bytes;
}

// False if it is none of ours, or not what its subject says.
static bool unpack(natsMsg *message, struct share_link *out) {
  char subject[SUBJECT_BYTES];
  Muster__ShareLink *m = muster__share_link__unpack(NULL, (size_t)natsMsg_GetDataLength(message),
                                                    (const uint8_t *)natsMsg_GetData(message));
  if (!m) return false;
  *out = (struct share_link){.created_s = m->created_s, .expires_s = m->expires_s};
  bool good = copy_text(out->id, sizeof out->id, m->id) && copy_text(out->team, sizeof out->team, m->team) &&
              copy_text(out->worker, sizeof out->worker, m->worker) &&
              copy_text(out->label, sizeof out->label, m->label) &&
              copy_text(out->made_by, sizeof out->made_by, m->made_by);
  muster__share_link__free_unpacked(m, NULL);
  if (!good || !ident_valid(out->id, strlen(out->id)) || !ident_valid(out->team, strlen(out->team))) return false;
  if (*out->worker && !ident_valid(out->worker, strlen(out->worker))) return false;
  return strcmp(natsMsg_GetSubject(message), subject_share(subject, out->team, out->id)) == 0;
}

static size_t pack(const struct share_link *link, uint8_t out[MESSAGE_MAX_BYTES]) {
  Muster__ShareLink m = MUSTER__SHARE_LINK__INIT;
  m.id = (char *)link->id;
  m.team = (char *)link->team;
  m.worker = *link->worker ? (char *)link->worker : NULL;
  m.label = *link->label ? (char *)link->label : NULL;
  m.made_by = (char *)link->made_by;
  m.has_created_s = m.has_expires_s = 1;
  m.created_s = link->created_s;
  m.expires_s = link->expires_s;
  return muster__share_link__pack(&m, out);  // its texts are short
}

// NATS_NOT_FOUND: there is no such message, or it says nothing.
static natsStatus get(struct share_log *log, const char *subject, struct share_link *out, uint64_t *out_sequence) {
  natsMsg *message = NULL;
  natsStatus status = js_GetLastMsg(&message, log->jetstream.js, SUBJECT_SHARE_STREAM, subject, NULL, NULL);
  if (status == NATS_OK && !unpack(message, out)) {
    log_error("share_link_not_understood", "subject=%s", LOG_TEXT(subject, strlen(subject)));
    status = NATS_NOT_FOUND;
  }
  if (status == NATS_OK) *out_sequence = natsMsg_GetSequence(message);
  natsMsg_Destroy(message);
  return status;
}

// ---- a team's ----

// With the lock held; what has expired is removed on the way.
static natsStatus read_team(struct share_log *log, const char *team, int64_t now_s, struct share_link **out_links,
                            size_t *out_count) {
  char subject[SUBJECT_BYTES];
  jsStreamInfo *info = NULL;
  natsStatus status = look(log, subject_share(subject, team, "*"), &info);
  size_t count = 0, all = info && info->State.Subjects ? (size_t)info->State.Subjects->Count : 0;
  struct share_link *links = calloc(all + 1, sizeof *links);
  if (!links) abort();
  for (size_t i = 0; status == NATS_OK && i < all; i++) {
    uint64_t sequence;
    status = get(log, info->State.Subjects->List[i].Subject, &links[count], &sequence);
    if (status == NATS_OK && links[count].expires_s <= now_s) {
      status = js_DeleteMsg(log->jetstream.js, SUBJECT_SHARE_STREAM, sequence, NULL, NULL);
    } else if (status == NATS_OK) {
      count++;
    }
    if (status == NATS_NOT_FOUND) status = NATS_OK;
  }
  jsStreamInfo_Destroy(info);
  *out_links = links;
  *out_count = count;
  return status;
}

enum share_status share_log_list(struct share_log *log, const char *team, int64_t now_s, struct share_link **out_links,
                                 size_t *out_count) {
  struct share_link *links = NULL;
  size_t count = 0;
  if (!enter(log)) return SHARE_UNAVAILABLE;
  enum share_status status = leave(log, "list", read_team(log, team, now_s, &links, &count));
  if (status == SHARE_OK) {
    *out_links = links;
    *out_count = count;
  } else {
    free(links);
  }
  return status;
}

enum share_status share_log_add(struct share_log *log, const struct share_link *link) {
  char subject[SUBJECT_BYTES];
  uint8_t bytes[MESSAGE_MAX_BYTES];
  struct share_link *links = NULL;
  size_t count = 0;
  if (!enter(log)) return SHARE_UNAVAILABLE;
  natsStatus status = read_team(log, link->team, link->created_s, &links, &count);
  free(links);
  bool full = status == NATS_OK && count >= SHARE_TEAM_MAX;
  if (status == NATS_OK && !full) {
    subject_share(subject, link->team, link->id);
    status = js_Publish(NULL, log->jetstream.js, subject, bytes, (int)pack(link, bytes), NULL, NULL);
  }
  enum share_status result = leave(log, "add", status);
  return full ? SHARE_FULL : result;
}

// ---- one ----

static natsStatus find(struct share_log *log, const char *team, const char *id, struct share_link *out,
                       uint64_t *out_sequence) {
  char subject[SUBJECT_BYTES];
  natsStatus status = jetstream_connect(&log->jetstream);
  return status == NATS_OK ? get(log, subject_share(subject, team, id), out, out_sequence) : status;
}

enum share_status share_log_find(struct share_log *log, const char *team, const char *id, struct share_link *out) {
  uint64_t sequence;
  if (!enter(log)) return SHARE_UNAVAILABLE;
  return leave(log, "find", find(log, team, id, out, &sequence));
}

enum share_status share_log_remove(struct share_log *log, const char *team, const char *id) {
  struct share_link link;
  uint64_t sequence;
  if (!enter(log)) return SHARE_UNAVAILABLE;
  natsStatus status = find(log, team, id, &link, &sequence);
  if (status == NATS_OK) status = js_DeleteMsg(log->jetstream.js, SUBJECT_SHARE_STREAM, sequence, NULL, NULL);
  return leave(log, "remove", status);
}

enum share_status share_log_look(struct share_log *log) {
  jsStreamInfo *info = NULL;
  if (!enter(log)) return SHARE_UNAVAILABLE;
  natsStatus status = look(log, NULL, &info);
  jsStreamInfo_Destroy(info);
  return leave(log, "look", status);
}

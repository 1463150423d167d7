// Looking for the stream, and creating it.
#include "stream.h"

#include "log.h"
#include "subject.h"

static natsStatus create(jsCtx *js, const struct stream_limits *limits, jsOptions *options) {
  const char *subjects[] = {SUBJECT_ALL_LOGS};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = SUBJECT_STREAM;
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardNew;
  config.MaxAge = limits->max_age_s * INT64_C(1000000000);
  config.MaxBytes = limits->max_bytes ? limits->max_bytes : -1;
  natsStatus status = js_AddStream(NULL, js, &config, options, NULL);
  if (status == NATS_OK) log_info("stream_created", "stream=%s", SUBJECT_STREAM);
  return status;
}

natsStatus stream_ensure(jsCtx *js, const struct stream_limits *limits, bool may_create, jsOptions *options) {
  jsStreamInfo *info = NULL;
  natsStatus status = js_GetStreamInfo(&info, js, SUBJECT_STREAM, options, NULL);
  jsStreamInfo_Destroy(info);
  return status == NATS_NOT_FOUND && may_create ? create(js, limits, options) : status;
}

// Looking for the stream, and creating it.
#include "stream.h"

#include "jetstream.h"
#include "subject.h"

static natsStatus create(jsCtx *js, const struct stream_limits *limits, jsOptions *options) {
  struct jetstream_stream stream = {.name = SUBJECT_STREAM,
                                    .subjects = SUBJECT_ALL_LOGS,
                                    .max_age_ns = limits->max_age_s * INT64_C(1000000000),
                                    .max_bytes = limits->max_bytes};
  return jetstream_create(js, &stream, options, NULL);
}

natsStatus stream_ensure(jsCtx *js, const struct stream_limits *limits, bool may_create, jsOptions *options) {
  jsStreamInfo *info = NULL;
  natsStatus status = js_GetStreamInfo(&info, js, SUBJECT_STREAM, options, NULL);
  jsStreamInfo_Destroy(info);
  return status == NATS_NOT_FOUND && may_create ? create(js, limits, options) : status;
}

// A connection's life: waiting, asking, following, closing.
#include "watcher.h"

#include <stdlib.h>

#include "backoff.h"
#include "log.h"
#include "random.h"
#include "source.h"
#include "steady.h"
#include "watch_frame.h"
#include "watch_proto.h"

#define SILENCE_US 40000000  // docs/http-api.md: a heartbeat comes every 15 s
#define ANSWER_US 30000000
#define LONGEST_WAIT_US 120000000

void watcher_init(struct watcher *watcher, struct watcher_host *host, enum watch_protocol protocol,
                  struct watch_team *team, const struct endpoint *http, uint32_t number, uint64_t seed,
                  int64_t connect_us) {
  *watcher = (struct watcher){
      .host = host,
      .http = http,
      .number = number,
      .random = seed,
      .connect_at_us = connect_us,
      .rows_us = connect_us,
  };
  watch_stream_init(&watcher->stream, protocol);
  watch_view_init(&watcher->view, team, host->box);
}

void watcher_fini(struct watcher *watcher) {
  watch_stream_fini(&watcher->stream);
  watch_view_fini(&watcher->view);
}

static const char *team_name(const struct watcher *watcher) {
  return watch_team_name(watcher->view.team);
}

// ---- closing ----

static void on_closed(uv_handle_t *handle) {
  struct watcher *watcher = handle->data;
  watcher->state = WATCHER_WAITING;
  watcher->host->open--;
  enum watch_protocol protocol = watcher->stream.protocol;
  watch_stream_fini(&watcher->stream);
  watch_stream_init(&watcher->stream, protocol);
}

// How long to stay away: what the gateway asked for, or ever longer after failures; the `retry` of the stream else.
static int64_t wait_us(struct watcher *watcher) {
  int64_t wait = watcher->retry_us;
  int retry_after_s = watcher->stream.answer.retry_after_s;
  if (wait < 0 && retry_after_s >= 0) wait = backoff_jitter_us((int64_t)retry_after_s * 2000000, &watcher->random);
  int64_t retry_ms = watch_stream_retry_ms(&watcher->stream);
  if (wait < 0 && watcher->watching && retry_ms >= 0) wait = backoff_jitter_us(retry_ms * 1000, &watcher->random);
  if (wait < 0) wait = backoff_us(watcher->failures, &watcher->random);
  return wait < LONGEST_WAIT_US ? wait : LONGEST_WAIT_US;
}

// A control frame to the gateway, if the socket takes it at once; one that does not read is not waited for.
static void say(struct watcher *watcher, enum message_opcode opcode, const uint8_t *bytes, size_t len) {
  uint8_t frame[MESSAGE_CONTROL_BYTES];
  uint32_t mask = (uint32_t)random_next(&watcher->random);
  uv_buf_t buf = uv_buf_init((char *)frame, (unsigned)message_control(frame, opcode, bytes, len, mask));
  uv_try_write((uv_stream_t *)&watcher->tcp, &buf, 1);
}

// Ours, or the answer to the gateway's: the same code again, or none (RFC 6455, 5.5.1).
static void say_close(struct watcher *watcher) {
  int heard = watch_stream_close_code(&watcher->stream), code = heard ? heard : MESSAGE_NORMAL;
  const uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};
  say(watcher, MESSAGE_CLOSE, bytes, code == MESSAGE_NO_CODE ? 0 : sizeof bytes);
}

void watcher_close(struct watcher *watcher, int64_t now_us) {
  if (watcher->state == WATCHER_WAITING || watcher->state == WATCHER_CLOSING) return;
  if (watcher->stream.protocol != WATCH_SSE && watch_stream_is_open(&watcher->stream)) say_close(watcher);
  watcher->connect_at_us = now_us + wait_us(watcher);
  watcher->failures = watcher->watching ? 0 : watcher->failures + 1;
  if (watcher->watching) watcher->host->watching--;
  watcher->watching = false;
  watcher->state = WATCHER_CLOSING;
  uv_close((uv_handle_t *)&watcher->tcp, on_closed);
}

// ---- events ----

// Says the first thing that breaks the rules, and counts them all.
static void count_error(struct watcher *watcher, const char *what, const void *bytes, size_t len) {
  if (watcher->host->totals.errors++ > 0) return;
  log_warn(what, "team=%s protocol=%s data=%s", team_name(watcher), watch_protocol_name(watcher->stream.protocol),
           LOG_TEXT(bytes, len));
}

static void start_watching(struct watcher *watcher) {
  if (watcher->watching) return;
  watcher->watching = true;
  watcher->host->watching++;
  watcher->ever_watching ? watcher->host->totals.reconnects++ : watcher->host->shown++;
  watcher->ever_watching = true;
}

static void take_rows(struct watcher *watcher, const struct watch_event *event) {
  struct watcher_host *host = watcher->host;
  size_t count;
  int64_t now_us = steady_us();
  if ((event->kind == WATCH_DELTA && !watcher->watching) ||
      !watch_view_take(&watcher->view, event, now_us, host->measures && !watcher->slow, &host->totals, &count)) {
    count_error(watcher, "bad_event", event->data, event->len);
    return;
  }
  if (event->kind == WATCH_SNAPSHOT) start_watching(watcher);
  if (count) host->changed_us = watcher->rows_us = now_us;
}

static bool read_retry(const struct watch_event *event, int64_t *out_ms) {
  if (event->protocol == WATCH_PROTOBUF) return watch_proto_retry(event, out_ms);
  return watch_frame_number((const char *)event->data, event->len, "retry_ms", out_ms) && *out_ms >= 0;
}

static void on_event(void *context, const struct watch_event *event) {
  struct watcher *watcher = context;
  struct viewer_totals *totals = &watcher->host->totals;
  int64_t retry_ms;
  switch (event->kind) {
    case WATCH_SNAPSHOT:
      totals->snapshots++;
      take_rows(watcher, event);
      break;
    case WATCH_DELTA:
      totals->deltas++;
      take_rows(watcher, event);
      break;
    case WATCH_HEARTBEAT:
      totals->heartbeats++;
      break;
    case WATCH_STALE:
      totals->stales++;
      break;
    case WATCH_BYE:
      totals->byes++;
      if (read_retry(event, &retry_ms)) watcher->retry_us = retry_ms * 1000;
      break;
    case WATCH_ERROR:
    case WATCH_BAD:
      count_error(watcher, event->kind == WATCH_BAD ? "bad_event" : "error_event", event->data, event->len);
      break;
    case WATCH_OTHER:
      break;
  }
}

static void on_ping(void *context, const uint8_t *bytes, size_t len) {
  say(context, MESSAGE_PONG, bytes, len);
}

// ---- reading ----

static void give_scratch(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  struct watcher *watcher = handle->data;
  *buf = uv_buf_init((char *)watcher->host->in, watcher->slow ? WATCHER_SLOW_BYTES : sizeof watcher->host->in);
}

// An answer that is no stream: 404, 429 and 503 pass, so they are only counted; others are said once.
static bool is_refused(struct watcher *watcher) {
  int status = watch_stream_refused(&watcher->stream);
  if (status == 0) return false;
  struct viewer_totals *totals = &watcher->host->totals;
  bool passes = status == 404 || status == 503 || status == 429;
  if (!passes && totals->errors++ == 0) log_warn("stream_refused", "team=%s status=%d", team_name(watcher), status);
  return true;
}

// The gateway's close: only that it goes, or is full, is no fault of ours or its own.
static void check_close(struct watcher *watcher) {
  int code = watch_stream_close_code(&watcher->stream);
  bool passes = code == 0 || code == MESSAGE_NORMAL || code == MESSAGE_GOING_AWAY || code == MESSAGE_TRY_LATER;
  if (!passes && watcher->host->totals.errors++ == 0) log_warn("closed", "team=%s code=%d", team_name(watcher), code);
}

static void on_read(uv_stream_t *tcp, ssize_t count, const uv_buf_t *buf) {
  static const struct watch_stream_events events = {on_event, on_ping};
  struct watcher *watcher = tcp->data;
  if (count == 0 || watcher->state != WATCHER_OPEN) return;
  if (watcher->slow) {
    uv_read_stop(tcp);
    watcher->waits = true;
  }
  int64_t now_us = steady_us();
  watcher->heard_us = now_us;
  enum stream_status status = STREAM_ENDED;
  if (count > 0) {
    watcher->host->totals.bytes += (uint64_t)count;
    status = watch_stream_receive(&watcher->stream, (uint8_t *)buf->base, (size_t)count, &events, watcher);
  }
  if (status == STREAM_BAD) count_error(watcher, "bad_stream", buf->base, 0);
  if (status == STREAM_ENDED) check_close(watcher);
  if (is_refused(watcher) || status != STREAM_OPEN || watcher->retry_us >= 0) watcher_close(watcher, now_us);
}

// ---- opening ----

static void on_request_written(uv_write_t *request, int status) {
  struct watcher *watcher = request->handle->data;
  free(request->data);
  free(request);
  if (status < 0 && watcher->state == WATCHER_OPEN) watcher_close(watcher, steady_us());
}

static void ask(struct watcher *watcher) {
  struct watcher_host *host = watcher->host;
  char *token = host->token(host->context, team_name(watcher));
  const struct watch_request wanted = {.path = watcher->http->path,
                                       .authority = watcher->http->authority,
                                       .team = team_name(watcher),
                                       .token = token,
                                       .interval_ms = host->interval_ms,
                                       .box = host->box};
  struct buffer text = {0};
  watch_stream_ask(watcher->stream.protocol, &wanted, &text);
  free(token);
  uv_write_t *request = malloc(sizeof *request);
  if (!request) abort();
  request->data = text.data;  // freed when written
  uv_buf_t buf = uv_buf_init((char *)text.data, (unsigned)text.len);
  if (uv_write(request, (uv_stream_t *)&watcher->tcp, &buf, 1, on_request_written) < 0) {
    free(text.data);
    free(request);
    watcher_close(watcher, steady_us());
  }
}

// Libuv reads again as long as a buffer comes back full, so a slow reader is stopped after each.
static void read_on(struct watcher *watcher, int64_t now_us) {
  watcher->waits = false;
  if (uv_read_start((uv_stream_t *)&watcher->tcp, give_scratch, on_read) < 0) watcher_close(watcher, now_us);
}

static void on_connected(uv_connect_t *request, int status) {
  struct watcher *watcher = request->data;
  free(request);
  if (watcher->state != WATCHER_OPENING) return;
  int64_t now_us = steady_us();
  if (status < 0) {
    watcher->host->totals.connect_failures++;
    watcher_close(watcher, now_us);
    return;
  }
  watcher->host->totals.connects++;
  watcher->connection++;
  watcher->state = WATCHER_OPEN;
  watcher->heard_us = now_us;
  ask(watcher);
  if (watcher->state != WATCHER_OPEN) return;
  read_on(watcher, now_us);
}

static void open_connection(struct watcher *watcher, int64_t now_us) {
  const struct watcher_host *host = watcher->host;
  uv_connect_t *request = malloc(sizeof *request);
  if (!request) abort();
  int status = source_tcp_init(host->loop, &watcher->tcp, watcher->number, host->sources);
  watcher->tcp.data = watcher;
  request->data = watcher;
  watcher->state = WATCHER_OPENING;
  watcher->heard_us = now_us;
  watcher->retry_us = -1;
  watcher->waits = false;
  watcher->host->open++;
  const struct sockaddr *address = (const struct sockaddr *)&watcher->http->address;
  if (status < 0 || uv_tcp_connect(request, &watcher->tcp, address, on_connected) < 0) {
    free(request);
    watcher->host->totals.connect_failures++;
    watcher_close(watcher, now_us);
  }
  // What waits is to wait at the gateway, not in our kernel's buffer, which can grow to megabytes.
  int buffer_bytes = 2 * WATCHER_SLOW_BYTES;
  if (watcher->slow) uv_recv_buffer_size((uv_handle_t *)&watcher->tcp, &buffer_bytes);
}

void watcher_poll(struct watcher *watcher, int64_t now_us) {
  if (watcher->state == WATCHER_WAITING) {
    if (now_us >= watcher->connect_at_us) open_connection(watcher, now_us);
  } else if (watcher->state != WATCHER_CLOSING) {
    int64_t patience_us = watcher->watching ? SILENCE_US : ANSWER_US;
    if (now_us - watcher->heard_us > patience_us) watcher_close(watcher, now_us);
    if (watcher->waits && watcher->state == WATCHER_OPEN) read_on(watcher, now_us);
  }
}

// A minimal HTTP client that follows one stream of events.
#include "watcher.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "log.h"
#include "steady.h"

#define SILENCE_US 40000000  // docs/http-api.md: a heartbeat comes every 15 s
#define ANSWER_US 30000000
#define LONGEST_WAIT_US 120000000

struct watcher_row {
  int64_t taken_at_us;
  int32_t latitude_e7, longitude_e7;
  bool known, has_position, online;
};

void watcher_init(struct watcher *watcher, struct watcher_host *host, struct watch_team *team,
                  const struct endpoint *http, uint64_t seed, int64_t connect_us) {
  *watcher = (struct watcher){
      .host = host,
      .team = team,
      .http = http,
      .random = seed,
      .connect_at_us = connect_us,
      .rows_us = connect_us,
      .columns = WATCH_COLUMNS_UNKNOWN,
  };
  event_stream_init(&watcher->stream);
}

void watcher_fini(struct watcher *watcher) {
  event_stream_fini(&watcher->stream);
  free(watcher->rows);
}

// ---- closing ----

static void on_closed(uv_handle_t *handle) {
  struct watcher *watcher = handle->data;
  watcher->state = WATCHER_WAITING;
  watcher->host->open--;
  event_stream_fini(&watcher->stream);
  event_stream_init(&watcher->stream);
}

// How long to stay away: what the gateway asked for, or ever longer after failures; the `retry` of the stream else.
static int64_t wait_us(struct watcher *watcher) {
  int64_t wait = watcher->retry_us;
  if (wait < 0 && watcher->stream.retry_after_s >= 0) {
    wait = backoff_jitter_us((int64_t)watcher->stream.retry_after_s * 2000000, &watcher->random);
  }
  if (wait < 0 && watcher->watching && watcher->stream.retry_ms >= 0) {
    wait = backoff_jitter_us(watcher->stream.retry_ms * 1000, &watcher->random);
  }
  if (wait < 0) wait = backoff_us(watcher->failures, &watcher->random);
  return wait < LONGEST_WAIT_US ? wait : LONGEST_WAIT_US;
}

void watcher_close(struct watcher *watcher, int64_t now_us) {
  if (watcher->state == WATCHER_WAITING || watcher->state == WATCHER_CLOSING) return;
  watcher->connect_at_us = now_us + wait_us(watcher);
  watcher->failures = watcher->watching ? 0 : watcher->failures + 1;
  if (watcher->watching) watcher->host->watching--;
  watcher->watching = false;
  watcher->state = WATCHER_CLOSING;
  uv_close((uv_handle_t *)&watcher->tcp, on_closed);
}

// ---- events ----

static struct watcher_row *row_of(struct watcher *watcher, uint32_t worker) {
  if (worker >= watcher->row_capacity) {
    uint32_t capacity = watch_team_workers(watcher->team);
    watcher->rows = realloc(watcher->rows, capacity * sizeof *watcher->rows);
    if (!watcher->rows) abort();
    memset(watcher->rows + watcher->row_capacity, 0, (capacity - watcher->row_capacity) * sizeof *watcher->rows);
    watcher->row_capacity = capacity;
  }
  return &watcher->rows[worker];
}

static void apply(struct watcher *watcher, const struct watch_change *change, bool delta, int64_t now_us) {
  struct watcher_host *host = watcher->host;
  struct watcher_row *row = row_of(watcher, change->worker);
  if (delta && change->has_position) {
    bool newer = !row->has_position || change->taken_at_us > row->taken_at_us;
    if (newer && host->measures) hist_record(&host->totals.view, now_us - change->taken_at_us);
    if (row->has_position && change->taken_at_us < row->taken_at_us) host->totals.backward++;
  }
  *row = (struct watcher_row){change->taken_at_us,  change->latitude_e7, change->longitude_e7, true,
                              change->has_position, change->online};
}

static bool event_is(const struct event *event, const char *name) {
  return event->name_len == strlen(name) && memcmp(event->name, name, event->name_len) == 0;
}

static void start_watching(struct watcher *watcher) {
  if (watcher->watching) return;
  watcher->watching = true;
  watcher->host->watching++;
  if (watcher->ever_watching) watcher->host->totals.reconnects++;
  watcher->ever_watching = true;
}

static void take_rows(struct watcher *watcher, const struct event *event, bool delta) {
  struct watcher_host *host = watcher->host;
  const struct watch_change *changes;
  size_t count;
  int64_t now_us = steady_us();
  if (!watch_team_read(watcher->team, event->data, event->data_len, &watcher->columns, &changes, &count) ||
      (delta && !watcher->watching)) {
    if (host->totals.errors++ == 0) {
      log_warn("bad_event", "team=%s event=%s data=%s", watch_team_name(watcher->team), delta ? "delta" : "snapshot",
               LOG_TEXT(event->data, event->data_len));
    }
    return;
  }
  if (!delta) {
    for (uint32_t i = 0; i < watcher->row_capacity; i++) watcher->rows[i].known = watcher->rows[i].has_position = false;
    start_watching(watcher);
    host->totals.snapshot_rows += count;
  }
  for (size_t i = 0; i < count; i++) apply(watcher, &changes[i], delta, now_us);
  host->totals.rows += count;
  if (count) host->changed_us = watcher->rows_us = now_us;
}

static void on_event(void *context, const struct event *event) {
  struct watcher *watcher = context;
  struct viewer_totals *totals = &watcher->host->totals;
  if (event_is(event, "delta")) {
    totals->deltas++;
    take_rows(watcher, event, true);
  } else if (event_is(event, "snapshot")) {
    totals->snapshots++;
    take_rows(watcher, event, false);
  } else if (event_is(event, "heartbeat")) {
    totals->heartbeats++;
  } else if (event_is(event, "stale")) {
    totals->stales++;
  } else if (event_is(event, "bye")) {
    int64_t retry_ms;
    totals->byes++;
    if (watch_frame_number(event->data, event->data_len, "retry_ms", &retry_ms) && retry_ms >= 0) {
      watcher->retry_us = retry_ms * 1000;
    }
  }
}

// ---- reading ----

static void give_scratch(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  struct watcher *watcher = handle->data;
  *buf = uv_buf_init((char *)watcher->host->in, sizeof watcher->host->in);
}

// An answer that is no stream of events: 404 and 503 pass, so they are only counted; others are said once.
static void check_answer(struct watcher *watcher, int64_t now_us) {
  const struct event_stream *stream = &watcher->stream;
  if (stream->status == 0 || (stream->status == 200 && stream->is_events)) return;
  struct viewer_totals *totals = &watcher->host->totals;
  bool passes = stream->status == 404 || stream->status == 503 || stream->status == 429;
  if (!passes && totals->errors++ == 0) {
    log_warn("stream_refused", "team=%s status=%d", watch_team_name(watcher->team), stream->status);
  }
  watcher_close(watcher, now_us);
}

static void on_read(uv_stream_t *tcp, ssize_t count, const uv_buf_t *buf) {
  struct watcher *watcher = tcp->data;
  if (count == 0 || watcher->state != WATCHER_OPEN) return;
  int64_t now_us = steady_us();
  watcher->heard_us = now_us;
  enum event_stream_status status = EVENT_STREAM_ENDED;
  if (count > 0) {
    status = event_stream_receive(&watcher->stream, (uint8_t *)buf->base, (size_t)count, on_event, watcher);
  }
  if (status == EVENT_STREAM_BAD) watcher->host->totals.errors++;
  check_answer(watcher, now_us);
  if (status != EVENT_STREAM_OPEN || watcher->retry_us >= 0) watcher_close(watcher, now_us);
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
  const char *team = watch_team_name(watcher->team);
  struct buffer text = {0};
  char *token = host->token(host->context, team);
  buffer_printf(&text, "GET %s/api/v1/teams/%s/stream", watcher->http->path, team);
  if (host->interval_ms >= 0) buffer_printf(&text, "?interval_ms=%ld", host->interval_ms);
  buffer_printf(&text,
                " HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n"
                "Cache-Control: no-cache\r\n\r\n",
                watcher->http->authority, token);
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
  if (uv_read_start((uv_stream_t *)&watcher->tcp, give_scratch, on_read) < 0) watcher_close(watcher, now_us);
}

static void open_connection(struct watcher *watcher, int64_t now_us) {
  uv_connect_t *request = malloc(sizeof *request);
  if (!request || uv_tcp_init(watcher->host->loop, &watcher->tcp) < 0) abort();
  watcher->tcp.data = watcher;
  request->data = watcher;
  watcher->state = WATCHER_OPENING;
  watcher->heard_us = now_us;
  watcher->retry_us = -1;
  watcher->host->open++;
  const struct sockaddr *address = (const struct sockaddr *)&watcher->http->address;
  if (uv_tcp_connect(request, &watcher->tcp, address, on_connected) < 0) {
    free(request);
    watcher->host->totals.connect_failures++;
    watcher_close(watcher, now_us);
  }
}

void watcher_poll(struct watcher *watcher, int64_t now_us) {
  if (watcher->state == WATCHER_WAITING) {
    if (now_us >= watcher->connect_at_us) open_connection(watcher, now_us);
  } else if (watcher->state != WATCHER_CLOSING) {
    int64_t patience_us = watcher->watching ? SILENCE_US : ANSWER_US;
    if (now_us - watcher->heard_us > patience_us) watcher_close(watcher, now_us);
  }
}

void watcher_write_state(const struct watcher *watcher, struct buffer *out) {
  const char *comma = "";
  buffer_append_string(out, "{");
  for (uint32_t i = 0; i < watcher->row_capacity; i++) {
    const struct watcher_row *row = &watcher->rows[i];
    if (!row->known) continue;
    buffer_printf(out, "%s\"%s\":", comma, watch_team_worker(watcher->team, i));
    if (row->has_position) {
      buffer_printf(out, "[%" PRId64 ",%d,%d]", row->taken_at_us, row->latitude_e7, row->longitude_e7);
    } else {
      buffer_append_string(out, "[null,null,null]");
    }
    comma = ",";
  }
  buffer_append_string(out, "}");
}

// Numbers to text.
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

static double ms(int64_t us) {
  return (double)us / 1000;
}

static uint64_t refused_count(const struct device_totals *d) {
  uint64_t count = 0;
  for (int i = 0; i < POSITION_FAULTS; i++) count += d->refused[i];
  return count;
}

static uint64_t error_count(const struct device_totals *d) {
  uint64_t count = 0;
  for (int i = 0; i < TRACKER_ERROR_CODES; i++) count += d->errors[i];
  return count;
}

static const char *refusal_name(int reason) {
  return reason ? position_fault_name((enum position_fault)reason) : "other";
}

// ---- promises ----

static void broken(struct buffer *out, uint64_t count, const char *what) {
  if (count) buffer_printf(out, "%s: broken: %" PRIu64 " %s\n", SETTINGS_PROGRAM, count, what);
}

// What is neither acked nor refused may be recorded all the same; it is a fault of its own.
static void recorded_faults(const struct report *r, struct buffer *out) {
  const struct device_totals *d = &r->figures->devices;
  uint64_t recorded = (uint64_t)r->recorded;
  if (r->recorded == REPORT_UNKNOWN) {
    buffer_printf(out, "%s: broken: nobody says what was recorded\n", SETTINGS_PROGRAM);
  } else if (r->recorded >= 0) {
    broken(out, recorded < d->acked ? d->acked - recorded : 0, "acked positions are not in the history");
    broken(out, recorded > d->sent ? recorded - d->sent : 0, "positions are in the history that nobody sent");
  }
}

void report_faults(const struct report *report, struct buffer *out) {
  const struct figures *f = report->figures;
  // A run that was stopped as it began promised little.
  bool full = report->has_played || f->welcomed == 0;
  broken(out, full ? f->workers - f->welcomed : 0, "workers were never let in");
  broken(out, full ? f->viewers - f->shown : 0, "viewers were never sent their view");
  broken(out, f->unacked, "positions are neither acked nor refused");
  broken(out, f->devices.dropped_sent, "positions were dropped unacked");
  broken(out, f->views.backward, "rows went back");
  broken(out, f->views.outside, "rows were outside the bbox");
  broken(out, f->views.errors, "errors among the viewers");
  recorded_faults(report, out);
}

// ---- table ----

static void row(struct buffer *out, const char *name, uint64_t value) {
  buffer_printf(out, "  %-22s %12" PRIu64 "\n", name, value);
}

static void row_if(struct buffer *out, const char *name, uint64_t value) {
  if (value) row(out, name, value);
}

static void times(struct buffer *out, const char *name, const struct hist *hist) {
  if (hist->total == 0) return;
  buffer_printf(out, "  %-22s p50 %10.2f   p99 %10.2f   max %10.2f\n", name, ms(hist_percentile_us(hist, 50)),
                ms(hist_percentile_us(hist, 99)), ms(hist->max_us));
}

static void device_rows(const struct figures *f, struct buffer *out) {
  const struct device_totals *d = &f->devices;
  char name[64];
  row(out, "sent", d->sent);
  row(out, "acked", d->acked);
  row(out, "refused", refused_count(d));
  for (int i = 0; i < POSITION_FAULTS; i++) {
    snprintf(name, sizeof name, "  %s", refusal_name(i));
    row_if(out, name, d->refused[i]);
  }
  row(out, "unacked", f->unacked);
  row_if(out, "dropped", d->dropped);
  row_if(out, "sent again", d->resent);
  row(out, "connects", f->connects);
  row(out, "reconnects", d->reconnects);
  row_if(out, "failed connects", f->connect_failures);
  row(out, "errors", error_count(d));
  for (uint32_t i = 0; i < TRACKER_ERROR_CODES; i++) {
    snprintf(name, sizeof name, "  %s", tracker_error_name(i));
    row_if(out, name, d->errors[i]);
  }
}

// What a view was not sent because something newer came before its next frame.
static uint64_t conflated(const struct figures *f) {
  return f->devices.wanted > f->views.positions ? f->devices.wanted - f->views.positions : 0;
}

// In a replay positions are not told from those of a replay before, and of those outside a bbox most are not sent.
static bool counts_delivery(const struct report *r) {
  return r->figures->viewers && !*r->settings->replay && !*r->settings->view_bbox;
}

static void viewer_rows(const struct viewer_totals *v, struct buffer *out) {
  row(out, "delivered rows", v->rows);
  row(out, "frames", v->snapshots + v->deltas);
  row(out, "  snapshots", v->snapshots);
  row(out, "viewer connects", v->connects);
  row(out, "viewer reconnects", v->reconnects);
  row_if(out, "viewer failed connects", v->connect_failures);
  row_if(out, "viewer errors", v->errors);
  row_if(out, "stale", v->stales);
  row_if(out, "byes", v->byes);
  row_if(out, "left the bbox", v->left);
  row_if(out, "rows going back", v->backward);
  row_if(out, "rows outside the bbox", v->outside);
}

void report_table(const struct report *r, struct buffer *out) {
  const struct figures *f = r->figures;
  const struct device_totals *d = &f->devices;
  buffer_printf(out, "\n%s: %" PRIu64 " workers in %ld teams, %" PRIu64 " viewers, %.1f s\n",
                *r->settings->replay ? "replay" : r->settings->scenario, f->workers, r->settings->teams, f->viewers,
                r->seconds);
  device_rows(f, out);
  if (r->recorded >= 0) row(out, "recorded", (uint64_t)r->recorded);
  if (f->viewers) viewer_rows(&f->views, out);
  if (counts_delivery(r)) {
    row(out, "to viewers", d->wanted);
    row(out, "  delivered", f->views.positions);
    row(out, "  conflated", conflated(f));
  }
  times(out, "ack ms", &d->ack);
  times(out, "view ms", &f->views.view);
  times(out, "lateness ms", &d->lateness);
  if (d->sent && r->seconds > 0) {
    buffer_printf(out, "  %-22s %12.1f\n  %-22s %12.2f\n", "positions/s", (double)d->sent / r->seconds,
                  "own CPU us/position", (double)f->cpu_us / (double)d->sent);
  }
}

// ---- JSON ----

static void field(struct buffer *out, const char *name, uint64_t value) {
  buffer_printf(out, "  \"%s\": %" PRIu64 ",\n", name, value);
}

static void json_times(struct buffer *out, const char *name, const struct hist *hist) {
  buffer_printf(out, "  \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"count\": %" PRIu64 "},\n", name,
                ms(hist_percentile_us(hist, 50)), ms(hist_percentile_us(hist, 99)), ms(hist->max_us), hist->total);
}

static void json_counts(struct buffer *out, const char *name, const uint64_t *counts, int count,
                        const char *(*name_of)(int)) {
  const char *comma = "";
  buffer_printf(out, "  \"%s\": {", name);
  for (int i = 0; i < count; i++) {
    if (!counts[i]) continue;
    buffer_printf(out, "%s\"%s\": %" PRIu64, comma, name_of(i), counts[i]);
    comma = ", ";
  }
  buffer_append_string(out, "},\n");
}

static const char *error_name(int code) {
  return tracker_error_name((uint32_t)code);
}

static void json_viewers(const struct viewer_totals *v, struct buffer *out) {
  field(out, "delivered", v->rows);
  field(out, "frames", v->snapshots + v->deltas);
  field(out, "snapshots", v->snapshots);
  field(out, "snapshot_rows", v->snapshot_rows);
  field(out, "deltas", v->deltas);
  field(out, "heartbeats", v->heartbeats);
  field(out, "stales", v->stales);
  field(out, "byes", v->byes);
  field(out, "left_rows", v->left);
  field(out, "backward_rows", v->backward);
  field(out, "outside_rows", v->outside);
  field(out, "viewer_bytes", v->bytes);
  field(out, "viewer_connects", v->connects);
  field(out, "viewer_connect_failures", v->connect_failures);
  field(out, "viewer_reconnects", v->reconnects);
  field(out, "viewer_errors", v->errors);
  json_times(out, "view_ms", &v->view);
}

void report_json(const struct report *r, struct buffer *out) {
  const struct figures *f = r->figures;
  const struct device_totals *d = &f->devices;
  buffer_printf(out, "{\n  \"scenario\": \"%s\",\n",
                scenario_named(r->settings->scenario) ? r->settings->scenario : "file");
  field(out, "workers", f->workers);
  field(out, "teams", (uint64_t)r->settings->teams);
  field(out, "viewers", f->viewers);
  field(out, "processes", (uint64_t)r->settings->processes);
  field(out, "taken", d->taken);
  field(out, "sent", d->sent);
  field(out, "resent", d->resent);
  field(out, "acked", d->acked);
  field(out, "unacked", f->unacked);
  if (r->recorded >= 0) {
    field(out, "recorded", (uint64_t)r->recorded);
  } else {
    buffer_append_string(out, "  \"recorded\": null,\n");
  }
  json_counts(out, "refused", d->refused, POSITION_FAULTS, refusal_name);
  field(out, "dropped", d->dropped);
  field(out, "dropped_after_sending", d->dropped_sent);
  field(out, "connects", f->connects);
  field(out, "connect_failures", f->connect_failures);
  field(out, "sessions", d->sessions);
  field(out, "reconnects", d->reconnects);
  field(out, "errors", error_count(d));
  json_counts(out, "error_codes", d->errors, TRACKER_ERROR_CODES, error_name);
  json_times(out, "ack_ms", &d->ack);
  json_times(out, "lateness_ms", &d->lateness);
  json_viewers(&f->views, out);
  if (counts_delivery(r)) {
    field(out, "to_viewers", d->wanted);
    field(out, "positions_delivered", f->views.positions);
    field(out, "conflated", conflated(f));
  }
  field(out, "workers_never_let_in", f->workers - f->welcomed);
  field(out, "viewers_never_shown", f->viewers - f->shown);
  buffer_printf(out, "  \"seconds\": %.3f,\n  \"cpu_seconds\": %.3f\n}\n", r->seconds, (double)f->cpu_us / 1e6);
}

// ---- status ----

void report_status_line(const struct figures *f, const char *phase, double positions_per_s, struct buffer *out) {
  const struct device_totals *d = &f->devices;
  buffer_printf(out, "%-7s workers %" PRIu64 "/%" PRIu64 "  %.0f pos/s  acked %" PRIu64 "  unacked %" PRIu64, phase,
                f->online, f->workers, positions_per_s, d->acked, f->unacked);
  buffer_printf(out, "  reconnects %" PRIu64 "  ack p99 %.0f ms", d->reconnects, ms(hist_percentile_us(&d->ack, 99)));
  if (!f->viewers) return;
  buffer_printf(out, "  viewers %" PRIu64 "/%" PRIu64 "  view p99 %.0f ms", f->watching, f->viewers,
                ms(hist_percentile_us(&f->views.view, 99)));
}

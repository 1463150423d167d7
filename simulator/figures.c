// Sums, field by field.
#include "figures.h"

static int64_t greater(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Of times that are 0 where there is none.
static int64_t earlier(int64_t a, int64_t b) {
  return a && (a < b || !b) ? a : b;
}

static void add_devices(struct device_totals *into, const struct device_totals *from) {
  into->taken += from->taken;
  into->sent += from->sent;
  into->resent += from->resent;
  into->wanted += from->wanted;
  into->acked += from->acked;
  for (int i = 0; i < POSITION_FAULTS; i++) into->refused[i] += from->refused[i];
  into->dropped += from->dropped;
  into->dropped_sent += from->dropped_sent;
  into->first_us = earlier(into->first_us, from->first_us);
  into->last_us = greater(into->last_us, from->last_us);
  into->sessions += from->sessions;
  into->reconnects += from->reconnects;
  for (int i = 0; i < TRACKER_ERROR_CODES; i++) into->errors[i] += from->errors[i];
  hist_merge(&into->ack, &from->ack);
  hist_merge(&into->lateness, &from->lateness);
}

static void add_views(struct viewer_totals *into, const struct viewer_totals *from) {
  into->connects += from->connects;
  into->connect_failures += from->connect_failures;
  into->reconnects += from->reconnects;
  into->errors += from->errors;
  into->snapshots += from->snapshots;
  into->deltas += from->deltas;
  into->heartbeats += from->heartbeats;
  into->stales += from->stales;
  into->byes += from->byes;
  into->bytes += from->bytes;
  into->rows += from->rows;
  into->snapshot_rows += from->snapshot_rows;
  into->positions += from->positions;
  into->left += from->left;
  into->backward += from->backward;
  into->outside += from->outside;
  hist_merge(&into->view, &from->view);
}

void figures_add(struct figures *into, const struct figures *from) {
  into->at_us = greater(into->at_us, from->at_us);
  into->workers += from->workers;
  into->online += from->online;
  into->welcomed += from->welcomed;
  into->viewers += from->viewers;
  into->watching += from->watching;
  into->shown += from->shown;
  into->unacked += from->unacked;
  into->connects += from->connects;
  into->connect_failures += from->connect_failures;
  into->cpu_us += from->cpu_us;
  into->ack_silence_us = greater(into->ack_silence_us, from->ack_silence_us);
  into->view_silence_us = greater(into->view_silence_us, from->view_silence_us);
  add_devices(&into->devices, &from->devices);
  add_views(&into->views, &from->views);
}

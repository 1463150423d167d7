// Workers in one array; a sweep goes round it, so that no worker needs a timer.
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "device.h"
#include "device_conn.h"
#include "log.h"
#include "random.h"
#include "steady.h"
#include "token.h"
#include "version.h"

#define SWEEP_US 200000       // every worker is looked at so often
#define TOKEN_VALID_S 604800  // a week, so that a clock that is wrong by a day does not matter

struct worker {
  struct device_conn conn;
  struct device *device;
  struct fleet *fleet;
  char *name;
  uint32_t team, viewers;
  int64_t acked_us;  // when the last ack came
};

struct fleet {
  struct device_conn_host host;
  struct device_options device_options;
  struct fleet_options options;
  struct worker *workers;
  uint32_t count;
  uint32_t swept;          // the next to be looked at
  int64_t swept_until_us;  // the sweep has kept up with this time
  int64_t start_us;
  uint32_t online, online_so_far;
  uint32_t welcomed;
  uint32_t cut;  // the next whose connection is cut
  struct device_totals totals;
};

// ---- what devices tell ----

static void on_sent(void *context, const struct position *position, bool again) {
  const struct worker *worker = context;
  struct device_totals *totals = &worker->fleet->totals;
  if (again) {
    totals->resent++;
    return;
  }
  totals->sent++;
  totals->wanted += worker->viewers;
  if (position->taken_at_us < totals->first_us || !totals->first_us) totals->first_us = position->taken_at_us;
  if (position->taken_at_us > totals->last_us) totals->last_us = position->taken_at_us;
}

static void note(const struct worker *worker, enum ledger_fate fate, const struct position *position, int64_t now_us) {
  struct fleet *fleet = worker->fleet;
  uint32_t number = share_number(fleet->options.share, (uint32_t)(worker - fleet->workers));
  ledger_note(fleet->options.ledger, fate, number, position, now_us);
}

static void on_acked(void *context, const struct position *position, int64_t planned_us, int64_t now_us) {
  struct worker *worker = context;
  struct device_totals *totals = &worker->fleet->totals;
  totals->acked++;
  hist_record(&totals->ack, now_us - planned_us);
  worker->acked_us = now_us;
  note(worker, LEDGER_ACKED, position, now_us);
}

static void on_refused(void *context, const struct position *position, uint32_t reason) {
  const struct worker *worker = context;
  worker->fleet->totals.refused[reason < POSITION_FAULTS ? reason : 0]++;
  note(worker, LEDGER_REFUSED, position, steady_us());
}

static void on_dropped(void *context, const struct position *position, bool was_sent) {
  const struct worker *worker = context;
  struct device_totals *totals = &worker->fleet->totals;
  totals->dropped++;
  totals->dropped_sent += was_sent;
  note(worker, was_sent ? LEDGER_DROPPED : LEDGER_UNSENT, position, steady_us());
}

static void on_welcomed(void *context, bool again) {
  struct fleet *fleet = ((struct worker *)context)->fleet;
  fleet->totals.sessions++;
  again ? fleet->totals.reconnects++ : fleet->welcomed++;
}

static void on_failed(void *context, uint32_t code, const char *text, size_t text_len) {
  const struct worker *worker = context;
  uint64_t *count = &worker->fleet->totals.errors[code < TRACKER_ERROR_CODES ? code : 0];
  if ((*count)++ == 0) {
    log_warn("tracker_error", "worker=%s code=%s text=%s first_of_its_kind=true", worker->name,
             tracker_error_name(code), LOG_TEXT(text ? text : "", text ? text_len : 0));
  }
}

#define TEAM_BYTES 32

static const char *team_name(const struct worker *worker, char *out) {
  snprintf(out, TEAM_BYTES, "team-%u", worker->fleet->options.first_team + worker->team);
  return out;
}

static char *worker_token(void *context) {
  const struct worker *worker = context;
  char team[TEAM_BYTES];
  team_name(worker, team);
  int64_t now_s = clock_wall_us() / 1000000;
  const char *teams[] = {team};
  char *token =
      token_mint(worker->fleet->options.worker_key, worker->name, TOKEN_WORKER, teams, 1, now_s, now_s + TOKEN_VALID_S);
  if (!token) abort();
  return token;
}

// ---- making ----

struct fleet *fleet_new(const struct fleet_options *options, int64_t now_us) {
  struct fleet *fleet = calloc(1, sizeof *fleet);
  if (!fleet) abort();
  fleet->workers = calloc(options->workers ? options->workers : 1, sizeof *fleet->workers);
  if (!fleet->workers) abort();
  fleet->options = *options;
  fleet->start_us = fleet->swept_until_us = now_us;
  fleet->host.loop = options->loop;
  fleet->host.servers = options->trackers;
  fleet->host.server_count = options->tracker_count;
  fleet->host.sources = options->sources;
  fleet->host.token = worker_token;
  fleet->device_options = (struct device_options){
      .agent = "muster-simulator/" MUSTER_VERSION,
      .spool_positions = options->spool_positions,
      .batch = options->batch,
      .window = options->window,
      .ack_every = options->ack_every,
      .repeat_every = options->repeat_every,
      .sent = on_sent,
      .acked = on_acked,
      .refused = on_refused,
      .dropped = on_dropped,
      .welcomed = on_welcomed,
      .failed = on_failed,
  };
  return fleet;
}

void fleet_free(struct fleet *fleet) {
  if (!fleet) return;
  for (uint32_t i = 0; i < fleet->count; i++) {
    device_free(fleet->workers[i].device);
    free(fleet->workers[i].name);
  }
  free(fleet->workers);
  free(fleet);
}

void fleet_add(struct fleet *fleet, const char *name, uint32_t team, uint32_t viewers) {
  uint32_t index = fleet->count++, number = share_number(fleet->options.share, index);
  struct worker *worker = &fleet->workers[index];
  int64_t connect_us = fleet->start_us + (int64_t)number * 1000000 / fleet->options.connect_rate;
  worker->fleet = fleet;
  worker->team = team;
  worker->viewers = viewers;
  worker->name = strdup(name);
  if (!worker->name) abort();
  worker->device = device_new(&fleet->device_options, worker, random_fork(fleet->options.seed, number), connect_us);
  uint32_t tracker = (uint32_t)random_fork(fleet->options.seed + 2, number);  // neither by team nor by process
  device_conn_init(&worker->conn, &fleet->host, worker->device, worker, number, tracker);
  char team_text[TEAM_BYTES];
  ledger_worker(fleet->options.ledger, number, team_name(worker, team_text), name);
}

// ---- positions ----

void fleet_give(struct fleet *fleet, uint32_t worker, const struct position *position, int64_t planned_us) {
  fleet->totals.taken++;
  device_add(fleet->workers[worker].device, position, planned_us);
}

void fleet_take(struct fleet *fleet, uint32_t worker, struct position *position, int64_t planned_us, int64_t now_us) {
  fleet->totals.taken++;
  hist_record(&fleet->totals.lateness, now_us - planned_us);
  device_take(fleet->workers[worker].device, position, planned_us);
  device_conn_send(&fleet->workers[worker].conn, now_us);
}

void fleet_send(struct fleet *fleet, uint32_t worker, int64_t now_us) {
  device_conn_send(&fleet->workers[worker].conn, now_us);
}

void fleet_flush(struct fleet *fleet, uint32_t worker) {
  device_flush(fleet->workers[worker].device);
}

void fleet_flush_all(struct fleet *fleet) {
  for (uint32_t i = 0; i < fleet->count; i++) fleet_flush(fleet, i);
}

bool fleet_welcomed(const struct fleet *fleet, uint32_t worker) {
  return device_ever_welcomed(fleet->workers[worker].device);
}

uint32_t fleet_unacked(const struct fleet *fleet, uint32_t worker) {
  return device_unacked(fleet->workers[worker].device);
}

bool fleet_needs_nudge(const struct fleet *fleet, uint32_t worker) {
  const struct device *device = fleet->workers[worker].device;
  return device_online(device) && device_unacked(device) > 0 && !device_ack_wanted(device);
}

// ---- time ----

void fleet_sweep(struct fleet *fleet, int64_t now_us) {
  int64_t due = (now_us - fleet->swept_until_us) * fleet->count / SWEEP_US;
  if (due <= 0) return;
  if (due > fleet->count) due = fleet->count;
  fleet->swept_until_us = now_us;
  for (; due > 0; due--) {
    struct worker *worker = &fleet->workers[fleet->swept];
    device_conn_poll(&worker->conn, now_us);
    fleet->online_so_far += device_online(worker->device);
    if (++fleet->swept < fleet->count) continue;
    fleet->online = fleet->online_so_far;
    fleet->swept = fleet->online_so_far = 0;
  }
}

void fleet_cut(struct fleet *fleet, uint32_t count, int64_t now_us) {
  for (; count > 0; count--) {
    device_conn_close(&fleet->workers[fleet->cut].conn, now_us);
    fleet->cut = (fleet->cut + 1) % fleet->count;
  }
}

static void note_unacked(void *context, const struct position *position, bool was_sent) {
  note(context, was_sent ? LEDGER_UNACKED : LEDGER_UNSENT, position, steady_us());
}

void fleet_close(struct fleet *fleet, int64_t now_us) {
  for (uint32_t i = 0; i < fleet->count; i++) {
    struct worker *worker = &fleet->workers[i];
    device_retire(worker->device);
    device_conn_close(&worker->conn, now_us);
    device_each_unacked(worker->device, note_unacked, worker);
  }
}

// ---- figures ----

uint32_t fleet_size(const struct fleet *fleet) {
  return fleet->count;
}

uint32_t fleet_online(const struct fleet *fleet) {
  return fleet->online;
}

uint32_t fleet_welcomed_count(const struct fleet *fleet) {
  return fleet->welcomed;
}

uint32_t fleet_open(const struct fleet *fleet) {
  return fleet->host.open;
}

uint64_t fleet_unacked_count(const struct fleet *fleet) {
  const struct device_totals *totals = &fleet->totals;
  uint64_t done = totals->acked + totals->dropped;
  for (int i = 0; i < POSITION_FAULTS; i++) done += totals->refused[i];
  return totals->taken - done;
}

int64_t fleet_ack_silence_us(const struct fleet *fleet, int64_t now_us) {
  int64_t longest_us = 0;
  for (uint32_t i = 0; i < fleet->count; i++) {
    const struct worker *worker = &fleet->workers[i];
    int64_t since_us = device_unacked_since_us(worker->device);
    if (since_us < worker->acked_us) since_us = worker->acked_us;
    if (now_us - since_us > longest_us) longest_us = now_us - since_us;
  }
  return longest_us;
}

uint64_t fleet_connects(const struct fleet *fleet) {
  return fleet->host.connects;
}

uint64_t fleet_connect_failures(const struct fleet *fleet) {
  return fleet->host.connect_failures;
}

const struct device_totals *fleet_totals(const struct fleet *fleet) {
  return &fleet->totals;
}

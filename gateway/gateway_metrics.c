// Names and help texts of the gateway's metrics.
#include "gateway_metrics.h"

#include <stddef.h>

const char *const close_reason_names[CLOSE_REASONS] = {"gone", "stalled", "protocol", "drain", "token"};
const char *const heal_reason_names[HEAL_REASONS] = {"gap",      "reconnect", "slow_consumer", "live_lost",
                                                     "overflow", "database",  "tracker_gone",  "difference"};

const char *const track_end_names[TRACK_ENDS] = {"whole", "gone", "stalled", "failed", "stopped", "token"};

static void register_tracks(struct gateway_metrics *m, struct metrics *r) {
  static const char ends[] = "muster_gateway_tracks_total", help[] = "Tracks sent, by how that ended.";
  static const char *const labels[TRACK_ENDS] = {"result=\"whole\"",  "result=\"gone\"",    "result=\"stalled\"",
                                                 "result=\"failed\"", "result=\"stopped\"", "result=\"token\""};
  m->tracks = metrics_gauge(r, "muster_gateway_tracks", "", "Tracks that are being sent.");
  for (int i = 0; i < TRACK_ENDS; i++) m->track_ends[i] = metrics_counter(r, ends, labels[i], help);
  m->track_positions = metrics_counter(r, "muster_gateway_track_positions_total", "", "Positions in those tracks.");
}

static void register_viewers(struct gateway_metrics *m, struct metrics *r) {
  static const char closed[] = "muster_gateway_viewers_closed_total", closed_help[] = "Viewers closed, by reason.";
  m->viewers = metrics_gauge(r, "muster_gateway_viewers", "", "Viewers connected.");
  m->viewers_blocked = metrics_gauge(r, "muster_gateway_viewers_blocked", "", "Viewers with an unfinished frame.");
  m->viewers_opened = metrics_counter(r, "muster_gateway_viewers_opened_total", "", "Viewers that came.");
  m->viewers_closed[CLOSE_GONE] = metrics_counter(r, closed, "reason=\"gone\"", closed_help);
  m->viewers_closed[CLOSE_STALLED] = metrics_counter(r, closed, "reason=\"stalled\"", closed_help);
  m->viewers_closed[CLOSE_PROTOCOL] = metrics_counter(r, closed, "reason=\"protocol\"", closed_help);
  m->viewers_closed[CLOSE_DRAIN] = metrics_counter(r, closed, "reason=\"drain\"", closed_help);
  m->viewers_closed[CLOSE_TOKEN] = metrics_counter(r, closed, "reason=\"token\"", closed_help);
  static const char refused[] = "muster_gateway_viewers_refused_total",
                    refused_help[] = "Viewers refused because there were enough, by limit.";
  m->viewers_refused[0] = metrics_counter(r, refused, "limit=\"process\"", refused_help);
  m->viewers_refused[1] = metrics_counter(r, refused, "limit=\"team\"", refused_help);
  m->viewers_refused[2] = metrics_counter(r, refused, "limit=\"token\"", refused_help);
  m->teams = metrics_gauge(r, "muster_gateway_teams", "", "Teams whose state is held here.");
  m->frames_sent = metrics_counter(r, "muster_gateway_frames_sent_total", "", "Frames given to viewers' sockets.");
  m->rows_sent = metrics_counter(r, "muster_gateway_rows_sent_total", "", "Rows in those frames.");
  m->bytes_sent = metrics_counter(r, "muster_gateway_bytes_sent_total", "", "Bytes taken by viewers' sockets.");
}

static void register_heals(struct gateway_metrics *m, struct metrics *r) {
  static const char heals[] = "muster_gateway_heals_total", help[] = "Teams joined again, by what was noticed.";
  static const char *const labels[HEAL_REASONS] = {
      "reason=\"gap\"",      "reason=\"reconnect\"", "reason=\"slow_consumer\"", "reason=\"live_lost\"",
      "reason=\"overflow\"", "reason=\"database\"",  "reason=\"tracker_gone\"",  "reason=\"difference\""};
  for (int i = 0; i < HEAL_REASONS; i++) m->heals[i] = metrics_counter(r, heals, labels[i], help);
}

static void register_feed(struct gateway_metrics *m, struct metrics *r) {
  m->live_batches = metrics_counter(r, "muster_gateway_live_batches_total", "", "Live batches received.");
  m->live_bad = metrics_counter(r, "muster_gateway_live_bad_batches_total", "", "Live batches that could not be read.");
  m->live_dropped = metrics_counter(r, "muster_gateway_live_dropped_total", "",
                                    "Live batches dropped because more waited than allowed; their teams are healed.");
  m->live_changes = metrics_counter(r, "muster_gateway_live_changes_total", "", "Updates that changed a team's state.");
  register_heals(m, r);
  m->joins = metrics_counter(r, "muster_gateway_joins_total", "", "Teams joined or healed.");
  m->join_retries = metrics_counter(r, "muster_gateway_join_retries_total", "", "Rounds of joining that failed.");
  m->joins_without_snapshot = metrics_counter(r, "muster_gateway_joins_without_snapshot_total", "",
                                              "Teams joined from the log alone, because Postgres was out of reach.");
  m->join_time = metrics_histogram(r, "muster_gateway_join_seconds", "From the wish for a team to its being ready.");
  m->comparisons = metrics_counter(r, "muster_gateway_comparisons_total", "", "Teams compared with Postgres.");
  m->differences = metrics_counter(r, "muster_gateway_differences_total", "",
                                   "Workers whose state here was behind Postgres, and nothing had told: a fault.");
  m->log_batches = metrics_counter(r, "muster_gateway_log_batches_total", "", "Log batches read while joining.");
  m->follows = metrics_gauge(r, "muster_gateway_follows", "", "Rounds of joining whose log is still followed.");
  static const char follows[] = "muster_gateway_follows_total",
                    help[] = "Ends of following the log after joining, by result.";
  m->follow_done = metrics_counter(r, follows, "result=\"done\"", help);
  m->follow_bounded = metrics_counter(r, follows, "result=\"bounded\"", help);
  m->follow_dropped = metrics_counter(r, follows, "result=\"dropped\"", help);
  m->nats_connected = metrics_gauge(r, "muster_gateway_nats_connected", "", "1 while NATS is connected.");
  m->postgres_connected = metrics_gauge(r, "muster_gateway_postgres_connected", "", "1 while Postgres answers.");
}

static void register_door(struct door_metrics *m, struct metrics *r) {
  static const char refused[] = "muster_gateway_connections_refused_total",
                    help[] = "HTTP connections ended without asking a handler, by reason.";
  static const char *const labels[DOOR_REFUSALS] = {"reason=\"bad\"", "reason=\"slow\"", "reason=\"crowded\"",
                                                    "reason=\"busy\"", "reason=\"stranger\""};
  m->connections = metrics_gauge(r, "muster_gateway_connections", "", "HTTP connections that are no streams.");
  m->accepted = metrics_counter(r, "muster_gateway_connections_total", "", "HTTP connections accepted.");
  for (int i = 0; i < DOOR_REFUSALS; i++) m->refused[i] = metrics_counter(r, refused, labels[i], help);
}

void gateway_metrics_register(struct gateway_metrics *m, struct metrics *r) {
  static const char name[] = "muster_gateway_http_requests_total", help[] = "HTTP requests answered, by status class.";
  static const char *const labels[6] = {"status=\"other\"", "status=\"1xx\"", "status=\"2xx\"",
                                        "status=\"3xx\"",   "status=\"4xx\"", "status=\"5xx\""};
  register_viewers(m, r);
  register_feed(m, r);
  register_tracks(m, r);
  for (int i = 0; i < 6; i++) m->door.http[i] = metrics_counter(r, name, labels[i], help);
  register_door(&m->door, r);
}

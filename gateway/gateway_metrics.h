// The gateway's metrics: registered once by main, changed from any thread.
#ifndef MUSTER_GATEWAY_METRICS_H
#define MUSTER_GATEWAY_METRICS_H

#include "door.h"

enum close_reason { CLOSE_GONE, CLOSE_STALLED, CLOSE_PROTOCOL, CLOSE_DRAIN, CLOSE_TOKEN, CLOSE_REASONS };
enum heal_reason {
  HEAL_GAP,
  HEAL_RECONNECT,
  HEAL_SLOW_CONSUMER,
  HEAL_LIVE_LOST,
  HEAL_OVERFLOW,
  HEAL_DATABASE,
  HEAL_TRACKER_GONE,
  HEAL_DIFFERENCE,
  HEAL_REASONS
};

enum track_end { TRACK_WHOLE, TRACK_GONE, TRACK_STALLED, TRACK_FAILED, TRACK_STOPPED, TRACK_TOKEN, TRACK_ENDS };

extern const char *const close_reason_names[CLOSE_REASONS];
extern const char *const heal_reason_names[HEAL_REASONS];
extern const char *const track_end_names[TRACK_ENDS];

struct gateway_metrics {
  struct metric *viewers, *viewers_blocked, *viewers_opened, *viewers_closed[CLOSE_REASONS];
  struct metric *viewers_refused[3];  // by places_status, less 1
  struct metric *teams;
  struct metric *frames_sent, *rows_sent, *bytes_sent;
  struct metric *live_batches, *live_bad, *live_dropped, *live_changes;
  struct metric *heals[HEAL_REASONS];
  struct metric *joins, *join_retries, *joins_without_snapshot, *log_batches;
  struct metric *follows, *follow_done, *follow_bounded, *follow_dropped;
  struct metric *comparisons, *differences;
  struct metric_histogram *join_time;
  struct metric *tracks, *track_ends[TRACK_ENDS], *track_positions;
  struct door_metrics door;
  struct metric *nats_connected, *postgres_connected;
};

void gateway_metrics_register(struct gateway_metrics *m, struct metrics *registry);

#endif

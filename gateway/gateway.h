// What the handlers of HTTP requests may reach, wired by main.
#ifndef MUSTER_GATEWAY_H
#define MUSTER_GATEWAY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "directory.h"
#include "fanout.h"
#include "feed.h"
#include "files.h"
#include "gateway_metrics.h"
#include "join.h"
#include "peers.h"
#include "places.h"
#include "replicas.h"
#include "revocation_log.h"
#include "share_log.h"
#include "token_guard.h"
#include "tracks.h"

struct gateway_config {
  bool listen_without_edge;
  char *id, *listen, *trusted_proxies, *nats_url, *nats_user, *nats_password, *database_url, *token_key, *style_url,
      *log_level;
  char *token_keys;
  long max_viewers, max_viewers_per_team, max_viewers_per_token;
  long interval_ms, linger_ms, stall_ms, stale_after_ms, track_places, track_max_days, share_max_days,
      compare_interval_s, backlog_bytes;
};

struct gateway {
  struct gateway_config config;
  struct peers peers;
  struct files files;
  struct token_guard guard;
  struct revocation_log *revocations;
  struct share_log *shares;
  struct metrics *registry;
  struct gateway_metrics metrics;
  struct replicas *replicas;
  struct directory *directory;
  struct feed *feed;
  struct fanout *fanout;
  struct join *join;
  struct tracks *tracks;
  struct places *places;
  char *content_policy;   // of the page, see assets.h
  _Atomic bool draining;  // not ready, and no new streams
};

#endif

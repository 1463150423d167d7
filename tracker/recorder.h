// The recorder: a thread that waits to be elected (one of all trackers, by an advisory lock in Postgres), then reads
// the log in order and writes it into Postgres, each batch together with how far it has read. It has its own
// connections to NATS and Postgres, and starts again from what Postgres says after any fault of either.
#ifndef MUSTER_RECORDER_H
#define MUSTER_RECORDER_H

#include <stdbool.h>

#include "embed.h"
#include "metrics.h"

struct recorder;

struct recorder_config {
  const char *nats_url, *database_url, *id;
  const struct embedded *schema;
  bool migrates;        // it applies the schema; else it waits until another has
  long retention_days;  // of history; 0: for ever
  long log_keep_s;      // how long a message stays in the stream after it was recorded
  // Called on the recorder's thread: this tracker was not heard by others for a while, so that they may have said that
  // its sessions had ended.
  void (*unheard)(void *context);
  void *context;
};

// The strings and the schema must outlive the recorder.
struct recorder *recorder_start(const struct recorder_config *config, struct metrics *metrics);
bool recorder_leads(const struct recorder *recorder);  // any thread
void recorder_stop(struct recorder *recorder);         // waits for the batch at hand, 3 s at most; frees
#endif

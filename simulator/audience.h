// All viewers of a run, spread over the teams, and what they share. The loop's thread.
#ifndef MUSTER_AUDIENCE_H
#define MUSTER_AUDIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "box.h"
#include "buffer.h"
#include "endpoint.h"
#include "scenario.h"
#include "share.h"
#include "totals.h"
#include "watch_event.h"

struct audience_options {
  uv_loop_t *loop;
  const struct endpoint *http;  // outlive the audience
  uint32_t http_count;
  struct share share;
  const struct scenario *scenario;  // says of which team each viewer is, and which are slow
  uint32_t sources;                 // as in watcher.h
  uint32_t viewers;                 // this process' own
  uint32_t teams, first_team;
  uint32_t busy_teams;    // in the others workers park, and their views stand still
  uint32_t connect_rate;  // first connections per second
  long interval_ms;       // as in watcher.h
  const struct box *box;  // as in watcher.h; outlives the audience
  bool measures;          // as in watcher.h
  bool mixed;             // protocols go round, beginning with `protocol`
  enum watch_protocol protocol;
  uint64_t seed;
  const char *manager_token;  // for all viewers; "": one is minted for each viewer's team
  const char *worker_key;     // with this
};

struct audience;

// Each viewer watches the team where the scenario places it; those of one team go round the addresses, and round the
// protocols if these are mixed, beginning with another one in the next team. (With the addresses in every third team,
// so that all protocols meet all addresses.)
struct audience *audience_new(const struct audience_options *options, int64_t now_us);
// When audience_open is 0.
void audience_free(struct audience *audience);

// From now on positions that were taken at since_us or later are counted as delivered.
void audience_count(struct audience *audience, int64_t since_us);
void audience_sweep(struct audience *audience, int64_t now_us);
void audience_close(struct audience *audience, int64_t now_us);

uint32_t audience_size(const struct audience *audience);
uint32_t audience_watching(const struct audience *audience);  // viewers with a snapshot on their connection
uint32_t audience_shown(const struct audience *audience);     // viewers that ever had one
uint32_t audience_open(const struct audience *audience);
// True if all viewers watch and no row has come for so long.
bool audience_is_quiet(const struct audience *audience, int64_t us, int64_t now_us);
// The longest that any viewer of a busy team has been without a row.
int64_t audience_silence_us(const struct audience *audience, int64_t now_us);
const struct viewer_totals *audience_totals(const struct audience *audience);

// Appends every viewer's state, a JSON object in a line each.
void audience_write_states(const struct audience *audience, struct buffer *out);

#endif

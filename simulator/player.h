// One process' part of a run: its workers and viewers, which do what the board says, and tell there how far they are.
// The loop's thread.
#ifndef MUSTER_PLAYER_H
#define MUSTER_PLAYER_H

#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

#include "board.h"
#include "ledger.h"
#include "replay.h"
#include "settings.h"
#include "share.h"

struct player_options {
  uv_loop_t *loop;
  const struct settings *settings;
  const struct settings_derived *derived;
  struct share share;  // share.index is the desk, too
  struct board *board;
  struct replay *replay;  // NULL: live load
  struct ledger *ledger;  // NULL: none
  FILE *views;            // for the viewers' final states, a line each; NULL: none
};

struct player;

// Starts it; the options' pointers outlive it. It is over once the board says PHASE_CLOSE and the loop has run out.
struct player *player_new(const struct player_options *options);
// Tells the last figures and frees. False if the viewers' states could not be written.
bool player_free(struct player *player) __attribute__((warn_unused_result));

#endif

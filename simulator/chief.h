// Leads a run through its phases, from the first connection to the last: by what the players tell on the board, and by
// signals. It shows the status line and writes the timeline. The loop's thread; its process may play, too.
#ifndef MUSTER_CHIEF_H
#define MUSTER_CHIEF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <uv.h>

#include "board.h"
#include "settings.h"

struct chief_options {
  uv_loop_t *loop;
  const struct settings *settings;
  struct board *board;
  uint32_t workers;      // of all processes
  uint32_t processes;    // desks of the board
  const pid_t *players;  // processes that play, one for each desk; NULL: this one does
  FILE *timeline;        // NULL: none
};

struct chief;

// Starts it; the options' pointers outlive it. It is over once the loop has run out: all is closed, and all players are
// gone.
struct chief *chief_new(const struct chief_options *options);
void chief_free(struct chief *chief);

// What all players told last.
void chief_sum(const struct chief *chief, struct figures *out);
double chief_seconds(const struct chief *chief);   // of the playing
bool chief_has_played(const struct chief *chief);  // it was not stopped before
bool chief_has_lost(const struct chief *chief);    // a player died or failed

#endif

// The files of a run, opened before it begins, so that one which cannot be written is found before any load. The
// chief's process, but for the ledger and the views' lines, in which every process writes its part.
#ifndef MUSTER_OUTPUTS_H
#define MUSTER_OUTPUTS_H

#include <stdbool.h>
#include <stdio.h>

#include "buffer.h"
#include "ledger.h"
#include "settings.h"

struct outputs {
  const struct settings *settings;
  FILE *report, *states, *timeline;  // NULL where none is wanted, here and below
  struct ledger *ledger;
  FILE **views;  // for each process, its viewers' states, a line each; merged into states
  uint32_t processes;
};

// False after saying which file cannot be written. outputs_close frees all.
bool outputs_open(struct outputs *outputs, const struct settings *settings) __attribute__((warn_unused_result));

// Writes the viewers' states in order, and the report's text.
void outputs_finish(struct outputs *outputs, const struct buffer *report);

// False after saying which could not be written.
bool outputs_close(struct outputs *outputs) __attribute__((warn_unused_result));

#endif

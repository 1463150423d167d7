// Where the processes of a run read what is to be done, and tell how far they are: memory that they share. One process,
// the chief's, gives orders; each player writes at its own desk. No process ever waits for another here, so one that
// hangs or is killed harms nobody.
#ifndef MUSTER_BOARD_H
#define MUSTER_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "figures.h"

// A run goes through all of them, in this order.
enum phase { PHASE_CONNECT, PHASE_PLAY, PHASE_DRAIN, PHASE_SETTLE, PHASE_CLOSE };
const char *phase_name(enum phase phase);

struct board;

// Before any process is forked. Aborts without memory.
struct board *board_new(uint32_t desks);
void board_free(struct board *board);

// ---- the chief's ----

// at_us: when the phase is to begin.
void board_order(struct board *board, enum phase phase, int64_t at_us);
void board_hurry(struct board *board);  // the run was told to stop: acks are to be asked for at once
void board_disturb(struct board *board);

// True if every desk has told that it is done with the phase.
bool board_all_done(const struct board *board, enum phase phase);
// What this desk told last; nothing but zeros if it never did.
void board_read(const struct board *board, uint32_t desk, struct figures *out);

// ---- the players' ----

enum phase board_phase(const struct board *board);
int64_t board_phase_us(const struct board *board);  // as board_order was given it
bool board_hurried(const struct board *board);
uint32_t board_disturbs(const struct board *board);  // how many there were

void board_done(struct board *board, uint32_t desk, enum phase phase, bool done);
void board_tell(struct board *board, uint32_t desk, const struct figures *figures);

#endif

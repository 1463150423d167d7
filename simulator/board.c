// Each desk has two copies of its figures. The player writes the one that is not current and then makes it current; a
// reader whose copy was overwritten meanwhile reads again.
#include "board.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

struct desk {
  _Atomic int done;       // the phase it is done with, -1: none
  _Atomic uint32_t told;  // how many times; told % 2 is current
  struct figures figures[2];
};

struct board {
  uint32_t count;
  size_t bytes;
  _Atomic int phase;
  _Atomic int64_t phase_us;
  _Atomic bool hurried;
  _Atomic uint32_t disturbs;
  struct desk desks[];
};

const char *phase_name(enum phase phase) {
  static const char *const names[] = {"connect", "play", "drain", "settle", "close"};
  return names[phase];
}

struct board *board_new(uint32_t desks) {
  size_t bytes = sizeof(struct board) + desks * sizeof(struct desk);
  struct board *board = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED) abort();
  board->count = desks;
  board->bytes = bytes;
  for (uint32_t i = 0; i < desks; i++) board->desks[i].done = -1;
  return board;
}

void board_free(struct board *board) {
  if (board) munmap(board, board->bytes);
}

void board_order(struct board *board, enum phase phase, int64_t at_us) {
  board->phase_us = at_us;
  board->phase = (int)phase;
}

void board_hurry(struct board *board) {
  board->hurried = true;
}

void board_disturb(struct board *board) {
  board->disturbs++;
}

bool board_all_done(const struct board *board, enum phase phase) {
  for (uint32_t i = 0; i < board->count; i++) {
    if (board->desks[i].done != (int)phase) return false;
  }
  return true;
}

void board_read(const struct board *board, uint32_t desk, struct figures *out) {
  const struct desk *d = &board->desks[desk];
  uint32_t told;
  do {
    told = d->told;
    *out = d->figures[told % 2];
    atomic_thread_fence(memory_order_acquire);
  } while (d->told != told);
}

enum phase board_phase(const struct board *board) {
  return (enum phase)board->phase;
}

int64_t board_phase_us(const struct board *board) {
  return board->phase_us;
}

bool board_hurried(const struct board *board) {
  return board->hurried;
}

uint32_t board_disturbs(const struct board *board) {
  return board->disturbs;
}

void board_done(struct board *board, uint32_t desk, enum phase phase, bool done) {
  int value = done ? (int)phase : -1;
  if (board->desks[desk].done != value) board->desks[desk].done = value;
}

void board_tell(struct board *board, uint32_t desk, const struct figures *figures) {
  struct desk *d = &board->desks[desk];
  d->figures[(d->told + 1) % 2] = *figures;
  d->told++;
}

// A connection from the door to a thread of CivetWeb, and the request that is on it.
#ifndef MUSTER_CARRIER_H
#define MUSTER_CARRIER_H

#include <pthread.h>

#include "door.h"
#include "guest.h"

enum carrier_state { CARRIER_ABSENT, CARRIER_CONNECTING, CARRIER_IDLE, CARRIER_BUSY };

struct carrier {
  uint8_t source;  // as in struct guest
  uint8_t state;   // under the lock, as port and guest
  uint16_t port;
  int fd;
  struct guest *guest;  // from carrier_give to carrier_take; in between it is the worker's
  struct door_end end;
  struct carriers *carriers;
  struct carrier *next_back;
};

struct carriers {
  pthread_mutex_t lock;
  struct carrier *back;  // those that a worker is done with; under the lock
  int wake_fd;           // an eventfd, written when back is no longer empty
  uint16_t server_port;
  size_t count;
  struct carrier *all;
};

// ---- the door's thread ----

// False if there are no descriptors left.
bool carriers_init(struct carriers *carriers, size_t count, uint8_t source) __attribute__((warn_unused_result));
void carriers_fini(struct carriers *carriers);

// One that may take a request now, or one that is not connected, or NULL.
struct carrier *carriers_find(struct carriers *carriers, enum carrier_state state);
bool carriers_busy(struct carriers *carriers);

bool carrier_connect(struct carrier *carrier) __attribute__((warn_unused_result));
// After an event while it connects: whether it is connected now.
bool carrier_connected(struct carrier *carrier) __attribute__((warn_unused_result));
void carrier_close(struct carrier *carrier);
// Gives a worker a head to read. False if the carrier is broken; the guest stays the caller's then.
bool carrier_give(struct carrier *carrier, struct guest *guest, const void *head, size_t len)
    __attribute__((warn_unused_result));
// Those that came back, linked by next_back.
struct carrier *carriers_take_back(struct carriers *carriers);
// The guest of one that came back or broke; the carrier is idle then.
struct guest *carrier_take(struct carrier *carrier);

#endif

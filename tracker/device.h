// A device: its connection, its session and the worker that it speaks for. The tracker's loop.
#ifndef MUSTER_DEVICE_H
#define MUSTER_DEVICE_H

#include <uthash.h>

#include "batcher.h"
#include "conn.h"
#include "ident.h"
#include "pace.h"
#include "session.h"
#include "token.h"

struct server;

// Room for "team/worker".
#define DEVICE_KEY_BYTES (2 * IDENT_MAX_BYTES + 2)

struct device {
  struct conn conn;
  struct session session;
  struct server *server;
  struct pace_device pace;
  struct batch_waiter handle;  // its slot in the server, and which of the slot's users it is
  int64_t hello_since_us;      // monotonic; since when Hello is waited for
  int64_t ended_us;            // monotonic; when the connection was ended, 0 before
  struct token_stamp stamp;    // of its token, once Hello was taken
  struct batch_team *team;     // NULL before Hello
  const char *worker;          // points into key
  uint8_t worker_len;
  char *key;          // "team/worker"; NULL before Hello
  UT_hash_handle hh;  // in the server's table of workers, while it is the worker's newest
};

#endif

// What store.c and store_write.c share.
#ifndef MUSTER_STORE_PRIVATE_H
#define MUSTER_STORE_PRIVATE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "pgarray.h"
#include "store.h"

#define STORE_COLUMNS 10

struct store {
  PGconn *connection;
  bool prepared;     // store_write's statements are
  bool days_loaded;  // known_days is
  uint8_t known_days[STORE_DAYS / 8];
  struct pgarray columns[STORE_COLUMNS];  // reused from call to call
};

struct store_params {
  const char *values[STORE_COLUMNS];
  int lengths[STORE_COLUMNS];
  int formats[STORE_COLUMNS];
};

// Finishes the first `count` columns and makes them parameters.
void store_params(struct store *store, size_t count, struct store_params *out);

// Frees the result; false, after logging, if it is an error. result may be NULL.
bool store_good(struct store *store, PGresult *result, const char *what);

#endif

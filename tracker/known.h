// Workers as the recorder knows them: by team and name, with the id and the newest position that Postgres has of them.
// What is known is good for one connection to Postgres only, and while its tracker leads: another connection may lead
// to a server that lost the newest workers in a crash, or to a restored database, and another leader writes. Used by
// the recorder's thread only.
#ifndef MUSTER_KNOWN_H
#define MUSTER_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "store.h"
#include "update.h"

struct known;

struct known *known_new(void);
void known_free(struct known *known);
void known_forget(struct known *known);  // all workers; no update may lead to one any more

// The worker of an update, whose team and worker are ids; it stays until it is forgotten. Without an id (0) if Postgres
// was not asked for it yet.
struct store_worker *known_worker(struct known *known, const struct update *update);

// Asks Postgres for the ids of these updates' workers that have none yet. Updates of workers that it refuses are
// refused.
bool known_resolve(struct known *known, struct store *store, struct store_update *updates, size_t count)
    __attribute__((warn_unused_result));

#endif

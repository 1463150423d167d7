// The undertaker: listens to the heartbeats of all trackers, in every tracker and always, so that whoever is elected
// recorder knows at once which are dead; and says that the sessions of the dead are over, as news like any other.
//
// It also hears its own tracker. Who was not heard for a while, for whatever reason, may have been taken for dead, and
// is told so as soon as it is heard again. Who is dead, and who may say so, is roll.h's.
//
// Owned and used by the recorder's thread; it has a connection to NATS of its own.
#ifndef MUSTER_UNDERTAKER_H
#define MUSTER_UNDERTAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

struct undertaker;

// unheard is called, on the recorder's thread, when the tracker `id` is heard again that was not. Strings must outlive
// it.
struct undertaker *undertaker_new(const char *nats_url, const char *id, void (*unheard)(void *context), void *context);
void undertaker_free(struct undertaker *undertaker);

// Takes in what was heard; to be called several times a second. Connects if need be, which takes a second at most.
void undertaker_listen(struct undertaker *undertaker);

// The trackers that live, good until the next call of undertaker_listen. False if that is not known now.
bool undertaker_living(const struct undertaker *undertaker, const struct roll_tracker **out, size_t *out_count);

// Publishes that these sessions, ordered by tracker and team, have ended: stores it first, then tells it live, in
// batches of the dead trackers' names with number 0. False if that failed; *out_sequence is the stream's, of the last
// one stored.
bool undertaker_bury(struct undertaker *undertaker, const struct store_session *sessions, size_t count,
                     uint64_t *out_sequence) __attribute__((warn_unused_result));

#endif

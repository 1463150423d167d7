// How many viewers there are: in the process, of each team, and with each token. A viewer takes a place at its
// handshake and gives it back when it is gone. Any thread.
#ifndef MUSTER_PLACES_H
#define MUSTER_PLACES_H

#include <stdint.h>

struct places;
struct place;

struct places_limits {
  uint32_t process, team, token;  // 0: none
};

enum places_status { PLACES_TAKEN, PLACES_FULL, PLACES_TEAM_FULL, PLACES_TOKEN_FULL };

struct places *places_new(const struct places_limits *limits);
void places_free(struct places *places);  // all places were released

// token: whatever names the token. On PLACES_TAKEN, *out_place is the viewer's until places_release.
enum places_status places_take(struct places *places, const char *team, uint64_t token, struct place **out_place)
    __attribute__((warn_unused_result));
void places_release(struct place *place);  // NULL is fine

#endif

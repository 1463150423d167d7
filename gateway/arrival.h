// A viewer on its way from the thread that answered its handshake to the fan-out.
#ifndef MUSTER_ARRIVAL_H
#define MUSTER_ARRIVAL_H

#include "token.h"
#include "view_filter.h"

struct place;

// Whoever takes it over owns fd and place (see places.h).
struct arrival {
  int fd;  // the response's head was already sent on it
  enum view_protocol protocol;
  struct view_filter filter;
  const char *team;
  const char *worker;        // the only one whom it may be shown; NULL: all of the team
  struct place *place;       // never NULL
  struct token_stamp stamp;  // of the token that has opened it
};

#endif

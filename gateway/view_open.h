// What the handshakes of both kinds of live view share. The HTTP server's threads.
#ifndef MUSTER_VIEW_OPEN_H
#define MUSTER_VIEW_OPEN_H

#include "api.h"
#include "arrival.h"

// Reads interval_ms and bbox; answers 400 and returns false if anything in the query is wrong.
bool view_open_query(const struct gateway *gateway, const struct http_request *request, struct http_response *response,
                     struct view_filter *out_filter) __attribute__((warn_unused_result));

// Whether this view may be opened now, by its token, by what can be shown, and by the limits; takes its place then.
// Answers and returns false if not.
bool view_open_admit(struct gateway *gateway, const struct http_request *request, struct http_response *response,
                     struct place **out_place) __attribute__((warn_unused_result));

// Takes the socket away from the HTTP server, sends the head on it and hands it to the fan-out. Fills in the arrival's
// fd and early bytes; releases its place if that fails.
void view_open_attach(struct gateway *gateway, const struct http_request *request, struct http_response *response,
                      const char *head, struct arrival *arrival);

#endif

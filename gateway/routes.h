// Which path leads where, and who may go there. Server's threads.
#ifndef MUSTER_ROUTES_H
#define MUSTER_ROUTES_H

#include "gateway.h"
#include "http.h"

// Fills in the response, whatever the request is.
void routes_answer(struct gateway *gateway, struct http_request *request, struct http_response *response);

#endif

// The address of NATS with what logs in there. Settings keep them apart, so that an address can be a flag and stand in
// a log, and a password cannot; nats.c wants them in one. Pure; any thread.
#ifndef MUSTER_NATS_URL_H
#define MUSTER_NATS_URL_H

#include <stdbool.h>

// Puts user and password, both maybe "", into each of the servers' addresses (with commas between), for nats.c only: it
// is a secret, and not encoded. True: *out_url is the caller's to free. False: *out_fault says what is wrong.
bool nats_url_login(const char *servers, const char *user, const char *password, char **out_url, const char **out_fault)
    __attribute__((warn_unused_result));

#endif

// How revocations reach every process, also one that starts later: they are stored in a JetStream stream, one message
// for each jti and holder, and everybody asks once a second whether it has grown, and reads what is new. There is
// nothing to subscribe to, and so nothing that could be missed; docs/decisions/010-revocation.md. While NATS is away,
// what was heard stays in force.
//
// Any thread, but for new, start and free; has a connection to NATS and, once started, a thread of its own.
#ifndef MUSTER_REVOCATION_LOG_H
#define MUSTER_REVOCATION_LOG_H

#include "revoked.h"

struct revocation_log;

// Strings must outlive it.
struct revocation_log_options {
  const char *nats_url, *name;
  const char *inbox;  // prefix of the subjects that answers come on; NULL: any
  bool creates;       // the stream, if it is not there
  struct revoked *revoked;
};

struct revocation_log *revocation_log_new(const struct revocation_log_options *options);
// Lets the thread read no more, without waiting for it: a program that stops has something else to wait for meanwhile.
void revocation_log_end(struct revocation_log *log);
// Stops the thread, if there is one. To be called before the library is ended.
void revocation_log_free(struct revocation_log *log);

// Reads for the first time, which takes a second if NATS does not answer, and then goes on in the background.
bool revocation_log_start(struct revocation_log *log) __attribute__((warn_unused_result));

// Reads what is new. False if NATS could not be asked; for programs without the thread.
bool revocation_log_read(struct revocation_log *log) __attribute__((warn_unused_result));

// Stores a revocation, and has it in force here. False with what is wrong: it may not be in force anywhere then.
#define REVOCATION_FAULT_BYTES 128
bool revocation_log_add(struct revocation_log *log, const struct revocation *revocation,
                        char out_fault[REVOCATION_FAULT_BYTES]) __attribute__((warn_unused_result));

// Calls `each` for everything in the stream, in the order in which it was revoked. If that returns true, the message is
// removed from the stream; whoever has heard of it keeps it. False if NATS could not be asked.
bool revocation_log_list(struct revocation_log *log, bool (*each)(void *context, const struct revocation *revocation),
                         void *context) __attribute__((warn_unused_result));

#endif

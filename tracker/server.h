// The tracker's devices: the listener, a connection and a session for each device, who is which worker, and the time
// limits. The tracker's loop.
#ifndef MUSTER_SERVER_H
#define MUSTER_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "intake.h"
#include "metrics.h"
#include "pace.h"
#include "token_guard.h"

struct server;

struct server_config {
  const char *host;
  int port;  // 0: any free one
  const struct token_guard *guard;
  long retention_days;  // positions older are refused; 0: none are
  long idle_timeout_ms, hello_timeout_ms, ack_delay_ms, ack_reports;
  unsigned max_connections;
  const struct peers *peers;
  struct rate_limit connects;
  struct pace_limits limits;
};

// Starts listening. NULL with a message in *out_fault if it cannot. intake may be set later, before the loop runs, with
// server_use_intake: the two know each other.
struct server *server_new(uv_loop_t *loop, const struct server_config *config, struct metrics *metrics,
                          const char **out_fault);
void server_use_intake(struct server *server, struct intake *intake);
int server_port(const struct server *server);
uint32_t server_connections(const struct server *server);

// Says anew of every worker here that it is online: others may have taken this tracker for dead, and its sessions for
// ended.
void server_announce(struct server *server);

// For the intake's events.
void server_durable(struct server *server, struct batch_waiter waiter);
void server_pressure(struct server *server, bool on);

// Stops: no new connections, every session ends and what it brought is stored and acked, then GoAway; `stopped` is
// called once all connections are gone. Called a second time, it hurries.
void server_stop(struct server *server, void (*stopped)(void *context), void *context);
void server_free(struct server *server);

#endif

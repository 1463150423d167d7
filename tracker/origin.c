// Until the edge's header was read, a connection's events come here.
#include "origin.h"

#include "clock.h"
#include "log.h"
#include "proxy.h"

static size_t on_received(struct conn *conn, const uint8_t *bytes, size_t len) {
  size_t head = 0;
  switch (proxy_parse(bytes, len, &head, &conn->source)) {
    case PROXY_PART:
      return 0;
    case PROXY_BAD:
      conn->behind_head->broken(conn, "bad_edge_header");
      return 0;
    case PROXY_WHOLE:
      break;
  }
  conn->events = conn->behind_head;
  return head == len ? head : head + conn->events->received(conn, bytes + head, len - head);
}

static void on_broken(struct conn *conn, const char *reason) {
  conn->behind_head->broken(conn, reason);
}

static void on_closed(struct conn *conn) {
  conn->behind_head->closed(conn);
}

static const struct conn_events head_events = {on_received, on_broken, on_closed};

static struct peer peer_of_conn(const struct conn *conn) {
  struct sockaddr_storage address;
  int len = sizeof address;
  if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &len)) return (struct peer){0};
  return peer_of((const struct sockaddr *)&address);
}

bool origin_admit(struct conn *conn, const struct peers *peers) {
  struct peer peer = peer_of_conn(conn);
  switch (peers_judge(peers, &peer)) {
    case PEERS_STRANGER:
      return false;
    case PEERS_DIRECT:
      conn->source = peer;
      return true;
    case PEERS_EDGE:
      conn->behind_head = conn->events;
      conn->events = &head_events;
      return true;
  }
  return false;
}

void origin_refused(const struct conn *conn, Muster__ErrorCode code) {
  static struct log_limit limit;
  if (!log_limit_pass(&limit, clock_mono_us())) return;
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(&muster__error_code__descriptor, (int)code);
  log_info("device_refused", "source=%s code=%s", PEER_TEXT(&conn->source), value ? value->name : "?");
}

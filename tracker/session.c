// The device protocol, tracker's side.
#include "session.h"

#include <string.h>

#include "frame.h"

#define PROTOCOL_VERSION 1
#define CLOCKS_APART_US INT64_C(86400000000)  // the most that trackers' clocks may differ by: a day

void session_init(struct session *session, struct session_host *host) {
  *session = (struct session){.host = host};
}

void session_end(struct session *session) {
  session->over = true;
}

void session_fail(struct session *session, Muster__ErrorCode code, const char *text) {
  uint8_t out[MESSAGE_SEND_BYTES];
  if (session->over) return;
  session->over = true;
  session->host->send(session, out, message_error(out, code, text));
  session->host->failed(session, code);
}

void session_go_away(struct session *session, const char *reason, uint32_t retry_after_ms) {
  uint8_t out[MESSAGE_SEND_BYTES];
  if (session->over) return;
  session->over = true;
  session->host->send(session, out, message_go_away(out, reason, retry_after_ms));
}

static void send_ack(struct session *session) {
  uint8_t out[MESSAGE_SEND_BYTES];
  session->ack.sent = session->ack.durable;
  session->host->send(session, out, message_ack(out, session->ack.durable));
}

// Acks what is durable by now. What is left unacked begins a new delay.
static void ack_durable(struct session *session, int64_t now_us) {
  if (ack_advance(&session->ack, session->host->durable(session))) send_ack(session);
  session->unacked_since_us = session->ack.received > session->ack.sent ? now_us : 0;
}

void session_durable(struct session *session) {
  if (!session->over) ack_durable(session, session->unacked_since_us);
}

void session_tick(struct session *session, int64_t now_us) {
  if (session->over || session->unacked_since_us == 0) return;
  if (now_us - session->unacked_since_us >= session->host->ack_delay_us) ack_durable(session, now_us);
}

// A session's identity is its start, but never at or before the start of the device's session before: that one may have
// been on a tracker whose clock was ahead. A claim that is far ahead is no tracker's clock and is passed over.
static int64_t session_start(int64_t now_us, int64_t last_session_us) {
  return last_session_us >= now_us && last_session_us - now_us < CLOCKS_APART_US ? last_session_us + 1 : now_us;
}

static void receive_hello(struct session *session, struct wire_reader message, int64_t now_us) {
  if (session->open) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_HELLO_REPEATED, "this connection has said Hello before");
    return;
  }
  Muster__Hello *hello = muster__hello__unpack(NULL, wire_left(&message), message.at);
  if (!hello) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_MALFORMED, "this Hello is no message");
    return;
  }
  Muster__ErrorCode code = MUSTER__ERROR_CODE__ERROR_TOKEN_INVALID;
  const char *text = "no token was given";
  if (hello->protocol != PROTOCOL_VERSION) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_PROTOCOL_VERSION, "this tracker speaks protocol version 1");
  } else if (!hello->token) {
    session_fail(session, code, text);
  } else {
    session->session_us = session_start(now_us, hello->last_session);
    if (session->host->open(session, hello, &code, &text)) {
      uint8_t out[MESSAGE_SEND_BYTES];
      session->open = true;
      session->host->send(session, out, message_welcome(out, session->session_us, now_us, &session->host->limits));
    } else {
      session_fail(session, code, text);
    }
  }
  muster__hello__free_unpacked(hello, NULL);
}

// Acks everything received as soon as it is durable.
static void ack_soon(struct session *session) {
  uint64_t batch = ack_newest_batch(&session->ack);
  if (batch <= session->host->durable(session)) {
    ack_durable(session, session->unacked_since_us);
  } else if (batch > session->waiting_for) {
    session->waiting_for = batch;
    session->host->wait(session, batch);
  }
}

// Takes the good positions of a report and refuses the others. Returns the log batch of the last one, 0 if none is
// good.
static uint64_t take_positions(struct session *session, const struct report *report, int64_t now_us) {
  struct session_host *host = session->host;
  int64_t latest_us = now_us + (int64_t)host->limits.future_ms * 1000;
  uint64_t batch = 0;
  // An answer may find the connection broken, which ends the session.
  for (uint32_t i = 0; !session->over && i < report->count; i++) {
    const struct reported *reported = &report->positions[i];
    enum position_fault fault = position_check(&reported->position, host->oldest_us, latest_us);
    if (fault == POSITION_GOOD) {
      batch = host->position(session, reported, now_us);
    } else {
      uint8_t out[MESSAGE_SEND_BYTES];
      host->send(session, out, message_refused(out, report->number, i, fault));
      host->refused(session, fault);
    }
  }
  return batch;
}

static void receive_report(struct session *session, struct wire_reader message, int64_t now_us) {
  struct report *report = &session->host->report;
  if (!message_report(message, report)) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_MALFORMED, "this Report is no message");
  } else if (report->number != session->reports + 1) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_REPORT_NUMBER, "reports are numbered 1, 2, 3 … per connection");
  } else if (report->count == 0) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_REPORT_EMPTY, "a report has at least one position");
  } else {
    session->reports = report->number;
    // First let go of what became durable since: two marks are enough only if old ones leave.
    ack_advance(&session->ack, session->host->durable(session));
    ack_note(&session->ack, report->number, take_positions(session, report, now_us));
    if (session->unacked_since_us == 0) session->unacked_since_us = now_us;
    if (report->ack_now || report->number - session->ack.sent >= session->host->ack_reports) ack_soon(session);
  }
}

static void receive_message(struct session *session, const struct frame *frame, int64_t now_us) {
  struct wire_reader message;
  enum message_kind kind = message_open(frame->body, frame->body_len, &message);
  if (kind == MESSAGE_BAD) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_MALFORMED, "this is no message of the device protocol");
  } else if (kind == MESSAGE_HELLO) {
    receive_hello(session, message, now_us);
  } else if (!session->open) {
    session_fail(session, MUSTER__ERROR_CODE__ERROR_HELLO_EXPECTED, "the first message must be Hello");
  } else if (kind == MESSAGE_REPORT) {
    receive_report(session, message, now_us);
  } else {
    uint8_t out[MESSAGE_SEND_BYTES];
    session->host->send(session, out, message_pong(out, now_us));
  }
}

size_t session_receive(struct session *session, const uint8_t *bytes, size_t len, int64_t now_us) {
  size_t used = 0;
  while (used < len && !session->over) {
    struct frame frame;
    enum frame_status status = frame_next(bytes + used, len - used, &frame);
    if (status == FRAME_MORE) break;
    if (status == FRAME_TOO_LONG) {
      session_fail(session, MUSTER__ERROR_CODE__ERROR_FRAME_TOO_LONG, "a message has at most 65536 bytes");
    } else if (status == FRAME_BAD) {
      session_fail(session, MUSTER__ERROR_CODE__ERROR_MALFORMED, "a message's length is no varint");
    } else {
      receive_message(session, &frame, now_us);
      used += frame.total_len;
    }
  }
  return used;
}

// The device's state machine, its clock, and what it says when.
#include "device.h"

#include <stdlib.h>

#include "backoff.h"
#include "buffer.h"
#include "device_message.h"
#include "frame.h"
#include "spool.h"

#define CONNECT_TIMEOUT_US 10000000
#define HEALTHY_US 10000000  // a session that lasted so long was a good one
#define DEFAULT_IDLE_TIMEOUT_MS 60000u
#define MALFORMED 2u  // ErrorCode of device.proto, for bytes from a tracker that are no message
#define BARRED_FIRST_US 30000000
#define BARRED_LAST_US 600000000

enum state {
  STATE_WAITING,     // for connect_at_us
  STATE_CONNECTING,  // since state_us
  STATE_GREETING,    // Hello is sent, at state_us
  STATE_READY,       // welcomed at state_us
};

struct device {
  const struct device_options *options;
  void *context;
  struct spool spool;
  struct buffer in;  // a frame that has come in part; empty nearly always
  enum state state;
  bool leaving;         // GoAway came: nothing more is sent, and connect_at_us is when to be back
  bool healthy;         // this session has acked something
  bool barred;          // the tracker has refused the Hello for what will be the same next time
  bool ever_welcomed;   // on any connection
  bool own_stamps;      // device_take is used
  bool flush, retired;  // as device_flush and device_retire say
  unsigned failures;    // connections in a row that came to nothing
  uint64_t random;
  int64_t state_us, connect_at_us;
  int64_t sent_us, heard_us, pinged_us;     // the last time each was so, on this connection
  int64_t session_us;                       // of the newest session, 0 before the first
  int64_t correction_us, last_taken_us;     // server's clock less ours; the latest stamp
  uint32_t reports, asked, acked;           // numbers of the last report sent, that asked for its ack, that was acked
  uint32_t message_bytes, idle_timeout_ms;  // the tracker's limits
};

struct device *device_new(const struct device_options *options, void *context, uint64_t seed, int64_t connect_us) {
  struct device *device = calloc(1, sizeof *device);
  if (!device) abort();
  device->options = options;
  device->context = context;
  device->random = seed;
  device->connect_at_us = connect_us;
  spool_init(&device->spool, options->spool_positions);
  return device;
}

void device_free(struct device *device) {
  if (!device) return;
  spool_fini(&device->spool);
  buffer_fini(&device->in);
  free(device);
}

// ---- positions ----

void device_add(struct device *device, const struct position *position, int64_t planned_us) {
  struct spool_entry dropped;
  if (spool_add(&device->spool, position, planned_us, &dropped)) {
    device->options->dropped(device->context, &dropped.position, dropped.ever_sent);
  }
}

void device_take(struct device *device, struct position *position, int64_t planned_us) {
  device->own_stamps = true;
  int64_t taken_us = planned_us + device->correction_us;
  if (taken_us <= device->last_taken_us) taken_us = device->last_taken_us + 1;
  device->last_taken_us = taken_us;
  position->taken_at_us = taken_us;
  position->has |= POSITION_HAS_TAKEN_AT;
  device_add(device, position, planned_us);
}

bool device_has_room(const struct device *device, uint32_t count) {
  return spool_has_room(&device->spool, count);
}

// The server's clock read server_us at some moment between two of ours. The correction is changed only where it is
// surely wrong, so that a clock as good as the server's is left alone, however long the way was.
static void correct_clock(struct device *device, int64_t server_us, int64_t asked_us, int64_t now_us) {
  int64_t least = server_us - now_us, most = server_us - asked_us;
  if (device->correction_us >= least && device->correction_us <= most) return;
  int64_t correction_us = least + (most - least) / 2;
  int64_t change_us = correction_us - device->correction_us;
  device->correction_us = correction_us;
  if (device->ever_welcomed || !device->own_stamps) return;
  // Nothing has been sent yet, so what was stamped by the uncorrected clock can still be put right.
  for (uint64_t s = device->spool.first; s < device->spool.next; s++) {
    spool_at(&device->spool, s)->position.taken_at_us += change_us;
  }
  device->last_taken_us += change_us;
}

// ---- connection ----

static int64_t idle_us(const struct device *device) {
  return (int64_t)device->idle_timeout_ms * 1000;
}

// A Ping keeps a silent connection alive, and its Pong shows that the other side still is.
static bool wants_ping(const struct device *device, int64_t now_us) {
  int64_t third_us = idle_us(device) / 3;
  int64_t quiet_since_us = device->sent_us < device->heard_us ? device->sent_us : device->heard_us;
  return now_us - quiet_since_us >= third_us && now_us - device->pinged_us >= third_us;
}

static enum device_want poll_ready(const struct device *device, int64_t now_us) {
  if (now_us - device->heard_us > idle_us(device)) return DEVICE_CLOSE;
  if (device->leaving) {
    return device->spool.in_flight == 0 || now_us >= device->connect_at_us ? DEVICE_CLOSE : DEVICE_NOTHING;
  }
  return spool_unsent(&device->spool) || wants_ping(device, now_us) ? DEVICE_WRITE : DEVICE_NOTHING;
}

enum device_want device_poll(const struct device *device, int64_t now_us) {
  switch (device->state) {
    case STATE_WAITING:
      return !device->retired && now_us >= device->connect_at_us ? DEVICE_CONNECT : DEVICE_NOTHING;
    case STATE_CONNECTING:
    case STATE_GREETING:
      return now_us - device->state_us > CONNECT_TIMEOUT_US ? DEVICE_CLOSE : DEVICE_NOTHING;
    case STATE_READY:
      break;
  }
  return poll_ready(device, now_us);
}

void device_connecting(struct device *device, int64_t now_us) {
  device->state = STATE_CONNECTING;
  device->state_us = now_us;
}

size_t device_connected(struct device *device, int64_t now_us, const char *token, size_t token_len, uint8_t *to) {
  device->state = STATE_GREETING;
  device->state_us = device->sent_us = device->heard_us = device->pinged_us = now_us;
  device->leaving = device->healthy = false;
  device->reports = device->asked = device->acked = 0;
  device->in.len = 0;
  return (size_t)(device_message_hello(to, token, token_len, device->options->agent, device->session_us) - to);
}

// A token that was refused is refused again until there is another one, or clocks are right: no use in hurrying.
static int64_t wait_us(struct device *device) {
  unsigned failures = device->failures++;
  if (!device->barred) return backoff_us(failures, &device->random);
  int64_t wait = failures < 6 ? (int64_t)BARRED_FIRST_US << failures : BARRED_LAST_US;
  return backoff_jitter_us(wait < BARRED_LAST_US ? wait : BARRED_LAST_US, &device->random);
}

// Whether this Error to a Hello speaks of what will be the same next time.
static bool is_barred(uint32_t code) {
  return code == TRACKER_ERROR_PROTOCOL_VERSION || code == TRACKER_ERROR_TOKEN_INVALID ||
         code == TRACKER_ERROR_TOKEN_EXPIRED || code == TRACKER_ERROR_TOKEN_REVOKED ||
         code == TRACKER_ERROR_WRONG_TEAM || code == TRACKER_ERROR_CLOCK;
}

void device_closed(struct device *device, int64_t now_us) {
  if (device->state == STATE_READY && now_us - device->state_us >= HEALTHY_US) device->healthy = true;
  if (device->healthy) device->failures = 0;
  int64_t back_us = now_us;
  if (!device->leaving || !device->healthy) back_us += wait_us(device);
  if (!device->leaving || device->connect_at_us < back_us) device->connect_at_us = back_us;
  device->state = STATE_WAITING;
  device->leaving = device->healthy = device->barred = false;
  buffer_fini(&device->in);
}

// ---- sending ----

static uint32_t positions_that_fit(const struct device *device, size_t room) {
  if (room > device->message_bytes) room = device->message_bytes;
  size_t fit = room < DEVICE_WRITE_BYTES ? 0 : (room - DEVICE_MESSAGE_BYTES) / DEVICE_MESSAGE_POSITION_BYTES;
  return fit < device->options->batch ? (uint32_t)fit : device->options->batch;
}

static bool asks_for_ack(const struct device *device, bool backlog) {
  uint32_t every = device->options->ack_every;
  return backlog || (every && device->reports % every == 0) || (device->flush && !spool_unsent(&device->spool));
}

// repeats: what the last report said is said again, and it is that one which counts.
static uint8_t *write_report(struct device *device, uint64_t sequence, uint32_t count, bool repeats, uint8_t *to) {
  struct spool *spool = &device->spool;
  bool backlog = sequence != spool->fresh;
  struct device_report report = device_report_begin(to, ++device->reports);
  for (uint32_t i = 0; i < count; i++) {
    const struct spool_entry *entry = spool_at(spool, sequence + i);
    device_report_add(&report, &entry->position);
    device->options->sent(device->context, &entry->position, entry->ever_sent);
  }
  if (!repeats) spool_sent(spool, sequence, count, device->reports);
  bool ask = !repeats && asks_for_ack(device, backlog);
  if (ask) device->asked = device->reports;
  return device_report_end(&report, ask);
}

static bool is_repeated(const struct device *device) {
  uint32_t every = device->options->repeat_every;
  return every && device->reports % every == 0;
}

size_t device_write(struct device *device, int64_t now_us, uint8_t *to, size_t capacity) {
  if (device->state != STATE_READY || device->leaving) return 0;
  bool ping = wants_ping(device, now_us);
  uint8_t *at = to;
  for (;;) {
    uint64_t sequence;
    uint32_t most = positions_that_fit(device, capacity - (size_t)(at - to));
    uint32_t count = most ? spool_pick(&device->spool, most, device->options->window, &sequence) : 0;
    if (count == 0) break;
    at = write_report(device, sequence, count, false, at);
    if (is_repeated(device) && positions_that_fit(device, capacity - (size_t)(at - to)) >= count) {
      at = write_report(device, sequence, count, true, at);
    }
  }
  if (ping && capacity - (size_t)(at - to) >= DEVICE_MESSAGE_BYTES) {
    at = device_message_ping(at);
    device->pinged_us = now_us;
  }
  if (at != to) device->sent_us = now_us;
  return (size_t)(at - to);
}

// ---- receiving ----

static void welcome(struct device *device, const struct tracker_message *m, int64_t now_us) {
  device->session_us = m->session_us;
  correct_clock(device, m->server_time_us, device->state_us, now_us);
  device->message_bytes = m->message_bytes && m->message_bytes < FRAME_MAX_BYTES ? m->message_bytes : FRAME_MAX_BYTES;
  device->idle_timeout_ms = m->idle_timeout_ms ? m->idle_timeout_ms : DEFAULT_IDLE_TIMEOUT_MS;
  spool_rewind(&device->spool);
  device->state = STATE_READY;
  device->state_us = now_us;
  bool again = device->ever_welcomed;
  device->ever_welcomed = true;
  device->options->welcomed(device->context, again);
}

struct ack_call {
  struct device *device;
  int64_t now_us;
};

static void entry_acked(void *context, const struct spool_entry *entry) {
  const struct ack_call *call = context;
  call->device->options->acked(call->device->context, &entry->position, entry->planned_us, call->now_us);
}

static bool ack(struct device *device, uint64_t report, int64_t now_us) {
  if (report > device->reports) return false;
  struct ack_call call = {device, now_us};
  device->acked = (uint32_t)report;
  device->healthy = true;
  spool_ack(&device->spool, device->acked, entry_acked, &call);
  return true;
}

static bool refused(struct device *device, const struct tracker_message *m) {
  struct spool_entry entry;
  if (m->report > device->reports) return false;
  if (spool_refuse(&device->spool, (uint32_t)m->report, m->index, &entry)) {
    device->options->refused(device->context, &entry.position, m->reason);
  }
  return true;
}

// False if the connection is over, or the tracker breaks the protocol.
static bool take_message(struct device *device, const struct tracker_message *m, int64_t now_us) {
  bool ready = device->state == STATE_READY;
  switch (m->kind) {
    case TRACKER_UNKNOWN:
      return true;
    case TRACKER_WELCOME:
      if (device->state == STATE_GREETING) return welcome(device, m, now_us), true;
      return false;
    case TRACKER_ACK:
      return ready && ack(device, m->report, now_us);
    case TRACKER_REFUSED:
      return ready && refused(device, m);
    case TRACKER_GO_AWAY:
      device->leaving = true;
      device->connect_at_us = now_us + (int64_t)m->retry_after_ms * 1000;
      return ready;
    case TRACKER_PONG:
      if (ready && device->pinged_us) correct_clock(device, m->server_time_us, device->pinged_us, now_us);
      return ready;
    case TRACKER_ERROR:
      device->barred = device->state == STATE_GREETING && is_barred(m->code);
      device->options->failed(device->context, m->code, m->text, m->text_len);
      return false;
  }
  return false;
}

// Takes the whole messages at the front; false if the connection is over.
static bool take_frames(struct device *device, const uint8_t *bytes, size_t len, int64_t now_us, size_t *out_used) {
  struct frame frame;
  enum frame_status status;
  size_t used = 0;
  while ((status = frame_next(bytes + used, len - used, &frame)) == FRAME_OK) {
    struct tracker_message message;
    if (!tracker_message_read(frame.body, frame.body_len, &message)) break;
    if (!take_message(device, &message, now_us)) return false;
    used += frame.total_len;
  }
  *out_used = used;
  if (status == FRAME_MORE) return true;
  static const char text[] = "what the tracker sent is no message";
  device->options->failed(device->context, MALFORMED, text, sizeof text - 1);
  return false;
}

bool device_receive(struct device *device, int64_t now_us, const uint8_t *bytes, size_t len) {
  device->heard_us = now_us;
  size_t used;
  if (device->in.len == 0) {
    if (!take_frames(device, bytes, len, now_us, &used)) return false;
    buffer_append(&device->in, bytes + used, len - used);
    return true;
  }
  buffer_append(&device->in, bytes, len);
  if (!take_frames(device, device->in.data, device->in.len, now_us, &used)) return false;
  buffer_consume(&device->in, used);
  if (device->in.len == 0) buffer_fini(&device->in);
  return true;
}

// ---- the rest ----

void device_flush(struct device *device) {
  device->flush = true;
}

void device_retire(struct device *device) {
  device->retired = true;
}

bool device_online(const struct device *device) {
  return device->state == STATE_READY && !device->leaving;
}

bool device_ever_welcomed(const struct device *device) {
  return device->ever_welcomed;
}

uint32_t device_unacked(const struct device *device) {
  return device->spool.waiting;
}

int64_t device_unacked_since_us(const struct device *device) {
  const struct spool *spool = &device->spool;
  return spool->waiting ? spool_at(spool, spool->first)->planned_us : INT64_MAX;  // the oldest is never done
}

void device_each_unacked(const struct device *device,
                         void (*each)(void *context, const struct position *position, bool was_sent), void *context) {
  for (uint64_t s = device->spool.first; s < device->spool.next; s++) {
    const struct spool_entry *entry = spool_at(&device->spool, s);
    if (!entry->done) each(context, &entry->position, entry->ever_sent);
  }
}

bool device_ack_wanted(const struct device *device) {
  return device->asked > device->acked;
}

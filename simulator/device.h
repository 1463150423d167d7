// The reference device: the whole of the device protocol (docs/protocol.md) as a worker's device speaks it, without a
// socket. It keeps what is unacked, corrects its clock by the server's, reconnects with jitter and sends again. Pure
// and free of libraries: with spool, device_message, backoff, random and common's wire, frame, position, buffer it is a
// C client.
//
// The driver owns the device and the socket. It calls device_poll now and then, at least every few hundred ms:
//   DEVICE_CONNECT  begin to open a connection and say device_connecting; then device_connected (send what it writes)
//                   or device_closed
//   DEVICE_WRITE    send what device_write writes, whole and in order
//   DEVICE_CLOSE    close the connection, then device_closed
// and hands over what it reads with device_receive. All times are the device's own clock: microseconds that never go
// back, as near to Unix time as it can be; it may be wrong.
#ifndef MUSTER_DEVICE_H
#define MUSTER_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "position.h"

struct device;

// What all devices of a program share; outlives them. Events are called from within the functions below and must not
// call them. context is the device's own.
struct device_options {
  const char *agent;         // name and version, at most 64 bytes
  uint32_t spool_positions;  // the most that is kept unacked; the oldest is dropped beyond it
  uint32_t batch;            // the most positions in one report
  uint32_t window;           // the most positions in flight while backlog is sent
  uint32_t repeat_every;     // say every so many-th report twice, to try the servers with duplicates; 0: none
  uint32_t ack_every;        // ask for an ack with every so many reports; 0: as the tracker likes

  void (*sent)(void *context, const struct position *position, bool again);
  void (*acked)(void *context, const struct position *position, int64_t planned_us, int64_t now_us);
  void (*refused)(void *context, const struct position *position, uint32_t reason);
  void (*dropped)(void *context, const struct position *position, bool was_sent);
  void (*welcomed)(void *context, bool again);
  void (*failed)(void *context, uint32_t code, const char *text, size_t text_len);  // the tracker sent Error
};

enum device_want { DEVICE_NOTHING, DEVICE_CONNECT, DEVICE_WRITE, DEVICE_CLOSE };

// seed: for the jitter. The first connection is wanted at connect_us.
struct device *device_new(const struct device_options *options, void *context, uint64_t seed, int64_t connect_us);
void device_free(struct device *device);

// Hands over a position that was taken at planned_us of the device's clock; taken_at is set from it, corrected to the
// server's time and always later than the one before. device_add keeps the position's own taken_at, which the caller
// makes strictly increase; a device gets positions by one of the two only.
void device_take(struct device *device, struct position *position, int64_t planned_us);
void device_add(struct device *device, const struct position *position, int64_t planned_us);
// True if so many more fit without dropping any.
bool device_has_room(const struct device *device, uint32_t count);

enum device_want device_poll(const struct device *device, int64_t now_us);

void device_connecting(struct device *device, int64_t now_us);

// Connected: writes the Hello, at most token_len + DEVICE_HELLO_BYTES, and returns its length.
#define DEVICE_HELLO_BYTES 128
size_t device_connected(struct device *device, int64_t now_us, const char *token, size_t token_len, uint8_t *to);
// The connection is gone, or could not be made.
void device_closed(struct device *device, int64_t now_us);

// Writes what is to be sent now, as whole messages, at most capacity bytes (DEVICE_WRITE_BYTES at least), and returns
// how many; 0: nothing.
#define DEVICE_WRITE_BYTES 128
size_t device_write(struct device *device, int64_t now_us, uint8_t *to, size_t capacity);

// Takes what was read. False if the connection is over: close it.
bool device_receive(struct device *device, int64_t now_us, const uint8_t *bytes, size_t len)
    __attribute__((warn_unused_result));

// From now on the last report of what is unsent asks for its ack at once.
void device_flush(struct device *device);

// The time is up: never connect again.
void device_retire(struct device *device);

bool device_online(const struct device *device);  // welcomed and not told to go
bool device_ever_welcomed(const struct device *device);
uint32_t device_unacked(const struct device *device);  // kept positions, sent or not
// When the oldest of them was to be sent; INT64_MAX if there are none.
int64_t device_unacked_since_us(const struct device *device);
void device_each_unacked(const struct device *device,
                         void (*each)(void *context, const struct position *position, bool was_sent), void *context);
bool device_ack_wanted(const struct device *device);  // an unacked report has asked for its ack at once

#endif

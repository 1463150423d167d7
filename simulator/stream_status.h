// How a stream from a gateway stands after what was read of it.
#ifndef MUSTER_STREAM_STATUS_H
#define MUSTER_STREAM_STATUS_H

enum stream_status {
  STREAM_OPEN,
  STREAM_ENDED,  // by its own word
  STREAM_BAD,    // it breaks the rules of its protocol
};

#endif

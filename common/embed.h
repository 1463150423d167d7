// Files built into a program: common/embed.py writes a table of them at build time.
#ifndef MUSTER_EMBED_H
#define MUSTER_EMBED_H

#include <stddef.h>

struct embedded {
  const char *name;  // path below the embedded folder; a table ends with a NULL name
  const unsigned char *data;
  size_t len;
  const unsigned char *gzip;  // the same, compressed; NULL where that is no shorter
  size_t gzip_len;
  const char *etag;  // hash of the content, in double quotes
};

#endif

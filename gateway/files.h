// The limit of open files, and what it is shared out to.
#ifndef MUSTER_FILES_H
#define MUSTER_FILES_H

#include <stdbool.h>

struct files {
  unsigned limit;
  unsigned guests;   // HTTP connections that are no streams
  unsigned viewers;  // what is left after these and the program's own
};

// Raises the limit as far as it goes. False, with the reason logged, if that is not far enough.
bool files_prepare(struct files *out_files) __attribute__((warn_unused_result));

#endif

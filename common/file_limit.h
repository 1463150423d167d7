// The limit of open files: each connection is one, and an accept that finds the table full fails again and again.
#ifndef MUSTER_FILE_LIMIT_H
#define MUSTER_FILE_LIMIT_H

// Raises this process's limit as far as it goes (soft to hard) and returns it, `most` at most. 0, with the reason
// logged, if that is below `least`.
unsigned file_limit_raise(unsigned least, unsigned most) __attribute__((warn_unused_result));

#endif

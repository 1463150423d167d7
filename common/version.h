// The version of all programs; the Makefile says which.
#ifndef MUSTER_VERSION_H
#define MUSTER_VERSION_H

#ifndef MUSTER_VERSION
#define MUSTER_VERSION "0.1.0"
#endif

#endif

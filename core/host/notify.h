/* notify: lines for the service manager that has started this process, by the protocol of
 * sd_notify(3): a datagram of NAME=value lines to the socket that $NOTIFY_SOCKET names, a path or
 * "@" and an abstract name. Without the variable nothing is sent, at no cost. Owned by one thread.
 * Private to this folder. */
#ifndef PML_HOST_NOTIFY_H
#define PML_HOST_NOTIFY_H

#include "base/log.h"

#include <stdint.h>
#include <sys/un.h>

typedef struct {
  int fd; /* -1: nobody is told anything */
  struct sockaddr_un to;
  unsigned to_len;
  uint64_t watchdog_ms; /* WATCHDOG=1 is due within that time, again and again; 0: never */
  int failed;           /* a warning about it has been written */
} pml__notify;

/* Reads the variables, and takes them out of the environment, so that programs that scripts start
 * do not speak for this one: before any other thread runs that reads it. An address that cannot be
 * used is a warning. */
void pml__notify_open(pml__notify *n, const pml_log *log);
void pml__notify_close(pml__notify *n);
/* Sends lines. wait: a second at most, for a receiver that is behind; otherwise they are dropped
 * then. A failure is a warning in the log, once. */
void pml__notify_send(pml__notify *n, const pml_log *log, int wait, const char *lines);

#endif

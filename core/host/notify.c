#include "host/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A whole number of a variable; 0 for none and for what is no such number. */
static uint64_t number(const char *name) {
  const char *text = getenv(name);
  char *end;
  if (!text || text[0] < '0' || text[0] > '9') return 0;
  errno = 0;
  unsigned long long n = strtoull(text, &end, 10);
  return errno || *end ? 0 : n;
}

/* The watchdog may be meant for another process, whose environment this one has inherited. */
static uint64_t watchdog_ms(void) {
  const char *pid = getenv("WATCHDOG_PID");
  if (pid && *pid && number("WATCHDOG_PID") != (uint64_t)getpid()) return 0;
  uint64_t us = number("WATCHDOG_USEC");
  return us && us < 2000 ? 2 : us / 1000;
}

/* 0; -1: an address of another kind, or one that is too long. */
static int address(pml__notify *n, const char *path) {
  size_t len = strlen(path);
  if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof n->to.sun_path) return -1;
  n->to.sun_family = AF_UNIX;
  memcpy(n->to.sun_path, path, len);
  n->to_len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + len);
  if (path[0] == '@') n->to.sun_path[0] = '\0';
  else n->to_len++; /* the NUL behind a path counts */
  return 0;
}

static void open_socket(pml__notify *n, const pml_log *log, const char *path) {
  struct timeval second = {.tv_sec = 1};
  if (address(n, path) != 0) {
    pml_log_write(log, PML_WARN, "NOTIFY_SOCKET=%s is no address of a local socket: not used",
                  path);
    return;
  }
  n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (n->fd >= 0) setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
  else pml_log_write(log, PML_WARN, "no socket for NOTIFY_SOCKET: %s", strerror(errno));
}

void pml__notify_open(pml__notify *n, const pml_log *log) {
  *n = (pml__notify){.fd = -1};
  const char *path = getenv("NOTIFY_SOCKET");
  if (path && *path) open_socket(n, log, path);
  if (n->fd >= 0) n->watchdog_ms = watchdog_ms();
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
}

void pml__notify_close(pml__notify *n) {
  if (n->fd >= 0) close(n->fd);
  n->fd = -1;
}

void pml__notify_send(pml__notify *n, const pml_log *log, int wait, const char *lines) {
  if (n->fd < 0) return;
  ssize_t r;
  do {
    r = sendto(n->fd, lines, strlen(lines), MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT),
               (const struct sockaddr *)&n->to, n->to_len);
  } while (r < 0 && errno == EINTR);
  if (r >= 0 || n->failed || (!wait && errno == EAGAIN)) return;
  n->failed = 1;
  pml_log_write(log, PML_WARN, "the service manager (NOTIFY_SOCKET) cannot be told %.*s: %s",
                (int)strcspn(lines, "\n"), lines, strerror(errno));
}

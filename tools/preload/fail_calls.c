/* fail_calls: system calls on sockets fail, or do less than they were asked for. FAULT_WHAT holds
 * letters: s short reads and writes; e EAGAIN and EINTR from writes; i EINTR from reads and accept;
 * b ENOBUFS from writes; r ECONNRESET from reads; a ECONNABORTED and EMFILE from accept;
 * u -EINTR, -EAGAIN and -EBUSY from io_uring_submit_and_wait; m -ENOMEM from it. */
#include "switch.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int asked(char what) {
  static const char *letters;
  if (!switch_on) return 0;
  if (!letters) letters = getenv("FAULT_WHAT") ? getenv("FAULT_WHAT") : "";
  return strchr(letters, what) && switch_hit();
}

static int is_inet(int fd) {
  int domain, e = errno;
  socklen_t n = sizeof domain;
  int rc = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n);
  errno = e;
  return rc == 0 && (domain == AF_INET || domain == AF_INET6);
}

/* Whether a write fails; errno says how. */
static int write_fails(int fd) {
  if (!switch_on || !is_inet(fd)) return 0;
  if (asked('e')) {
    errno = switch_random() & 1 ? EAGAIN : EINTR;
    return 1;
  }
  if (asked('b')) {
    errno = ENOBUFS;
    return 1;
  }
  return 0;
}

static size_t shorter(int fd, size_t n) {
  return n > 1 && switch_on && is_inet(fd) && asked('s') ? 1 + switch_random() % (n - 1) : n;
}

ssize_t send(int fd, const void *p, size_t n, int flags) {
  REAL(send);
  return write_fails(fd) ? -1 : real(fd, p, shorter(fd, n), flags);
}

ssize_t write(int fd, const void *p, size_t n) {
  REAL(write);
  return write_fails(fd) ? -1 : real(fd, p, shorter(fd, n));
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
  REAL(sendmsg);
  if (write_fails(fd)) return -1;
  if (m->msg_iovlen == 0 || shorter(fd, 2) == 2) return real(fd, m, flags);
  struct msghdr cut = *m;
  struct iovec first = m->msg_iov[0];
  if (first.iov_len > 1) first.iov_len = 1 + switch_random() % (first.iov_len - 1);
  cut.msg_iov = &first;
  cut.msg_iovlen = 1;
  return real(fd, &cut, flags);
}

ssize_t writev(int fd, const struct iovec *v, int n) {
  REAL(writev);
  if (write_fails(fd)) return -1;
  if (n == 0 || shorter(fd, 2) == 2) return real(fd, v, n);
  struct iovec first = v[0];
  if (first.iov_len > 1) first.iov_len = 1 + switch_random() % (first.iov_len - 1);
  return real(fd, &first, 1);
}

/* Whether a read fails; errno says how. */
static int read_fails(int fd) {
  if (!switch_on || !is_inet(fd)) return 0;
  if (asked('r')) {
    errno = ECONNRESET;
    return 1;
  }
  if (asked('i')) {
    errno = EINTR;
    return 1;
  }
  return 0;
}

ssize_t read(int fd, void *p, size_t n) {
  REAL(read);
  return read_fails(fd) ? -1 : real(fd, p, shorter(fd, n));
}

ssize_t recv(int fd, void *p, size_t n, int flags) {
  REAL(recv);
  return read_fails(fd) ? -1 : real(fd, p, shorter(fd, n), flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *n, int flags) {
  REAL(accept4);
  if (asked('a')) {
    errno = switch_random() & 1 ? ECONNABORTED : EMFILE;
    return -1;
  }
  if (asked('i')) {
    errno = EINTR;
    return -1;
  }
  return real(fd, address, n, flags);
}

int io_uring_submit_and_wait(struct io_uring *r, unsigned wait) {
  static const int failures[] = {-EINTR, -EAGAIN, -EBUSY};
  REAL(io_uring_submit_and_wait);
  for (unsigned i = r->sq.sqe_head; i != r->sq.sqe_tail; i++) {
    struct io_uring_sqe *s = &r->sq.sqes[i & r->sq.ring_mask];
    if (s->opcode == IORING_OP_SEND && s->len > 1 && asked('s'))
      s->len = 1 + switch_random() % (s->len - 1);
  }
  if (asked('u')) return failures[switch_random() % 3];
  return asked('m') ? -ENOMEM : real(r, wait);
}

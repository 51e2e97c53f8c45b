#include "host/control_client.h"

#include "base/err.h"
#include "host/control.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_all(int fd, const uint8_t *p, size_t n) {
  while (n) {
    ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
    if (k < 0 && errno != EINTR) return PML_EIO;
    if (k > 0) {
      p += k;
      n -= (size_t)k;
    }
  }
  return 0;
}

/* Hands out the whole lines of w and keeps the rest; 1 when on_line wants no more. */
static int lines(pml_writer *w, pml_control_line_fn on_line, void *ud) {
  uint8_t *all = pml_writer_at(w, 0), *end;
  size_t at = 0;
  while ((end = memchr(all + at, '\n', w->len - at))) {
    size_t n = (size_t)(end - all) - at;
    if (on_line(pml_slice_of(all + at, n), ud) != 0) return 1;
    at += n + 1;
  }
  memmove(all, all + at, w->len - at);
  pml_writer_cut(w, w->len - at);
  return 0;
}

static int listen_to(int fd, uint32_t ms, pml_control_line_fn on_line, void *ud) {
  pml_writer w = {0};
  int rc = 0;
  for (;;) {
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int ready = poll(&pfd, 1, (int)ms);
    if (ready < 0 && errno == EINTR) continue;
    rc = ready == 0 ? PML_ETIMEOUT : ready < 0 ? PML_EIO : 0;
    if (rc) break;
    size_t before = w.len;
    ssize_t n = recv(fd, pml_writer_more(&w, 4096), 4096, 0);
    pml_writer_cut(&w, before + (n > 0 ? (size_t)n : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || lines(&w, on_line, ud)) break;
  }
  pml_writer_drop(&w);
  return rc;
}

int pml_control_ask(const char *path, pml_slice line, uint32_t ms, pml_control_line_fn on_line,
                    void *ud) {
  int fd = pml_control_connect(path);
  if (fd < 0) return fd;
  int rc = send_all(fd, line.p, line.n);
  if (rc == 0) rc = send_all(fd, (const uint8_t *)"\n", 1);
  if (rc == 0) rc = listen_to(fd, ms, on_line, ud);
  else listen_to(fd, ms, on_line, ud); /* a program that closes without reading says why */
  close(fd);
  return rc;
}

#include "loop/writable.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 64 /* taken at once; the loop comes again for the others */

struct pml_writable {
  uv_poll_t poll; /* data: the pml_writable */
  int epoll;
  void (*ready)(void *ud);
};

static void on_ready(uv_poll_t *h, int status, int events) {
  pml_writable *w = h->data;
  struct epoll_event e[EVENTS];
  (void)status;
  (void)events;
  int n = epoll_wait(w->epoll, e, EVENTS, 0);
  for (int i = 0; i < n; i++) w->ready(e[i].data.ptr);
}

static void on_closed(uv_handle_t *h) {
  pml_writable *w = h->data;
  close(w->epoll);
  pml_free(w);
}

pml_writable *pml_writable_new(pml_loop *l, void (*ready)(void *ud)) {
  uv_loop_t *uv = pml_loop_uv(l);
  int fd = uv ? epoll_create1(EPOLL_CLOEXEC) : -1;
  if (fd < 0) return NULL;
  pml_writable *w = pml_alloc0(sizeof *w);
  w->epoll = fd;
  w->ready = ready;
  w->poll.data = w;
  if (uv_poll_init(uv, &w->poll, fd)) {
    close(fd);
    pml_free(w);
    return NULL;
  }
  uv_poll_start(&w->poll, UV_READABLE, on_ready); /* cannot fail for a new handle */
  return w;
}

void pml_writable_free(pml_writable *w) {
  if (w) uv_close((uv_handle_t *)&w->poll, on_closed);
}

int pml_writable_wait(pml_writable *w, int fd, void *ud) {
  struct epoll_event e = {.events = EPOLLOUT | EPOLLONESHOT, .data.ptr = ud};
  if (epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &e) == 0) return 0;
  if (errno == ENOENT && epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) == 0) return 0;
  return -errno;
}

void pml_writable_forget(pml_writable *w, int fd) {
  struct epoll_event none = {0};
  epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, &none);
}

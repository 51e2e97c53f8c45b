#include "loop/ring.h"

#include "base/mem.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define FILES_MAX 65536u /* the kernel's table of remembered files has eight bytes for each */

struct pml_ring {
  struct io_uring uring;
  unsigned waiting;
  unsigned files; /* how many can be remembered */
};

static int can_send(struct io_uring *u) {
  struct io_uring_probe *p = io_uring_get_probe_ring(u);
  int yes = p && io_uring_opcode_supported(p, IORING_OP_SEND);
  if (p) io_uring_free_probe(p);
  return yes;
}

static unsigned remember_files(struct io_uring *u) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return 0;
  unsigned n = limit.rlim_cur < FILES_MAX ? (unsigned)limit.rlim_cur : FILES_MAX;
  return io_uring_register_files_sparse(u, n) ? 0 : n;
}

pml_ring *pml_ring_new(void) {
  const char *wish = getenv("POMELUA_IO_URING");
  if (wish && strcmp(wish, "off") == 0) return NULL;
  pml_ring *r = pml_alloc0(sizeof *r);
  /* Flags that older kernels do not know are left out there. */
  unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL;
  int rc = io_uring_queue_init(PML_RING_BATCH, &r->uring, flags);
  if (rc) rc = io_uring_queue_init(PML_RING_BATCH, &r->uring, 0);
  if (rc == 0 && can_send(&r->uring) && (r->files = remember_files(&r->uring))) return r;
  if (rc == 0) io_uring_queue_exit(&r->uring);
  pml_free(r);
  return NULL;
}

void pml_ring_free(pml_ring *r) {
  if (!r) return;
  io_uring_queue_exit(&r->uring);
  pml_free(r);
}

int pml_ring_remember(pml_ring *r, int fd) {
  if (fd < 0 || (unsigned)fd >= r->files) return 0;
  return io_uring_register_files_update(&r->uring, (unsigned)fd, &fd, 1) == 1;
}

void pml_ring_forget(pml_ring *r, int fd) {
  int none = -1;
  io_uring_register_files_update(&r->uring, (unsigned)fd, &none, 1);
}

int pml_ring_send(pml_ring *r, int fd, const void *p, size_t n, int flags, void *ud) {
  struct io_uring_sqe *s = r->waiting < PML_RING_BATCH ? io_uring_get_sqe(&r->uring) : NULL;
  if (!s) return 0;
  io_uring_prep_send(s, fd, p, n, flags);
  io_uring_sqe_set_flags(s, IOSQE_FIXED_FILE);
  io_uring_sqe_set_data(s, ud);
  r->waiting++;
  return 1;
}

/* Takes sends back that the kernel has not taken, with -EAGAIN as their result. The kernel reads
 * the queue only inside of a system call, so it does not read it now. */
static void take_back(pml_ring *r, void (*done)(void *ud, int result)) {
  struct io_uring_sq *q = &r->uring.sq;
  unsigned head = *q->khead, end = q->sqe_tail;
  q->sqe_head = q->sqe_tail = head;
  *q->ktail = head;
  for (; head != end; head++) {
    done((void *)(uintptr_t)q->sqes[head & q->ring_mask].user_data, -EAGAIN);
  }
  r->waiting -= end - *q->khead;
}

void pml_ring_run(pml_ring *r, void (*done)(void *ud, int result)) {
  while (r->waiting) {
    /* No send waits for its socket, so that all are done once the kernel has taken them. */
    int rc = io_uring_submit_and_wait(&r->uring, r->waiting);
    struct io_uring_cqe *c;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&r->uring, head, c) {
      done(io_uring_cqe_get_data(c), c->res);
      n++;
    }
    io_uring_cq_advance(&r->uring, n);
    r->waiting -= n;
    /* The kernel has no memory for it, or forbids it from here on. */
    if (rc < 0 && rc != -EINTR && n == 0) {
      if (rc != -ENOMEM && rc != -EAGAIN && rc != -EBUSY) r->files = 0;
      take_back(r, done);
    }
  }
}

#include "loop/ring.h"

#include "test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUIET (MSG_DONTWAIT | MSG_NOSIGNAL)

typedef struct {
  int times, result;
} told;

static void done(void *ud, int result) {
  told *t = ud;
  t->times++;
  t->result = result;
}

/* NULL where the kernel has none: then there is nothing to test. */
static pml_ring *ring_here(void) {
  setenv("POMELUA_IO_URING", "on", 1);
  return pml_ring_new();
}

static void pair(int fd[2]) {
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

TEST(ring_is_not_there_when_switched_off) {
  setenv("POMELUA_IO_URING", "off", 1);
  CHECK(pml_ring_new() == NULL);
  pml_ring_free(NULL);
}

TEST(ring_sends_in_the_order_of_adding) {
  pml_ring *r = ring_here();
  if (!r) return;
  int fd[2];
  pair(fd);
  CHECK(pml_ring_remember(r, fd[0]));
  told t[3] = {{0, 0}};
  CHECK(pml_ring_send(r, fd[0], "one", 3, QUIET, &t[0]));
  CHECK(pml_ring_send(r, fd[0], "two", 3, QUIET, &t[1]));
  CHECK(pml_ring_send(r, fd[0], "three", 5, QUIET, &t[2]));
  char got[32];
  CHECK_EQ(read(fd[1], got, sizeof got), -1); /* nothing goes before run */
  pml_ring_run(r, done);
  CHECK_EQ(read(fd[1], got, sizeof got), 11);
  CHECK(memcmp(got, "onetwothree", 11) == 0);
  for (int i = 0; i < 3; i++) CHECK_EQ(t[i].times, 1);
  CHECK_EQ(t[2].result, 5);
  pml_ring_run(r, done); /* nothing waits: nothing happens */
  CHECK_EQ(t[2].times, 1);
  pml_ring_free(r);
}

TEST(ring_full_batch_is_refused_until_it_ran) {
  pml_ring *r = ring_here();
  if (!r) return;
  int fd[2];
  pair(fd);
  CHECK(pml_ring_remember(r, fd[0]));
  told t = {0, 0};
  for (unsigned round = 0; round < 3; round++) {
    for (unsigned i = 0; i < PML_RING_BATCH; i++) CHECK(pml_ring_send(r, fd[0], "x", 1, QUIET, &t));
    CHECK(!pml_ring_send(r, fd[0], "x", 1, QUIET, &t));
    pml_ring_run(r, done);
    CHECK_EQ(t.times, (round + 1) * PML_RING_BATCH);
    CHECK_EQ(t.result, 1);
    char got[PML_RING_BATCH];
    CHECK_EQ(read(fd[1], got, sizeof got), PML_RING_BATCH);
  }
  pml_ring_free(r);
}

TEST(ring_does_not_wait_for_a_full_socket) {
  pml_ring *r = ring_here();
  if (!r) return;
  int fd[2];
  pair(fd);
  CHECK(pml_ring_remember(r, fd[0]));
  const size_t room = (size_t)1 << 20;
  char *much = test_room(room);
  told first = {0, 0}, second = {0, 0};
  pml_ring_send(r, fd[0], much, room, QUIET, &first);
  pml_ring_send(r, fd[0], much, room, QUIET, &second);
  pml_ring_run(r, done);
  CHECK(first.result > 0 && first.result < (int)room);
  CHECK_EQ(second.result, -EAGAIN);
  pml_ring_free(r);
}

TEST(ring_tells_that_the_peer_is_gone) {
  pml_ring *r = ring_here();
  if (!r) return;
  int fd[2];
  pair(fd);
  CHECK(pml_ring_remember(r, fd[0]));
  close(fd[1]);
  told t = {0, 0};
  pml_ring_send(r, fd[0], "x", 1, QUIET, &t);
  pml_ring_run(r, done); /* and no signal ends the process */
  CHECK_EQ(t.result, -EPIPE);
  pml_ring_free(r);
}

/* From here on every call of that number fails with err, in this process. */
static void forbid(int number, int err) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof code / sizeof *code, code};
  CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static void refused_with(int err) {
  pml_ring *r = ring_here();
  if (!r) return;
  int fd[2];
  pair(fd);
  CHECK(pml_ring_remember(r, fd[0]));
  forbid(__NR_io_uring_enter, err);
  for (int times = 1; times <= 3; times++) {
    told t[2] = {{0, 0}};
    CHECK(pml_ring_send(r, fd[0], "one", 3, QUIET, &t[0]));
    CHECK(pml_ring_send(r, fd[0], "two", 3, QUIET, &t[1]));
    pml_ring_run(r, done);
    for (int i = 0; i < 2; i++) {
      CHECK_EQ(t[i].times, 1);
      CHECK_EQ(t[i].result, -EAGAIN);
    }
  }
  char got[8];
  CHECK_EQ(read(fd[1], got, sizeof got), -1); /* nothing went, so nothing can go twice */
  pml_ring_free(r);
}

TEST(ring_without_memory_hands_everything_back) { refused_with(ENOMEM); }
TEST(ring_that_is_forbidden_later_hands_everything_back) { refused_with(EPERM); }

TEST(ring_forgets_a_file_so_that_its_number_is_another_one) {
  pml_ring *r = ring_here();
  if (!r) return;
  int a[2], b[2];
  pair(a);
  int n = a[0];
  CHECK(pml_ring_remember(r, n));
  pml_ring_forget(r, n);
  close(n);
  char got[4];
  CHECK_EQ(read(a[1], got, 4), 0); /* really closed */
  pair(b);
  CHECK_EQ(dup2(b[0], n), n);
  CHECK(pml_ring_remember(r, n));
  told t = {0, 0};
  pml_ring_send(r, n, "x", 1, QUIET, &t);
  pml_ring_run(r, done);
  CHECK_EQ(read(b[1], got, 4), 1);
  pml_ring_free(r);
}

TEST(ring_refuses_a_file_beyond_its_table) {
  pml_ring *r = ring_here();
  if (!r) return;
  CHECK(!pml_ring_remember(r, -1));
  CHECK(!pml_ring_remember(r, 1 << 24));
  pml_ring_free(r);
}

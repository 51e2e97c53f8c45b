#include "loop/writable.h"

#include "test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  pml_loop *l;
  pml_writable *w;
  int fd[2];
} world;

static void ready(void *ud) { ++*(int *)ud; }

static void fill(int fd) {
  static char much[65536];
  while (send(fd, much, sizeof much, MSG_DONTWAIT) > 0) continue;
}

static void drain(int fd) {
  static char much[65536];
  while (recv(fd, much, sizeof much, MSG_DONTWAIT) > 0) continue;
}

static void begin(world *x) {
  x->l = pml_loop_new();
  CHECK((x->w = pml_writable_new(x->l, ready)) != NULL);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, x->fd), 0);
  fill(x->fd[0]);
}

static void finish(world *x) {
  pml_writable_free(x->w);
  pml_loop_free(x->l);
  close(x->fd[0]);
  close(x->fd[1]);
}

static void turn(world *x) { uv_run(pml_loop_uv(x->l), UV_RUN_NOWAIT); }

TEST(writable_tells_once_that_a_socket_takes_more) {
  world x;
  int told = 0;
  begin(&x);
  CHECK_EQ(pml_writable_wait(x.w, x.fd[0], &told), 0);
  turn(&x);
  CHECK_EQ(told, 0);
  drain(x.fd[1]);
  while (!told) uv_run(pml_loop_uv(x.l), UV_RUN_ONCE);
  for (int i = 0; i < 5; i++) turn(&x);
  CHECK_EQ(told, 1);
  fill(x.fd[0]);
  CHECK_EQ(pml_writable_wait(x.w, x.fd[0], &told), 0);
  drain(x.fd[1]);
  while (told < 2) uv_run(pml_loop_uv(x.l), UV_RUN_ONCE);
  finish(&x);
}

TEST(writable_tells_that_the_peer_is_gone) {
  world x;
  int told = 0;
  begin(&x);
  CHECK_EQ(pml_writable_wait(x.w, x.fd[0], &told), 0);
  close(x.fd[1]);
  while (!told) uv_run(pml_loop_uv(x.l), UV_RUN_ONCE);
  x.fd[1] = -1;
  finish(&x);
}

TEST(writable_says_nothing_of_a_socket_that_is_forgotten) {
  world x;
  int told = 0;
  begin(&x);
  pml_writable_forget(x.w, x.fd[0]); /* never waited for */
  CHECK_EQ(pml_writable_wait(x.w, x.fd[0], &told), 0);
  pml_writable_forget(x.w, x.fd[0]);
  drain(x.fd[1]);
  for (int i = 0; i < 5; i++) turn(&x);
  CHECK_EQ(told, 0);
  finish(&x);
}

TEST(writable_tells_of_more_sockets_than_it_takes_at_once) {
  world x;
  int told = 0, fd[200][2];
  begin(&x);
  for (int i = 0; i < 200; i++) {
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd[i]), 0);
    CHECK_EQ(pml_writable_wait(x.w, fd[i][0], &told), 0);
  }
  while (told < 200) uv_run(pml_loop_uv(x.l), UV_RUN_ONCE);
  turn(&x);
  CHECK_EQ(told, 200);
  for (int i = 0; i < 200; i++) {
    close(fd[i][0]);
    close(fd[i][1]);
  }
  finish(&x);
}

TEST(writable_refuses_what_is_no_socket) {
  world x;
  begin(&x);
  CHECK(pml_writable_wait(x.w, 100000, NULL) < 0);
  finish(&x);
}

TEST(writable_is_not_there_without_a_descriptor_or_on_a_virtual_loop) {
  pml_loop *l = pml_loop_new_virtual();
  CHECK(pml_writable_new(l, ready) == NULL);
  pml_loop_free(l);
  l = pml_loop_new();
  struct rlimit before, none;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = (struct rlimit){3, before.rlim_max};
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  CHECK(pml_writable_new(l, ready) == NULL);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  pml_writable_free(NULL);
  pml_loop_free(l);
}

/* conn_world: a set of connections whose hooks note what they see, for the tests of conn, feed and
 * flush. */
#ifndef PML_TEST_CONN_WORLD_H
#define PML_TEST_CONN_WORLD_H

#include "net/listener.h"
#include "test/net.h"
#include "wire/frame.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the hooks saw. */
typedef struct {
  pml_loop *l;
  pml_conns *all;
  pml_listener *s;
  pml_conn *c; /* the last one opened */
  int opened, ended, kind, messages, answer, in_call;
  pml_end why;
  int code;
  uint8_t got[200000];
  size_t n;
} world;

static inline void on_open(pml_conn *c) {
  world *w = pml_conn_owner(c);
  CHECK(*(int *)pml_conn_user(c) == 0);
  *(int *)pml_conn_user(c) = 1;
  w->c = c;
  w->opened++;
}
static inline int on_bytes(pml_conn *c, int kind, pml_slice b, int fin) {
  world *w = pml_conn_owner(c);
  CHECK_EQ(*(int *)pml_conn_user(c), 1);
  CHECK(w->n + b.n <= sizeof w->got);
  if (b.n) memcpy(w->got + w->n, b.p, b.n);
  w->n += b.n;
  w->kind = kind;
  w->messages += fin;
  return w->answer;
}
static inline void on_end(pml_conn *c, pml_end why, int code) {
  world *w = pml_conn_owner(c);
  CHECK_EQ(w->in_call, 0);
  CHECK(*(int *)pml_conn_user(c) != 2);
  *(int *)pml_conn_user(c) = 2;
  w->ended++;
  w->why = why;
  w->code = code;
}

static inline pml_conns_options options(world *w) {
  pml_conns_options o = {
    .max_conns = 100,
    .hooks = {on_open, on_bytes, NULL, NULL, on_end, sizeof(int)},
    .owner = w,
  };
  return o;
}
static inline void start_on(world *w, const pml_conns_options *o, const char *host) {
  w->l = pml_loop_new();
  CHECK((w->all = net_conns_new(w->l, o)) != NULL);
  CHECK_EQ(pml_listener_open(w->all, host, 0, &w->s), 0);
  CHECK(pml_listener_port(w->s) > 0);
}
static inline void start(world *w, const pml_conns_options *o) { start_on(w, o, "127.0.0.1"); }
static inline void begin(world *w) {
  memset(w, 0, sizeof *w);
  pml_conns_options o = options(w);
  start(w, &o);
}
static inline net_client *dial(world *w) { return net_connect(w->l, pml_listener_port(w->s), 1); }
static inline void closing(world *w, pml_end why, uint16_t code) {
  w->in_call = 1;
  pml_conn_close(w->c, why, code);
  pml_conn_close(w->c, PML_END_SLOW, 0);
  CHECK(pml_conn_closing(w->c));
  w->in_call = 0;
}
static inline void send_of(pml_conn *c, const void *p, size_t n) {
  pml_buf *f = pml_frame_of(4, p, n);
  pml_conn_send(c, f);
  pml_buf_unref(f);
}
static inline void finish(world *w, net_client *c) {
  net_close(w->l, c);
  UNTIL(w->l, pml_conns_count(w->all) == 0);
  CHECK_EQ(pml_conns_counts(w->all)->open, 0);
  CHECK_EQ(pml_conns_counts(w->all)->closed, pml_conns_counts(w->all)->accepted);
  net_finish(w->l, w->all, w->s);
}

static inline net_client *begin_with(world *w, pml_conn_limits limits, int reads) {
  memset(w, 0, sizeof *w);
  pml_conns_options o = options(w);
  o.limits = limits;
  start(w, &o);
  net_client *c = net_connect(w->l, pml_listener_port(w->s), reads);
  net_send(c, "\4", 1);
  UNTIL(w->l, w->n == 1);
  return c;
}

/* A connection whose client has little room, and does not read. */
static inline int narrow(world *x, pml_conn_limits limits) {
  memset(x, 0, sizeof *x);
  pml_conns_options o = options(x);
  o.limits = limits;
  start(x, &o);
  int fd = socket(AF_INET, SOCK_STREAM, 0), room = 4096;
  CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  struct sockaddr_in a;
  uv_ip4_addr("127.0.0.1", pml_listener_port(x->s), &a);
  CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(send(fd, "\4", 1, 0), 1);
  UNTIL(x->l, x->n == 1);
  return fd;
}

static inline void finish_narrow(world *x, int fd) {
  close(fd);
  UNTIL(x->l, pml_conns_count(x->all) == 0);
  net_finish(x->l, x->all, x->s);
}

/* From here on every system call of that number fails with err in this thread. */
static inline void forbid(int call, int err) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof code / sizeof *code, code};
  CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

#endif

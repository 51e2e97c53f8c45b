#include "net/listener.h"
#include "test/net.h"
#include "wire/frame.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

/* What the hooks saw. */
typedef struct {
  pml_loop *l;
  pml_conns *all;
  pml_listener *s;
  pml_conn *c; /* the last one opened */
  int opened, ended;
  size_t n;
} world;

static world w;

static void on_open(pml_conn *c) {
  w.c = c;
  w.opened++;
}
static int on_bytes(pml_conn *c, int kind, pml_slice b, int fin) {
  (void)c;
  (void)kind;
  (void)fin;
  w.n += b.n;
  return 0;
}
static void on_end(pml_conn *c, pml_end why, int code) {
  (void)c;
  (void)why;
  (void)code;
  w.ended++;
}

static pml_conns_options options(void) {
  pml_conns_options o = {
    .max_conns = 100,
    .hooks = {on_open, on_bytes, NULL, NULL, on_end, 0},
  };
  return o;
}
static void start(const pml_conns_options *o) {
  memset(&w, 0, sizeof w);
  w.l = pml_loop_new();
  CHECK((w.all = net_conns_new(w.l, o)) != NULL);
  CHECK_EQ(pml_listener_open(w.all, "127.0.0.1", 0, &w.s), 0);
}
static void begin(void) {
  pml_conns_options o = options();
  start(&o);
}
static net_client *dial(void) { return net_connect(w.l, pml_listener_port(w.s), 1); }
static void finish(net_client *c) {
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  net_finish(w.l, w.all, w.s);
}

TEST(listener_surplus_is_closed_and_no_slot_leaks) {
  pml_conns_options o = options();
  o.max_conns = 2;
  start(&o);
  net_client *a = dial(), *b = dial();
  UNTIL(w.l, pml_conns_count(w.all) == 2);
  for (int i = 0; i < 5; i++) {
    net_client *c = dial();
    UNTIL(w.l, net_ended(c));
    net_close(w.l, c);
  }
  CHECK_EQ(pml_conns_counts(w.all)->refused, 5);
  CHECK_EQ(pml_conns_count(w.all), 2);
  CHECK_EQ(w.ended, 0);
  net_close(w.l, a);
  UNTIL(w.l, pml_conns_count(w.all) == 1);
  net_client *d = dial();
  net_send(d, "\4", 1);
  UNTIL(w.l, w.n == 1);
  net_close(w.l, d);
  finish(b);
}

TEST(listener_port_in_use_is_an_error) {
  begin();
  pml_listener *second = NULL;
  CHECK_EQ(pml_listener_open(w.all, "127.0.0.1", pml_listener_port(w.s), &second), UV_EADDRINUSE);
  CHECK(second == NULL);
  CHECK(pml_listener_open(w.all, "not an address", 0, &second) < 0);
  CHECK_EQ(pml_listener_open(w.all, NULL, 65536, &second), UV_EINVAL);
  net_finish(w.l, w.all, w.s);
}

TEST(listener_closed_refuses_and_keeps_who_is_there) {
  begin();
  net_client *c = dial();
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  int port = pml_listener_port(w.s);
  pml_listener_close(w.s);
  w.s = NULL;
  net_client late = {0};
  struct sockaddr_in a;
  uv_ip4_addr("127.0.0.1", port, &a);
  uv_tcp_init(pml_loop_uv(w.l), &late.tcp);
  late.tcp.data = late.req.data = &late;
  uv_tcp_connect(&late.req, &late.tcp, (struct sockaddr *)&a, net_on_connect);
  UNTIL(w.l, late.up);
  CHECK_EQ(late.up, UV_ECONNREFUSED);
  uv_close((uv_handle_t *)&late.tcp, net_on_close);
  UNTIL(w.l, late.closed);
  pml_buf *f = pml_frame_of(4, "x", 1);
  pml_conn_send(w.c, f);
  pml_buf_unref(f);
  UNTIL(w.l, c->n == 5);
  finish(c);
}

static void asks_after_7(uv_handle_t *h, void *ud) {
  int fd, on = 0, idle = 0;
  unsigned ms = 0;
  socklen_t n = sizeof on;
  if (h->type != UV_TCP || uv_fileno(h, &fd)) return;
  getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n);
  getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &n);
  getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &n);
  *(int *)ud += on && idle == 7 && ms == 11000;
}

TEST(listener_connections_are_asked_whether_they_are_alive) {
  for (int off = 0; off < 2; off++) {
    pml_conns_options o = options();
    o.limits.keep_alive_s = off ? PML_CONN_NEVER : 7;
    start(&o);
    net_client *c = dial();
    UNTIL(w.l, pml_conns_count(w.all) == 1);
    int asked = 0;
    uv_walk(pml_loop_uv(w.l), asks_after_7, &asked);
    CHECK_EQ(asked, off ? 0 : 2); /* who listens, and the client's */
    finish(c);
  }
}

/* Connects without the loop; the kernel's backlog takes it. */
static int raw_connect(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a;
  uv_ip4_addr("127.0.0.1", pml_listener_port(w.s), &a);
  CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  return fd;
}

TEST(listener_without_file_descriptors_closes_and_goes_on) {
  begin();
  int fd[8];
  for (int i = 0; i < 8; i++) fd[i] = raw_connect();
  struct rlimit was, few;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
  few = was;
  few.rlim_cur = (rlim_t)fd[7] + 4; /* three more */
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  UNTIL(w.l, pml_conns_count(w.all) == 3);
  for (int i = 0; i < 5; i++) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &was), 0);
  int closed = 0;
  for (int i = 0; i < 8; i++) {
    char b;
    fcntl(fd[i], F_SETFL, O_NONBLOCK);
    closed += read(fd[i], &b, 1) == 0;
    close(fd[i]);
  }
  CHECK_EQ(closed, 5);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  net_client *c = dial();
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  finish(c);
}

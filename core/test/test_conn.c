#include "base/limits.h"
#include "base/err.h"
#include "net/conn_private.h"
#include "test/conn_world.h"
#include "wire/ws_frame.h"

#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static world w;

TEST(conn_asked_close_over_ws_waits_for_the_answer) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  UNTIL(w.l, w.opened);
  send_of(w.c, "last", 4);
  closing(&w, PML_END_ASKED, 1000);
  send_of(w.c, "dropped", 7);
  UNTIL(w.l, w.ended == 1);
  CHECK_EQ(w.why, PML_END_ASKED);
  UNTIL(w.l, c->n == 14);
  CHECK(test_hex_eq(c->in, c->n, "8208040000046c617374880203e8"));
  size_t before = w.n;
  net_send_frame(c, 0x82, "late", 4);
  CHECK(!c->eof);
  CHECK_EQ(pml_conns_count(w.all), 1);
  net_send_frame(c, 0x88, "\x03\xe8", 2);
  UNTIL(w.l, c->eof);
  CHECK_EQ(w.n, before);
  finish(&w, c);
  CHECK_EQ(w.ended, 1);
}

TEST(conn_asked_close_over_tcp_flushes_and_half_closes) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  for (int i = 0; i < 50; i++) {
    char text[2000];
    memset(text, 'a' + i % 26, sizeof text);
    send_of(w.c, text, i % 7 == 0 ? sizeof text : 10);
  }
  closing(&w, PML_END_ASKED, 0);
  UNTIL(w.l, c->eof);
  CHECK_EQ(c->n, 8 * 2004 + 42 * 14);
  net_send(c, "\4\0\0\0", 4); /* read and dropped */
  UNTIL(w.l, pml_conns_counts(w.all)->bytes_in == 5);
  CHECK_EQ(w.n, 1);
  CHECK_EQ(pml_conns_count(w.all), 1);
  finish(&w, c);
}

TEST(conn_closing_peer_that_stays_is_closed_after_the_linger) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.limits.linger_ms = 30;
  start(&w, &o);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  UNTIL(w.l, w.opened);
  closing(&w, PML_END_ASKED, 1000);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.ended, 1);
  finish(&w, c);
}

TEST(conn_slow_ws_client_gets_a_whole_frame_and_1000) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  start(&w, &o);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  uv_read_stop((uv_stream_t *)&c->tcp);
  const size_t room = (size_t)1 << 20;
  char *mega = test_room(room);
  pml_buf *f = pml_frame_of(4, mega, room);
  while (!pml_conn_closing(w.c)) {
    pml_conn_send(w.c, f);
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  }
  CHECK_EQ(w.why, PML_END_SLOW);
  net_read(c);
  size_t one = pml_frame_ws(f).n;
  UNTIL(w.l, c->n >= 4 && memcmp(c->in + c->n - 4, "\x88\x02\x03\xe8", 4) == 0);
  CHECK_EQ((c->n - 4) % one, 0);
  pml_buf_unref(f);
  finish(&w, c);
}

/* Reads n bytes at most every few milliseconds, past libuv. */
static size_t sip(net_client *c, size_t n, int *eof) {
  const size_t room = (size_t)1 << 20;
  char *into = test_room(room);
  uv_os_fd_t fd;
  uv_fileno((uv_handle_t *)&c->tcp, &fd);
  ssize_t r = recv(fd, into, n, MSG_DONTWAIT);
  if (r == 0) *eof = 1;
  for (int i = 0; i < 5; i++) {
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    usleep(1000);
  }
  return r > 0 ? (size_t)r : 0;
}

TEST(conn_that_reads_slowly_but_steadily_is_not_slow) {
  test_has_bounds_of_time();
  net_client *c = begin_with(&w, (pml_conn_limits){.queue_soft = 1000, .queue_ms = 200}, 0);
  const size_t room = (size_t)8 << 20;
  char *text = test_room(room);
  send_of(w.c, text, room);
  size_t n = 0;
  for (int eof = 0; n < room + 4 && !eof;) n += sip(c, 100000, &eof);
  CHECK_EQ(n, room + 4);
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

TEST(conn_that_is_closed_lingers_while_its_peer_reads) {
  test_has_bounds_of_time();
  net_client *c = begin_with(&w, (pml_conn_limits){.linger_ms = 200, .queue_ms = 10000}, 0);
  const size_t room = (size_t)8 << 20;
  char *text = test_room(room);
  send_of(w.c, text, room);
  pml_conn_close(w.c, PML_END_ASKED, 0);
  size_t n = 0;
  for (int eof = 0; !eof;) n += sip(c, 100000, &eof);
  CHECK_EQ(n, room + 4);
  finish(&w, c);
}

TEST(conn_that_is_closed_lingers_no_longer_than_queue_ms) {
  test_has_bounds_of_time();
  net_client *c = begin_with(&w, (pml_conn_limits){.linger_ms = 20, .queue_ms = 100}, 0);
  const size_t room = (size_t)12 << 20;
  char *text = test_room(room);
  send_of(w.c, text, room);
  pml_conn_close(w.c, PML_END_ASKED, 0);
  int eof = 0;
  uint64_t from = uv_hrtime();
  while (pml_conns_count(w.all)) sip(c, 1000, &eof);
  CHECK((uv_hrtime() - from) / 1000000 < 2000);
  finish(&w, c);
}

TEST(conn_over_the_soft_limit_for_long_is_closed_as_slow) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.limits.queue_soft = 1000;
  o.limits.queue_hard = 64u << 20;
  o.limits.queue_ms = 50;
  start(&w, &o);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), 0);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  const size_t room = (size_t)16 << 20;
  char *mega = test_room(room); /* above what the kernel buffers */
  pml_buf *f = pml_frame_of(4, mega, (16 << 20) - 1);
  uint64_t at = pml_loop_now(w.l);
  pml_conn_send(w.c, f);
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK(pml_loop_now(w.l) - at >= 50);
  pml_buf_unref(f);
  finish(&w, c);
}

TEST(conn_that_reads_in_time_is_not_slow) {
  test_has_bounds_of_time();
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.limits.queue_soft = 1000;
  o.limits.queue_ms = 1;
  start(&w, &o);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), 1);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  static char text[3000];
  for (size_t i = 1; i <= 20; i++) {
    send_of(w.c, text, sizeof text);
    UNTIL(w.l, c->n == i * 3004);
  }
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

/* ---- something waits, however little ---- */

/* Sends until something waits here. Returns how many bytes were sent in all. */
static size_t fill(world *x, size_t size) {
  static char text[60000];
  size_t sent = 0;
  while (pml_conns_held(x->all) == 0) {
    send_of(x->c, text, size);
    sent += size + 4;
    uv_run(pml_loop_uv(x->l), UV_RUN_NOWAIT);
  }
  return sent;
}

static uint64_t ms_until_the_end(world *x) {
  uint64_t from = uv_hrtime();
  UNTIL(x->l, x->ended);
  return (uv_hrtime() - from) / 1000000;
}

TEST(conn_for_whom_little_waits_is_slow_when_it_takes_nothing) {
  int fd = narrow(&w, (pml_conn_limits){.queue_ms = 100});
  fill(&w, 60000);
  CHECK(pml_conns_held(w.all) < 1 << 20); /* far from queue_soft */
  uint64_t ms = ms_until_the_end(&w);
  CHECK(ms >= 60 && ms < 2000);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK_EQ(pml_conns_counts(w.all)->slow, 1);
  CHECK_EQ(pml_conns_held(w.all), 0);
  finish_narrow(&w, fd);
}

TEST(conn_for_whom_one_update_waits_is_slow_too) {
  int fd = narrow(&w, (pml_conn_limits){.queue_ms = 100});
  static char text[1000];
  uint64_t from = uv_hrtime();
  while (!w.ended) { /* what waits is replaced, and still nothing is taken */
    pml_buf *f = pml_frame_of(4, text, sizeof text);
    if (!pml_conn_closing(w.c)) pml_conn_offer(w.c, f, (pml_delivery){1, PML_LATEST});
    pml_buf_unref(f);
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    usleep(1000);
  }
  CHECK((uv_hrtime() - from) / 1000000 >= 100);
  CHECK_EQ(w.why, PML_END_SLOW);
  finish_narrow(&w, fd);
}

TEST(conn_that_takes_as_much_as_comes_stays_behind_but_is_not_slow) {
  test_has_bounds_of_time();
  int fd = narrow(&w, (pml_conn_limits){.queue_ms = 100});
  static char into[60004];
  fill(&w, 60000);
  uint64_t from = uv_hrtime();
  while (!w.ended && (uv_hrtime() - from) / 1000000 < 400) {
    ssize_t n = recv(fd, into, sizeof into, MSG_DONTWAIT);
    if (n > 4) send_of(w.c, into, (size_t)n - 4); /* as much comes as has gone */
    CHECK(pml_conns_held(w.all) > 0);
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    usleep(1000);
  }
  CHECK_EQ(w.ended, 0);
  finish_narrow(&w, fd);
}

TEST(conn_that_the_system_takes_all_for_is_never_slow) {
  test_has_bounds_of_time();
  net_client *c = begin_with(&w, (pml_conn_limits){.queue_ms = 20}, 0);
  static char text[1000];
  for (int i = 0; i < 20; i++) { /* the client reads nothing, but nothing waits here */
    send_of(w.c, text, sizeof text);
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    usleep(5000);
  }
  CHECK_EQ(w.ended, 0);
  CHECK_EQ(pml_conns_held(w.all), 0);
  finish(&w, c);
}

TEST(conn_that_says_nothing_is_closed) {
  test_has_bounds_of_time();
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.limits.upgrade_ms = 20;
  start(&w, &o);
  net_client *silent = dial(&w), *half = dial(&w);
  net_send(half, "GET / HT", 8);
  UNTIL(w.l, net_ended(silent) && net_ended(half));
  UNTIL(w.l, w.ended == 2);
  CHECK_EQ(w.opened, 0);
  CHECK_EQ(w.why, PML_END_HANDSHAKE);
  net_close(w.l, half);
  finish(&w, silent);
}

TEST(conn_reset_is_an_error) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_tcp_close_reset(&c->tcp, net_on_close);
  UNTIL(w.l, c->closed && pml_conns_count(w.all) == 0);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_ERROR);
  pml_free(c->in);
  pml_free(c);
  net_finish(w.l, w.all, w.s);
}

/* A client that is there no more: its system gets nothing and answers nothing. What its server
 * waits for an answer is made short. */
static net_client *vanished(void) {
  net_client *c = begin_with(&w, (pml_conn_limits){.no_ring = 1}, 1);
  struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  struct sock_fprog filter = {1, &nothing};
  unsigned ms = 100;
  uv_os_fd_t fd;
  uv_fileno((uv_handle_t *)&c->tcp, &fd);
  CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
  CHECK_EQ(setsockopt(w.c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms), 0);
  send_of(w.c, "x", 1);
  return c;
}

TEST(conn_vanished_peer_is_counted) {
  net_client *c = vanished();
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_ERROR);
  CHECK_EQ(pml_conns_counts(w.all)->vanished, 1);
  finish(&w, c);
}

TEST(conn_vanished_peer_is_counted_when_a_write_finds_it) {
  net_client *c = vanished();
  uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT); /* flushed */
  struct tcp_info info;
  socklen_t n = sizeof info;
  do {
    usleep(1000);
    CHECK_EQ(getsockopt(w.c->fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
  } while (info.tcpi_state != TCP_CLOSE);
  send_of(w.c, "y", 1);
  pml_task_cancel(&w.all->flush);
  w.all->flush.run(&w.all->flush); /* before the loop has looked at the socket */
  CHECK_EQ(pml_conns_counts(w.all)->vanished, 1);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(pml_conns_counts(w.all)->vanished, 1);
  CHECK_EQ(w.why, PML_END_ERROR);
  finish(&w, c);
}

TEST(conn_reset_by_its_peer_has_not_vanished) {
  net_client *c = begin_with(&w, (pml_conn_limits){.no_ring = 1}, 1);
  uv_tcp_close_reset(&c->tcp, net_on_close);
  UNTIL(w.l, c->closed && pml_conns_count(w.all) == 0);
  CHECK_EQ(w.why, PML_END_ERROR);
  CHECK_EQ(pml_conns_counts(w.all)->vanished, 0);
  pml_free(c->in);
  pml_free(c);
  net_finish(w.l, w.all, w.s);
}

TEST(conn_queue_is_flushed_to_a_client_that_has_half_closed) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_shutdown_t r;
  uv_shutdown(&r, (uv_stream_t *)&c->tcp, NULL);
  send_of(w.c, "answer", 6);
  UNTIL(w.l, net_ended(c));
  CHECK(c->eof);
  CHECK_EQ(c->n, 10);
  CHECK_EQ(w.why, PML_END_PEER);
  finish(&w, c);
}

TEST(conn_address_is_the_clients) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  start_on(&w, &o, NULL);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  char ip[PML_ADDRESS_TEXT];
  int port;
  pml_conn_address(w.c, ip, &port);
  CHECK_BYTES(ip, strlen(ip), "127.0.0.1");
  struct sockaddr_in a;
  int n = sizeof a;
  uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&a, &n);
  CHECK_EQ(port, ntohs(a.sin_port));
  finish(&w, c);
}

static void close_it(pml_conn *c, void *ud) {
  ++*(int *)ud;
  pml_conn_close(c, PML_END_ASKED, 0);
}

TEST(conn_each_may_close) {
  begin(&w);
  net_client *a = dial(&w), *b = dial(&w);
  net_send(a, "\4", 1);
  net_send(b, "\4", 1);
  UNTIL(w.l, w.opened == 2);
  int seen = 0;
  pml_conn_each(w.all, close_it, &seen);
  CHECK_EQ(seen, 2);
  UNTIL(w.l, a->eof && b->eof);
  CHECK_EQ(w.ended, 2);
  net_close(w.l, a);
  finish(&w, b);
}

TEST(conn_close_all_sends_every_client_the_code) {
  begin(&w);
  net_client *a = net_connect_ws(w.l, pml_listener_port(w.s));
  net_client *b = net_connect_ws(w.l, pml_listener_port(w.s));
  UNTIL(w.l, w.opened == 2);
  pml_conn_close_all(w.all, PML_END_ASKED, 1001);
  UNTIL(w.l, a->n == 4 && b->n == 4);
  CHECK(test_hex_eq(a->in, 4, "880203e9") && test_hex_eq(b->in, 4, "880203e9"));
  CHECK_EQ(w.ended, 2);
  net_close(w.l, a);
  finish(&w, b);
}

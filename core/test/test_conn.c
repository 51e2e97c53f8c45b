#include "base/err.h"
#include "net/listener.h"
#include "test/net.h"
#include "wire/frame.h"
#include "wire/wsframe.h"

#include <errno.h>
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
  pml_listener *s;
  pml_conn *c; /* the last one opened */
  int opened, ended, kind, messages, answer, in_call;
  pml_end why;
  int code;
  uint8_t got[200000];
  size_t n;
} world;

static void on_open(pml_conn *c) {
  world *w = pml_conn_owner(c);
  CHECK(*(int *)pml_conn_user(c) == 0);
  *(int *)pml_conn_user(c) = 1;
  w->c = c;
  w->opened++;
}
static int on_bytes(pml_conn *c, int kind, pml_slice b, int fin) {
  world *w = pml_conn_owner(c);
  CHECK_EQ(*(int *)pml_conn_user(c), 1);
  CHECK(w->n + b.n <= sizeof w->got);
  if (b.n) memcpy(w->got + w->n, b.p, b.n);
  w->n += b.n;
  w->kind = kind;
  w->messages += fin;
  return w->answer;
}
static void on_end(pml_conn *c, pml_end why, int code) {
  world *w = pml_conn_owner(c);
  CHECK_EQ(w->in_call, 0);
  CHECK(*(int *)pml_conn_user(c) != 2);
  *(int *)pml_conn_user(c) = 2;
  w->ended++;
  w->why = why;
  w->code = code;
}

static pml_listener_options options(world *w) {
  pml_listener_options o = {
    .host = "127.0.0.1",
    .max_conns = 100,
    .hooks = {on_open, on_bytes, on_end, sizeof(int)},
    .owner = w,
  };
  return o;
}
static void start(world *w, const pml_listener_options *o) {
  w->l = pml_loop_new();
  CHECK_EQ(pml_listener_open(w->l, o, &w->s), 0);
  CHECK(pml_listener_port(w->s) > 0);
}
static void begin(world *w) {
  memset(w, 0, sizeof *w);
  pml_listener_options o = options(w);
  start(w, &o);
}
static net_client *dial(world *w) { return net_connect(w->l, pml_listener_port(w->s), 1); }
static void closing(world *w, pml_end why, uint16_t code) {
  w->in_call = 1;
  pml_conn_close(w->c, why, code);
  pml_conn_close(w->c, PML_END_SLOW, 0);
  CHECK(pml_conn_closing(w->c));
  w->in_call = 0;
}
static void send_of(pml_conn *c, const void *p, size_t n) {
  pml_buf *f = pml_frame_of(4, p, n);
  pml_conn_send(c, f);
  pml_buf_unref(f);
}
static void finish(world *w, net_client *c) {
  net_close(w->l, c);
  UNTIL(w->l, pml_listener_conns(w->s) == 0);
  CHECK_EQ(pml_listener_counts(w->s)->open, 0);
  CHECK_EQ(pml_listener_counts(w->s)->closed, pml_listener_counts(w->s)->accepted);
  net_finish(w->l, w->s);
}

static world w;

TEST(conn_first_byte_of_a_package_means_stream) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\1", 1);
  UNTIL(w.l, w.n == 1);
  CHECK_EQ(w.opened, 1);
  CHECK_EQ(w.kind, PML_STREAM);
  CHECK_EQ(pml_conn_is_ws(w.c), 0);
  net_send(c, "\0\0\0", 3);
  UNTIL(w.l, w.n == 4);
  send_of(w.c, "hi", 2);
  UNTIL(w.l, c->n == 6);
  CHECK(test_hex_eq(c->in, 6, "040000026869"));
  finish(&w, c);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_PEER);
  CHECK_EQ(w.code, 0);
}

TEST(conn_other_first_byte_is_closed) {
  const char bad[] = {0, 6, 'a', '@', '[', 0x16, (char)0xff};
  for (size_t i = 0; i < sizeof bad; i++) {
    begin(&w);
    net_client *c = dial(&w);
    net_send(c, bad + i, 1);
    UNTIL(w.l, net_ended(c));
    CHECK_EQ(w.opened, 0);
    CHECK_EQ(w.ended, 1);
    CHECK_EQ(w.why, PML_END_PROTOCOL);
    CHECK_EQ(pml_listener_counts(w.s)->protocol, 1);
    finish(&w, c);
  }
}

TEST(conn_upgrades_byte_by_byte) {
  begin(&w);
  net_client *c = dial(&w);
  const char *req = NET_UPGRADE;
  for (size_t i = 0; req[i]; i++) {
    uint64_t before = pml_listener_counts(w.s)->bytes_in;
    net_send(c, req + i, 1);
    UNTIL(w.l, pml_listener_counts(w.s)->bytes_in == before + 1);
  }
  UNTIL(w.l, c->n > 12 && w.opened);
  CHECK(memcmp(c->in, "HTTP/1.1 101", 12) == 0);
  CHECK(pml_conn_is_ws(w.c));
  finish(&w, c);
  CHECK_EQ(w.why, PML_END_PEER);
  CHECK_EQ(w.code, PML_WS_ABNORMAL);
}

TEST(conn_frames_behind_the_upgrade_are_read) {
  begin(&w);
  net_client *c = dial(&w);
  char both[512];
  size_t n = strlen(NET_UPGRADE);
  memcpy(both, NET_UPGRADE, n);
  memcpy(both + n, "\x82\x82\0\0\0\0hi", 8);
  net_send(c, both, n + 8);
  UNTIL(w.l, w.messages == 1);
  CHECK_BYTES(w.got, w.n, "hi");
  CHECK_EQ(w.kind, PML_BINARY);
  finish(&w, c);
}

TEST(conn_plain_http_is_answered_and_closed) {
  begin(&w);
  net_client *c = dial(&w);
  const char *req = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  net_send(c, req, strlen(req));
  UNTIL(w.l, net_ended(c));
  CHECK(c->n > 12 && memcmp(c->in, "HTTP/1.1 426", 12) == 0);
  CHECK(c->eof);
  CHECK_EQ(w.opened, 0);
  UNTIL(w.l, w.ended == 1);
  CHECK_EQ(w.why, PML_END_HANDSHAKE);
  finish(&w, c);
}

TEST(conn_ws_messages_come_in_pieces) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  char big[60000];
  memset(big, 'x', sizeof big);
  net_send_frame(c, 0x01, big, sizeof big);
  net_send_frame(c, 0x89, "ping", 4);
  net_send_frame(c, 0x80, "end", 3);
  UNTIL(w.l, w.messages == 1);
  CHECK_EQ(w.n, sizeof big + 3);
  CHECK_EQ(w.kind, PML_TEXT);
  UNTIL(w.l, c->n == 6);
  CHECK(test_hex_eq(c->in, 6, "8a0470696e67"));
  net_send_frame(c, 0x82, "", 0);
  UNTIL(w.l, w.messages == 2);
  finish(&w, c);
}

TEST(conn_ws_close_frame_is_answered_with_its_code) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  net_send_frame(c, 0x88, "\x0f\xa1gone", 6);
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "88020fa1"));
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_PEER);
  CHECK_EQ(w.code, 4001);
  finish(&w, c);
}

TEST(conn_ws_close_frame_without_a_code_is_1005) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  net_send_frame(c, 0x88, "", 0);
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "8800"));
  CHECK_EQ(w.code, PML_WS_NO_STATUS);
  finish(&w, c);
}

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
  CHECK_EQ(pml_listener_conns(w.s), 1);
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
  UNTIL(w.l, pml_listener_counts(w.s)->bytes_in == 5);
  CHECK_EQ(w.n, 1);
  CHECK_EQ(pml_listener_conns(w.s), 1);
  finish(&w, c);
}

TEST(conn_closing_peer_that_stays_is_closed_after_the_linger) {
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
  o.limits.linger_ms = 30;
  start(&w, &o);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  UNTIL(w.l, w.opened);
  closing(&w, PML_END_ASKED, 1000);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.ended, 1);
  finish(&w, c);
}

TEST(conn_one_system_call_per_turn) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  pml_buf *f = pml_frame_of(4, "0123456789", 10);
  uint64_t before = pml_listener_counts(w.s)->writes;
  for (int i = 0; i < 100; i++) pml_conn_send(w.c, f);
  CHECK_EQ(c->n, 0);
  UNTIL(w.l, c->n == 1400);
  CHECK_EQ(pml_listener_counts(w.s)->writes, before + 1);
  CHECK_EQ(pml_listener_counts(w.s)->bytes_out, 1400);
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  finish(&w, c);
}

TEST(conn_order_is_kept_when_the_socket_is_full) {
  begin(&w);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), 0);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  enum { COUNT = 6000 };
  size_t expect = 0;
  static char text[3000];
  for (int i = 0; i < COUNT; i++) {
    size_t n = i % 5 == 0 ? 3000 : 40;
    memset(text, i & 255, n);
    send_of(w.c, text, n);
    expect += n + 4;
    if (i % 100 == 0) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  }
  net_read(c);
  UNTIL(w.l, c->n == expect);
  size_t at = 0;
  for (int i = 0; i < COUNT; i++) {
    size_t n = i % 5 == 0 ? 3000 : 40;
    CHECK_EQ(c->in[at], 4);
    CHECK_EQ(c->in[at + 2] << 8 | c->in[at + 3], n);
    CHECK_EQ(c->in[at + 4], i & 255);
    CHECK_EQ(c->in[at + 3 + n], i & 255);
    at += n + 4;
  }
  finish(&w, c);
}

TEST(conn_over_the_hard_limit_is_closed_as_slow) {
  begin(&w);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), 0);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  static char mega[1 << 20];
  pml_buf *f = pml_frame_of(4, mega, sizeof mega);
  w.in_call = 1;
  while (!pml_conn_closing(w.c)) pml_conn_send(w.c, f);
  w.in_call = 0;
  CHECK_EQ(atomic_load(&f->refs), 1); /* released at once */
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK_EQ(pml_listener_counts(w.s)->slow, 1);
  pml_buf_unref(f);
  finish(&w, c);
}

TEST(conn_hard_limit_while_a_write_is_under_way) {
  begin(&w);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), 0);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  static char mega[1 << 20];
  pml_buf *f = pml_frame_of(4, mega, sizeof mega);
  while (!w.ended) {
    pml_conn_send(w.c, f);
    if (!pml_conn_closing(w.c)) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    else UNTIL(w.l, w.ended);
  }
  UNTIL(w.l, pml_listener_conns(w.s) == 0);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  finish(&w, c);
}

static net_client *begin_with(pml_conn_limits limits, int reads) {
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
  o.limits = limits;
  start(&w, &o);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), reads);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  return c;
}

TEST(conn_one_message_may_be_longer_than_the_hard_limit) {
  net_client *c = begin_with((pml_conn_limits){.queue_hard = 100000}, 1);
  static char text[12 << 20];
  send_of(w.c, text, sizeof text);
  send_of(w.c, text, 50000); /* and others wait behind it */
  UNTIL(w.l, c->n == 4 + sizeof text + 4 + 50000);
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

TEST(conn_is_offered_what_one_turn_has_before_it_is_slow) {
  net_client *c = begin_with((pml_conn_limits){.queue_hard = 200000}, 1);
  static char text[50000];
  for (int i = 0; i < 20; i++) send_of(w.c, text, sizeof text);
  CHECK(!pml_conn_closing(w.c));
  UNTIL(w.l, c->n == 20 * 50004);
  finish(&w, c);
}

TEST(conn_slow_ws_client_gets_a_whole_frame_and_1000) {
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
  start(&w, &o);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  uv_read_stop((uv_stream_t *)&c->tcp);
  static char mega[1 << 20];
  pml_buf *f = pml_frame_of(4, mega, sizeof mega);
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
  static char into[1 << 20];
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
  net_client *c = begin_with((pml_conn_limits){.queue_soft = 1000, .queue_ms = 40}, 0);
  static char text[8 << 20];
  send_of(w.c, text, sizeof text);
  size_t n = 0;
  for (int eof = 0; n < sizeof text + 4 && !eof;) n += sip(c, 100000, &eof);
  CHECK_EQ(n, sizeof text + 4);
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

TEST(conn_that_is_closed_lingers_while_its_peer_reads) {
  net_client *c = begin_with((pml_conn_limits){.linger_ms = 40, .queue_ms = 10000}, 0);
  static char text[8 << 20];
  send_of(w.c, text, sizeof text);
  pml_conn_close(w.c, PML_END_ASKED, 0);
  size_t n = 0;
  for (int eof = 0; !eof;) n += sip(c, 100000, &eof);
  CHECK_EQ(n, sizeof text + 4);
  finish(&w, c);
}

TEST(conn_that_is_closed_lingers_no_longer_than_queue_ms) {
  net_client *c = begin_with((pml_conn_limits){.linger_ms = 20, .queue_ms = 100}, 0);
  static char text[12 << 20];
  send_of(w.c, text, sizeof text);
  pml_conn_close(w.c, PML_END_ASKED, 0);
  int eof = 0;
  uint64_t from = uv_hrtime();
  while (pml_listener_conns(w.s)) sip(c, 1000, &eof);
  CHECK((uv_hrtime() - from) / 1000000 < 2000);
  finish(&w, c);
}

/* From here on every send() of this process fails with err; sendmsg() does not. */
static void forbid_send(int err) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendto, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof code / sizeof *code, code};
  CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static void is_tried_again(int err) {
  net_client *c = begin_with((pml_conn_limits){.no_ring = 1}, 1);
  forbid_send(err);
  uint64_t writes = pml_listener_counts(w.s)->writes;
  send_of(w.c, "one", 3);
  UNTIL(w.l, pml_listener_counts(w.s)->writes >= writes + 3);
  CHECK_EQ(w.ended, 0);
  send_of(w.c, "two", 3); /* two blocks: they go with sendmsg() */
  UNTIL(w.l, c->n == 14);
  CHECK(memcmp(c->in + 4, "one", 3) == 0 && memcmp(c->in + 11, "two", 3) == 0);
  finish(&w, c);
}

TEST(conn_send_without_buffers_is_tried_again) { is_tried_again(ENOBUFS); }
TEST(conn_send_without_memory_is_tried_again) { is_tried_again(ENOMEM); }

TEST(conn_may_be_closed_while_it_waits_for_memory) {
  net_client *c = begin_with((pml_conn_limits){.no_ring = 1, .linger_ms = 50}, 1);
  forbid_send(ENOBUFS);
  send_of(w.c, "one", 3);
  pml_loop *l = w.l;
  uv_run(pml_loop_uv(l), UV_RUN_NOWAIT);
  pml_conn_close(w.c, PML_END_ASKED, 0);
  UNTIL(l, pml_listener_conns(w.s) == 0);
  CHECK_EQ(w.ended, 1);
  finish(&w, c);
}

TEST(conn_over_the_soft_limit_for_long_is_closed_as_slow) {
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
  o.limits.queue_soft = 1000;
  o.limits.queue_hard = 64u << 20;
  o.limits.queue_ms = 50;
  start(&w, &o);
  net_client *c = net_connect(w.l, pml_listener_port(w.s), 0);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  static char mega[16 << 20]; /* above what the kernel buffers */
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
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
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

TEST(conn_that_says_nothing_is_closed) {
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
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

TEST(conn_is_closed_for_what_on_bytes_returns) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  w.answer = PML_ETOOBIG;
  net_send_frame(c, 0x82, "x", 1);
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "880203f1"));
  CHECK_EQ(w.why, PML_END_TOOBIG);
  net_send_frame(c, 0x82, "x", 1);
  finish(&w, c);
  CHECK_EQ(w.messages, 1);

  begin(&w);
  c = dial(&w);
  w.answer = PML_EPROTO;
  net_send(c, "\4\0", 2);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  finish(&w, c);
}

TEST(conn_ws_protocol_error_is_told_in_the_close_frame) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  net_send(c, "\x82\x01x", 3); /* not masked */
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "880203ea"));
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  finish(&w, c);
}

TEST(conn_reset_is_an_error) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_tcp_close_reset(&c->tcp, net_on_close);
  UNTIL(w.l, c->closed && pml_listener_conns(w.s) == 0);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_ERROR);
  pml_free(c->in);
  pml_free(c);
  net_finish(w.l, w.s);
}

TEST(conn_that_fails_while_it_is_flushed_is_freed_once) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_tcp_close_reset(&c->tcp, net_on_close);
  send_of(w.c, "x", 1); /* flushed before the reset is read */
  UNTIL(w.l, c->closed && pml_listener_conns(w.s) == 0);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_ERROR);
  pml_free(c->in);
  pml_free(c);
  c = dial(&w); /* and the listener goes on */
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 2);
  send_of(w.c, "answer", 6);
  UNTIL(w.l, c->n == 10);
  finish(&w, c);
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

TEST(conn_busy_client_does_not_keep_others_waiting) {
  begin(&w);
  net_client *busy = dial(&w), *other = dial(&w);
  char text[4096];
  memset(text, 4, sizeof text);
  net_send(busy, text, sizeof text);
  net_send(other, "\5", 1);
  UNTIL(w.l, w.opened == 2);
  CHECK(w.n <= 2 * 512 + 1); /* 512 per turn in test builds */
  UNTIL(w.l, w.n == sizeof text + 1);
  net_close(w.l, other);
  finish(&w, busy);
}

TEST(conn_address_is_the_clients) {
  memset(&w, 0, sizeof w);
  pml_listener_options o = options(&w);
  o.host = NULL;
  start(&w, &o);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  char ip[46];
  int port;
  pml_conn_address(w.c, ip, &port);
  CHECK_BYTES(ip, strlen(ip), "127.0.0.1");
  struct sockaddr_in a;
  int n = sizeof a;
  uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&a, &n);
  CHECK_EQ(port, ntohs(a.sin_port));
  finish(&w, c);
}

/* More than one batch of the ring: some with one block, some with several, one gone. */
TEST(conn_every_one_of_a_crowd_gets_its_own_in_order) {
  enum { CROWD = 90 };
  static net_client *c[CROWD];
  static pml_conn *k[CROWD];
  static uint8_t piece[700];
  memset(piece, 'p', sizeof piece);
  begin(&w);
  for (int i = 0; i < CROWD; i++) {
    int before = w.opened;
    c[i] = dial(&w);
    net_send(c[i], "\1", 1);
    UNTIL(w.l, w.opened > before);
    k[i] = w.c;
  }
  uint64_t writes = pml_listener_counts(w.s)->writes;
  for (int i = 0; i < CROWD; i++) {
    piece[0] = (uint8_t)i;
    for (int n = 0; n <= i % 4; n++) {
      piece[1] = (uint8_t)n;
      send_of(k[i], piece, sizeof piece);
    }
  }
  pml_conn_close(k[7], PML_END_SLOW, 0); /* before the end of the turn: nothing of it goes */
  for (int i = 0; i < CROWD; i++) {
    size_t want = i == 7 ? 0 : (size_t)(i % 4 + 1) * (sizeof piece + 4);
    UNTIL(w.l, i == 7 ? net_ended(c[i]) : c[i]->n >= want);
    CHECK_EQ(c[i]->n, want);
    for (size_t n = 0; n < want / (sizeof piece + 4); n++) {
      CHECK_EQ(c[i]->in[n * (sizeof piece + 4) + 4], i);
      CHECK_EQ(c[i]->in[n * (sizeof piece + 4) + 5], n);
    }
  }
  CHECK_EQ(pml_listener_counts(w.s)->writes - writes, CROWD - 1);
  for (int i = 1; i < CROWD; i++) net_close(w.l, c[i]);
  finish(&w, c[0]);
}

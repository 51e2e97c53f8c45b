#include "test/conn_world.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static world w;

TEST(flush_one_system_call_per_turn) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  pml_buf *f = pml_frame_of(4, "0123456789", 10);
  uint64_t before = pml_conns_counts(w.all)->writes;
  for (int i = 0; i < 100; i++) pml_conn_send(w.c, f);
  CHECK_EQ(c->n, 0);
  UNTIL(w.l, c->n == 1400);
  CHECK_EQ(pml_conns_counts(w.all)->writes, before + 1);
  CHECK_EQ(pml_conns_counts(w.all)->bytes_out, 1400);
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  finish(&w, c);
}

TEST(flush_order_is_kept_when_the_socket_is_full) {
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

TEST(flush_over_the_hard_limit_is_closed_as_slow) {
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
  CHECK_EQ(pml_conns_counts(w.all)->slow, 1);
  pml_buf_unref(f);
  finish(&w, c);
}

TEST(flush_hard_limit_while_a_write_is_under_way) {
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
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  finish(&w, c);
}

TEST(flush_one_message_may_be_longer_than_the_hard_limit) {
  net_client *c = begin_with(&w, (pml_conn_limits){.queue_hard = 100000}, 1);
  static char text[12 << 20];
  send_of(w.c, text, sizeof text);
  send_of(w.c, text, 50000); /* and others wait behind it */
  UNTIL(w.l, c->n == 4 + sizeof text + 4 + 50000);
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

TEST(flush_is_offered_what_one_turn_has_before_it_is_slow) {
  net_client *c = begin_with(&w, (pml_conn_limits){.queue_hard = 200000}, 1);
  static char text[50000];
  for (int i = 0; i < 20; i++) send_of(w.c, text, sizeof text);
  CHECK(!pml_conn_closing(w.c));
  UNTIL(w.l, c->n == 20 * 50004);
  finish(&w, c);
}

/* send() is sendto(); sendmsg() is another call. */
static void is_tried_again(int err) {
  net_client *c = begin_with(&w, (pml_conn_limits){.no_ring = 1}, 1);
  forbid(__NR_sendto, err);
  uint64_t writes = pml_conns_counts(w.all)->writes;
  send_of(w.c, "one", 3);
  UNTIL(w.l, pml_conns_counts(w.all)->writes >= writes + 3);
  CHECK_EQ(w.ended, 0);
  send_of(w.c, "two", 3); /* two blocks: they go with sendmsg() */
  UNTIL(w.l, c->n == 14);
  CHECK(memcmp(c->in + 4, "one", 3) == 0 && memcmp(c->in + 11, "two", 3) == 0);
  finish(&w, c);
}

TEST(flush_send_without_buffers_is_tried_again) { is_tried_again(ENOBUFS); }
TEST(flush_send_without_memory_is_tried_again) { is_tried_again(ENOMEM); }

TEST(flush_may_be_closed_while_it_waits_for_memory) {
  net_client *c = begin_with(&w, (pml_conn_limits){.no_ring = 1, .linger_ms = 50}, 1);
  forbid(__NR_sendto, ENOBUFS);
  send_of(w.c, "one", 3);
  pml_loop *l = w.l;
  uv_run(pml_loop_uv(l), UV_RUN_NOWAIT);
  pml_conn_close(w.c, PML_END_ASKED, 0);
  UNTIL(l, pml_conns_count(w.all) == 0);
  CHECK_EQ(w.ended, 1);
  finish(&w, c);
}

TEST(flush_that_fails_while_it_is_flushed_is_freed_once) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_tcp_close_reset(&c->tcp, net_on_close);
  send_of(w.c, "x", 1); /* flushed before the reset is read */
  UNTIL(w.l, c->closed && pml_conns_count(w.all) == 0);
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

/* More than one batch of the ring: some with one block, some with several, one gone. */
TEST(flush_every_one_of_a_crowd_gets_its_own_in_order) {
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
  uint64_t writes = pml_conns_counts(w.all)->writes;
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
  CHECK_EQ(pml_conns_counts(w.all)->writes - writes, CROWD - 1);
  for (int i = 1; i < CROWD; i++) net_close(w.l, c[i]);
  finish(&w, c[0]);
}

#include "test/conn_world.h"

#include <errno.h>
#include <sys/resource.h>
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
  const size_t room = (size_t)1 << 20;
  char *mega = test_room(room);
  pml_buf *f = pml_frame_of(4, mega, room);
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
  const size_t room = (size_t)1 << 20;
  char *mega = test_room(room);
  pml_buf *f = pml_frame_of(4, mega, room);
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
  const size_t room = (size_t)12 << 20;
  char *text = test_room(room);
  send_of(w.c, text, room);
  send_of(w.c, text, 50000); /* and others wait behind it */
  UNTIL(w.l, c->n == 4 + room + 4 + 50000);
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

/* ---- `latest` and `drop` ---- */

#define UPDATE 1024 /* bytes of one, with the head of its package */

static void turn(world *x) { uv_run(pml_loop_uv(x->l), UV_RUN_NOWAIT); }

static void offer(pml_conn *c, unsigned number, pml_policy policy, uint64_t identity) {
  uint8_t body[UPDATE - 4] = {(uint8_t)(number >> 8), (uint8_t)number, (uint8_t)identity};
  pml_buf *f = pml_frame_of(4, body, sizeof body);
  pml_conn_offer(c, f, (pml_delivery){identity, policy});
  pml_buf_unref(f);
}

/* Reads one update; the loop turns meanwhile. -1: none comes any more. */
static int next_update(world *x, int fd, uint64_t *identity) {
  uint8_t b[UPDATE];
  size_t n = 0;
  for (int quiet = 0; n < sizeof b && quiet < 200; turn(x)) {
    ssize_t r = recv(fd, b + n, sizeof b - n, MSG_DONTWAIT);
    if (r > 0) n += (size_t)r;
    if (r > 0) quiet = 0;
    else if (++quiet && usleep(1000)) break;
  }
  if (n < sizeof b) return -1;
  CHECK_EQ(b[0], 4);
  if (identity) *identity = b[6];
  return b[4] << 8 | b[5];
}

static void latest_to_a_slow_client(int no_ring) {
  enum { PUSHES = 2000 };
  int fd = narrow(&w, (pml_conn_limits){.no_ring = no_ring, .queue_hard = 20000});
  for (unsigned i = 1; i <= PUSHES; i++) {
    offer(w.c, i, PML_LATEST, 1);
    turn(&w);
    CHECK(pml_conns_latest(w.all) <= 1);
  }
  CHECK_EQ(pml_conns_latest(w.all), 1);
  CHECK(!pml_conn_closing(w.c));
  int last = 0, read = 0;
  for (int i; (i = next_update(&w, fd, NULL)) >= 0; last = i, read++) CHECK(i > last);
  CHECK_EQ(last, PUSHES);
  CHECK(read <= 8); /* what was on its way, here and in both systems */
  CHECK_EQ(pml_conns_counts(w.all)->replaced, (uint64_t)(PUSHES - read));
  CHECK_EQ(pml_conns_latest(w.all), 0);
  finish_narrow(&w, fd);
}

TEST(flush_latest_keeps_one_for_a_slow_client_who_stays) { latest_to_a_slow_client(1); }
TEST(flush_latest_keeps_one_through_the_ring) { latest_to_a_slow_client(0); }

TEST(flush_latest_without_another_descriptor_goes_through_libuv) {
  int fd = narrow(&w, (pml_conn_limits){0});
  struct rlimit before, none;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = (struct rlimit){1, before.rlim_max};
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  for (unsigned i = 1; i <= 500; i++) {
    offer(w.c, i, PML_LATEST, 1);
    turn(&w);
    CHECK(pml_conns_latest(w.all) <= 1);
  }
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  int last = 0, read = 0;
  for (int i; (i = next_update(&w, fd, NULL)) >= 0; last = i, read++) CHECK(i > last);
  CHECK_EQ(last, 500);
  CHECK(read <= 9); /* libuv has one more */
  finish_narrow(&w, fd);
}

TEST(flush_latest_of_many_keys_keeps_the_newest_of_each_in_order) {
  int fd = narrow(&w, (pml_conn_limits){0});
  unsigned number = 0;
  for (int round = 0; round < 100; round++) {
    for (uint64_t key = 1; key <= 20; key++) offer(w.c, ++number, PML_LATEST, key);
    turn(&w);
    CHECK(pml_conns_latest(w.all) <= 20);
  }
  int last = 0, newest[21] = {0};
  uint64_t key;
  for (int i; (i = next_update(&w, fd, &key)) >= 0; last = i) {
    CHECK(i > last);
    newest[key] = i;
  }
  for (int k = 1; k <= 20; k++) CHECK_EQ(newest[k], 99 * 20 + k);
  finish_narrow(&w, fd);
}

TEST(flush_latest_stands_behind_what_was_sent_before_it) {
  int fd = narrow(&w, (pml_conn_limits){0});
  for (unsigned i = 1; i <= 200; i++) { /* libuv has the first of these when the others come */
    offer(w.c, i, i % 2 ? PML_RELIABLE : PML_LATEST, i % 2 ? 0 : 1);
    turn(&w);
  }
  int last = 0, odd = 0;
  for (int i; (i = next_update(&w, fd, NULL)) >= 0; last = i, odd += i % 2) CHECK(i > last);
  CHECK_EQ(last, 200);
  CHECK_EQ(odd, 100);
  finish_narrow(&w, fd);
}

TEST(flush_latest_after_a_write_that_libuv_has) {
  int fd = narrow(&w, (pml_conn_limits){0});
  const size_t room = UPDATE * 5000 - 4;
  char *text = test_room(room);
  send_of(w.c, text, room); /* more than the system takes */
  turn(&w);
  for (unsigned i = 1; i <= 50; i++) {
    offer(w.c, i, PML_LATEST, 1);
    offer(w.c, i, PML_DROP, 0);
    turn(&w);
  }
  CHECK_EQ(pml_conns_counts(w.all)->dropped, 50);
  CHECK_EQ(pml_conns_counts(w.all)->replaced, 49);
  size_t n = 0;
  uint8_t b[UPDATE];
  while (n < room + 4) {
    ssize_t r = recv(fd, b, room + 4 - n < sizeof b ? room + 4 - n : sizeof b, MSG_DONTWAIT);
    if (r > 0) n += (size_t)r;
    else turn(&w);
  }
  CHECK_EQ(next_update(&w, fd, NULL), 50);
  finish_narrow(&w, fd);
}

TEST(flush_drop_is_left_out_while_the_client_is_behind) {
  int fd = narrow(&w, (pml_conn_limits){0});
  for (unsigned i = 1; i <= 100; i++) {
    offer(w.c, i, PML_DROP, 0);
    turn(&w);
  }
  uint64_t dropped = pml_conns_counts(w.all)->dropped;
  CHECK(dropped >= 90);
  int read = 0;
  while (next_update(&w, fd, NULL) >= 0) read++;
  CHECK_EQ(read + (int)dropped, 100);
  offer(w.c, 101, PML_DROP, 0); /* the client is not behind any more */
  CHECK_EQ(next_update(&w, fd, NULL), 101);
  CHECK_EQ(pml_conns_counts(w.all)->dropped, dropped);
  finish_narrow(&w, fd);
}

TEST(flush_drop_never_closes_a_client_for_what_one_turn_brings) {
  int fd = narrow(&w, (pml_conn_limits){.queue_soft = 20000, .queue_hard = 40000});
  for (unsigned i = 1; i <= 1000; i++) offer(w.c, i, PML_DROP, 0);
  CHECK(!pml_conn_closing(w.c));
  CHECK(pml_conns_counts(w.all)->dropped > 900);
  finish_narrow(&w, fd);
}

TEST(flush_latest_of_more_keys_than_the_limit_holds_is_closed_as_slow) {
  int fd = narrow(&w, (pml_conn_limits){.queue_hard = 40000});
  for (unsigned i = 1; i <= 200 && !w.ended; i++) {
    offer(w.c, i, PML_LATEST, i);
    turn(&w);
  }
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK_EQ(pml_conns_latest(w.all), 0);
  finish_narrow(&w, fd);
}

TEST(flush_what_waits_for_a_slow_client_is_written_before_the_close) {
  int fd = narrow(&w, (pml_conn_limits){0});
  for (unsigned i = 1; i <= 100; i++) {
    offer(w.c, i, PML_LATEST, 1);
    turn(&w);
  }
  pml_conn_close(w.c, PML_END_ASKED, 0);
  int last = 0;
  for (int i; (i = next_update(&w, fd, NULL)) >= 0;) last = i;
  CHECK_EQ(last, 100);
  finish_narrow(&w, fd);
}

TEST(flush_latest_client_that_goes_while_it_is_waited_for) {
  int fd = narrow(&w, (pml_conn_limits){0});
  for (unsigned i = 1; i <= 100; i++) {
    offer(w.c, i, PML_LATEST, 1);
    turn(&w);
  }
  struct linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  finish_narrow(&w, fd);
  CHECK_EQ(w.ended, 1);
}

TEST(flush_latest_over_websocket_is_whole_frames) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  pml_buf *f = pml_frame_of(4, "abc", 3), *g = pml_frame_of(4, "xyz", 3);
  pml_conn_offer(w.c, f, (pml_delivery){1, PML_LATEST});
  pml_conn_offer(w.c, g, (pml_delivery){1, PML_LATEST});
  UNTIL(w.l, c->n >= 9);
  CHECK_EQ(c->n, 9);
  CHECK(memcmp(c->in, "\x82\x07\4\0\0\3xyz", 9) == 0);
  CHECK_EQ(pml_conns_counts(w.all)->replaced, 1);
  pml_buf_unref(f);
  pml_buf_unref(g);
  finish(&w, c);
}

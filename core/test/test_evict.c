#include "test/conn_world.h"

/* Two sets that share a count, each with clients of its own who never read. */
static world w, v;
static pml_client_memory shared;

enum { MIB = 1 << 20 };

static void begin_set(world *x, pml_loop *l, uint64_t memory) {
  memset(x, 0, sizeof *x);
  pml_conns_options o = options(x);
  o.limits.memory = memory;
  o.limits.queue_soft = o.limits.queue_hard = 64 * MIB;
  o.memory = &shared;
  x->l = l ? l : pml_loop_new();
  CHECK((x->all = net_conns_new(x->l, &o)) != NULL);
  CHECK_EQ(pml_listener_open(x->all, "127.0.0.1", 0, &x->s), 0);
}

static net_client *deaf(world *x, pml_conn **c) {
  int before = x->opened;
  net_client *one = net_connect(x->l, pml_listener_port(x->s), 0);
  net_send(one, "\4", 1);
  UNTIL(x->l, x->opened > before);
  *c = x->c;
  return one;
}

/* n bytes wait: what one turn brings is not written before its end. */
static void put(pml_conn *c, size_t n) {
  pml_buf *b = pml_buf_new(n);
  memset(b->data, 0, n);
  pml_buf *f = pml_frame_of(4, b->data, n);
  pml_conn_send(c, f);
  pml_buf_unref(f);
  pml_buf_unref(b);
}

static uint64_t gone(const world *x) { return pml_conns_counts(x->all)->memory; }

static void end(world *x, net_client **c, size_t n) {
  for (size_t i = 0; i < n; i++) net_close(x->l, c[i]);
  UNTIL(x->l, pml_conns_count(x->all) == 0);
  CHECK_EQ(pml_conns_held(x->all), 0);
}

TEST(evict_the_largest_goes_first_and_at_once) {
  begin_set(&w, NULL, 8 * MIB);
  pml_conn *c[4];
  net_client *k[4];
  for (int i = 0; i < 4; i++) k[i] = deaf(&w, &c[i]);
  put(c[0], MIB);
  put(c[1], 4 * MIB);
  put(c[2], MIB);
  CHECK_EQ(gone(&w), 0);
  CHECK(pml_conns_held(w.all) > 6 * MIB);
  w.in_call = 1;
  put(c[3], MIB); /* 7 MiB in all, of which the caller holds a part: just below 7/8 */
  CHECK(!pml_conn_closing(c[1]));
  put(c[3], MIB);
  w.in_call = 0;
  CHECK(pml_conn_closing(c[1]));
  CHECK(!pml_conn_closing(c[0]) && !pml_conn_closing(c[2]) && !pml_conn_closing(c[3]));
  CHECK(pml_conns_held(w.all) < 6 * MIB); /* before its connection has ended */
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_MEMORY);
  CHECK_EQ(gone(&w), 1);
  end(&w, k, 4);
  net_finish(w.l, w.all, w.s);
}

TEST(evict_counts_a_shared_block_once) {
  begin_set(&w, NULL, 8 * MIB);
  pml_conn *c[20];
  net_client *k[20];
  const size_t room = MIB;
  char *text = test_room(room);
  for (int i = 0; i < 20; i++) k[i] = deaf(&w, &c[i]);
  pml_buf *f = pml_frame_of(4, text, room);
  for (int i = 0; i < 20; i++) pml_conn_send(c[i], f);
  pml_buf_unref(f);
  CHECK(pml_conns_held(w.all) > 20 * MIB);
  CHECK_EQ(gone(&w), 0);
  CHECK(atomic_load(&shared.bytes) < 4 * MIB);
  for (int i = 0; i < 20; i++) put(c[i], 10000);
  CHECK_EQ(gone(&w), 0);
  put(c[7], 6 * MIB); /* its own: too much, and its part is the largest */
  put(c[7], MIB);
  put(c[8], MIB / 2);
  CHECK(pml_conn_closing(c[7]));
  UNTIL(w.l, w.ended);
  CHECK_EQ(gone(&w), 1);
  end(&w, k, 20);
  net_finish(w.l, w.all, w.s);
}

TEST(evict_bounds_the_sets_of_a_process_together) {
  begin_set(&w, NULL, 8 * MIB);
  begin_set(&v, w.l, 8 * MIB);
  pml_conn *a[6], *b[6];
  net_client *k[6], *m[6];
  for (int i = 0; i < 6; i++) k[i] = deaf(&w, &a[i]);
  for (int i = 0; i < 6; i++) m[i] = deaf(&v, &b[i]);
  for (int i = 0; i < 6; i++) put(a[i], MIB);
  CHECK_EQ(gone(&w) + gone(&v), 0);
  /* The other set finds that both are too large, closes its part, and the first one, in which
   * nothing happens, closes its own. */
  for (int i = 0; i < 6; i++) put(b[i], MIB / 2);
  CHECK(gone(&v) == 0); /* reported at the end of the turn */
  UNTIL(w.l, gone(&v) > 0 && pml_conns_held(w.all) + pml_conns_held(v.all) < 8 * MIB);
  CHECK(gone(&w) + gone(&v) < 8);
  CHECK(atomic_load(&shared.bytes) <= 8 * MIB);
  end(&w, k, 6);
  end(&v, m, 6);
  int closed = 0;
  pml_listener_close(v.s);
  pml_conns_free(v.all, net_stopped, &closed);
  UNTIL(v.l, closed);
  net_finish(w.l, w.all, w.s);
  CHECK_EQ(atomic_load(&shared.bytes), 0);
}

TEST(evict_without_a_bound_closes_nobody) {
  begin_set(&w, NULL, 0);
  pml_conn *c;
  net_client *k = deaf(&w, &c);
  put(c, 15 * MIB);
  put(c, 15 * MIB);
  CHECK(!pml_conn_closing(c));
  CHECK(pml_conns_held(w.all) > 30 * MIB);
  end(&w, &k, 1);
  net_finish(w.l, w.all, w.s);
}

TEST(evict_takes_those_that_are_closing_too) {
  begin_set(&w, NULL, 8 * MIB);
  pml_conn *c[2];
  net_client *k[2];
  for (int i = 0; i < 2; i++) k[i] = deaf(&w, &c[i]);
  put(c[0], 6 * MIB);
  pml_conn_close(c[0], PML_END_ASKED, 0); /* its queue is still to be flushed */
  put(c[1], 2 * MIB);
  put(c[1], MIB);
  CHECK(!pml_conn_closing(c[1]));
  CHECK(pml_conns_held(w.all) < 4 * MIB);
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_ASKED);
  CHECK_EQ(gone(&w), 0);
  end(&w, k, 2);
  net_finish(w.l, w.all, w.s);
}

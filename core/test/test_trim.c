#include "test/conn_world.h"

static world w;

static uint64_t trims(void) { return pml_conns_counts(w.all)->trims; }

/* Turns the loop for so long. */
static void wait_ms(unsigned ms) {
  uint64_t from = uv_hrtime();
  while ((uv_hrtime() - from) / 1000000 < ms) {
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    usleep(1000);
  }
}

TEST(trim_after_much_has_gone_from_the_queues) {
  net_client *c = begin_with(&w, (pml_conn_limits){.memory = 64 << 20}, 0);
  const size_t room = (size_t)12 << 20;
  char *text = test_room(room);
  send_of(w.c, text, room);
  CHECK(pml_conns_held(w.all) >= room);
  net_read(c);
  UNTIL(w.l, c->n == room + 4);
  CHECK_EQ(trims(), 0); /* not at once */
  UNTIL(w.l, trims());
  wait_ms(1200);
  CHECK_EQ(trims(), 1); /* nothing has gone since */
  finish(&w, c);
}

TEST(trim_after_many_have_left_and_not_after_some) {
  enum { ALL = 300 };
  static net_client *c[ALL];
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.max_conns = ALL;
  start(&w, &o);
  for (int i = 0; i < ALL; i++) c[i] = dial(&w);
  UNTIL(w.l, pml_conns_count(w.all) == ALL);
  for (int i = 0; i < 100; i++) net_close(w.l, c[i]);
  UNTIL(w.l, pml_conns_count(w.all) == ALL - 100);
  wait_ms(1200);
  CHECK_EQ(trims(), 0);
  for (int i = 100; i < ALL - 1; i++) net_close(w.l, c[i]);
  UNTIL(w.l, trims());
  finish(&w, c[ALL - 1]);
}

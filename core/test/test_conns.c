#include "test/conn_world.h"

static world w, v;

static net_client *client_of(world *to, pml_listener *s) {
  int before = to->opened;
  net_client *c = net_connect(to->l, pml_listener_port(s), 1);
  net_send(c, "\4", 1);
  UNTIL(to->l, to->opened > before);
  return c;
}

TEST(conns_of_two_listeners_share_limits_counters_and_turns) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.max_conns = 2;
  start(&w, &o);
  pml_listener *other;
  CHECK_EQ(pml_listener_open(w.all, "127.0.0.1", 0, &other), 0);
  CHECK(pml_listener_port(other) != pml_listener_port(w.s));
  net_client *a = client_of(&w, w.s);
  pml_conn *first = w.c;
  net_client *b = client_of(&w, other);
  CHECK_EQ(pml_conns_count(w.all), 2);
  net_client *surplus = net_connect(w.l, pml_listener_port(other), 1);
  UNTIL(w.l, net_ended(surplus));
  CHECK_EQ(pml_conns_counts(w.all)->refused, 1);
  net_close(w.l, surplus);

  send_of(first, "one", 3);
  send_of(w.c, "two", 3);
  uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT); /* one end of turn */
  CHECK_EQ(pml_conns_counts(w.all)->writes, 2);
  UNTIL(w.l, a->n == 7 && b->n == 7);
  CHECK_BYTES(a->in + 4, 3, "one");
  CHECK_BYTES(b->in + 4, 3, "two");

  pml_listener_close(other); /* its client stays */
  send_of(w.c, "more", 4);
  UNTIL(w.l, b->n == 15);
  net_close(w.l, b);
  UNTIL(w.l, pml_conns_count(w.all) == 1);
  b = client_of(&w, w.s);
  net_close(w.l, b);
  finish(&w, a);
}

TEST(conns_of_two_sets_on_one_loop_have_their_own) {
  begin(&w);
  memset(&v, 0, sizeof v);
  pml_conns_options o = options(&v);
  o.max_conns = 1;
  v.l = w.l;
  CHECK((v.all = net_conns_new(v.l, &o)) != NULL);
  CHECK_EQ(pml_listener_open(v.all, "127.0.0.1", 0, &v.s), 0);
  net_client *a = client_of(&w, w.s), *b = client_of(&w, w.s), *c = client_of(&v, v.s);
  CHECK(pml_conn_owner(w.c) == &w && pml_conn_owner(v.c) == &v);
  CHECK_EQ(pml_conns_count(w.all), 2);
  CHECK_EQ(pml_conns_count(v.all), 1);
  send_of(w.c, "w", 1);
  send_of(v.c, "v", 1);
  UNTIL(w.l, b->n == 5 && c->n == 5);
  CHECK_EQ(pml_conns_counts(w.all)->bytes_out, 5);
  CHECK_EQ(pml_conns_counts(v.all)->bytes_out, 5);

  int freed = 0;
  pml_listener_close(v.s);
  pml_conn_close_all(v.all, PML_END_ASKED, 0);
  pml_conns_free(v.all, net_stopped, &freed);
  net_close(w.l, c);
  UNTIL(w.l, freed);
  CHECK_EQ(v.ended, 1);
  CHECK_EQ(w.ended, 0);
  send_of(w.c, "w", 1);
  UNTIL(w.l, b->n == 10);
  net_close(w.l, a);
  finish(&w, b);
}

TEST(conns_are_freed_in_a_later_turn_though_there_are_none) {
  begin(&w);
  pml_listener_close(w.s);
  for (int i = 0; i < 3; i++) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  int freed = 0;
  pml_conns_free(w.all, net_stopped, &freed);
  CHECK(!freed);
  UNTIL(w.l, freed);
  pml_loop_free(w.l);
}

TEST(conns_wait_for_their_last_connection_and_listener) {
  begin(&w);
  net_client *c = client_of(&w, w.s);
  int freed = 0;
  pml_conns_free(w.all, net_stopped, &freed);
  for (int i = 0; i < 3; i++) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  CHECK(!freed);
  send_of(w.c, "still", 5);
  UNTIL(w.l, c->n == 9);
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK(!freed);
  pml_listener_close(w.s);
  UNTIL(w.l, freed);
  pml_loop_free(w.l);
}

TEST(conns_need_a_real_loop) {
  pml_loop *l = pml_loop_new_virtual();
  pml_conns_options o = options(&w);
  CHECK(net_conns_new(l, &o) == NULL);
  pml_loop_free(l);
}

#include "node/route.h"

#include "test/front.h"

TEST(route_asks_the_scripts_for_routed_types) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_route_set(v.node, "chat", 1);
  front_say(&v, s, PML_MSG_REQUEST, 2, "chat.a.b", "x");
  fake_script_expect(&v.script, "route type=chat id=2 route=chat.a.b body=x\n");
  CHECK(!virtual_take(&v, &r));
  CHECK_EQ(pml_route_choose(v.node, v.script.pending, "chat-1"), 0);
  CHECK_EQ(pml_route_choose(v.node, v.script.pending, "chat-1"), PML_ECLOSED);
  CHECK(virtual_take(&v, &r));
  CHECK_BYTES(r.env.param.p, r.env.param.n, "x");
  virtual_drop(&r);
  front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "x");
  CHECK_EQ(pml_route_choose(v.node, v.script.pending, "f1"), PML_ENOENT);
  front_expect_500(&f, 3);
  front_say(&v, s, PML_MSG_REQUEST, 4, "chat.a.b", "x");
  CHECK_EQ(pml_route_choose(v.node, v.script.pending, NULL), PML_ENOENT);
  front_expect_500(&f, 4);
  CHECK_EQ(s->in_flight, 1); /* the forward */
  front_say(&v, s, PML_MSG_REQUEST, 5, "chat.a.b", "x");
  front_say(&v, s, PML_MSG_NOTIFY, 0, "chat.a.b", "x");
  virtual_close(&v); /* with messages waiting */
  fake_sink_clear(&f);
}

TEST(route_runs_out_of_places_for_waiting_messages) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_route_set(v.node, "default", 1);
  uint32_t places = (1 << PML_SLOT_BITS) - 1;
  for (uint32_t i = 1; i <= places; i++) front_say(&v, s, PML_MSG_REQUEST, i, "chat.a.b", "x");
  CHECK_EQ(f.frames, 0);
  CHECK_EQ(s->in_flight, places);
  front_say(&v, s, PML_MSG_REQUEST, 99, "chat.a.b", "x");
  front_expect_500(&f, 99);
  CHECK_EQ(s->in_flight, places);
  pml_loop_advance(v.loop, 11000);
  CHECK_EQ(f.frames, places);
  CHECK_EQ(s->in_flight, 0);
  fake_sink_clear(&f);
  virtual_close(&v);
}

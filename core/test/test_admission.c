#include "node/admission.h"

#include "test/front.h"
#include "test/node_count.h"

TEST(admission_ends_for_clients_first_and_for_servers_later) {
  virtual_node v;
  virtual_open(&v, "chat-1", "chat", 0);
  CHECK(!pml__admission_stopped(v.node, PML_FROM_CLIENT));
  pml_node_close(v.node, 0);
  CHECK(pml__admission_stopped(v.node, PML_FROM_CLIENT));
  CHECK(!pml__admission_stopped(v.node, PML_FROM_SERVER));
  pml_node_close(v.node, 1);
  pml_node_close(v.node, 0); /* does not open it again */
  CHECK(pml__admission_stopped(v.node, PML_FROM_CLIENT));
  CHECK(pml__admission_stopped(v.node, PML_FROM_SERVER));
  CHECK_EQ(node_count(v.node, "refusedStopping"), 3);
  virtual_close(&v);
}

TEST(admission_refuses_clients_of_a_server_that_stops) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_node_close(v.node, 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 3, "connector.a.b", "{}"), 0);
  front_expect_500(&f, 3);
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, "connector.a.b", "{}"), 0);
  CHECK_EQ(f.frames, 0);
  fake_script_expect(&v.script, "");
  virtual_close(&v);
}

TEST(admission_has_a_limit_for_each_session) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_node_config(v.node)->max_in_flight = 2;
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  for (uint32_t id = 1; id <= 2; id++)
    CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, id, "connector.a.b", "{}"), 0);
  CHECK_EQ(f.frames, 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 3, "connector.a.b", "{}"), 0);
  front_expect_500(&f, 3);
  CHECK_EQ(node_count(v.node, "overInFlight"), 1);
  CHECK_EQ(node_count(v.node, "requests"), 3);
  virtual_close(&v);
}

TEST(admission_lets_one_request_a_second_look_at_the_memory) {
  virtual_node v;
  virtual_open(&v, "chat-1", "chat", 0);
  CHECK(!pml__admission_low_memory(v.node));
  pml_node_refuse(v.node, 1);
  CHECK(pml_node_refusing(v.node));
  CHECK(pml__admission_low_memory(v.node));
  pml_loop_advance(v.loop, 1000);
  pml_node_refuse(v.node, 1); /* again: the second goes on */
  CHECK(!pml__admission_low_memory(v.node));
  CHECK(pml__admission_low_memory(v.node));
  CHECK_EQ(node_count(v.node, "overMemory"), 2);
  pml_node_refuse(v.node, 0);
  CHECK(!pml__admission_low_memory(v.node));
  virtual_close(&v);
}

#include "test/node_count.h"
#include "test/virtual.h"

TEST(counters_have_a_value_when_their_part_is_there) {
  virtual_node v;
  fake_sink f;
  virtual_open(&v, "f1", "connector", 1);
  fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(node_count(v.node, "sessions"), 1);
  CHECK_EQ(node_count(v.node, "bound"), 0);
  CHECK_EQ(node_count(v.node, "channels"), 0);
  CHECK_EQ(node_count(v.node, "requests"), 0);
  CHECK_EQ(node_count(v.node, "rpcCalls"), 0);
  CHECK_EQ(node_count(v.node, "accepted"), -1); /* it does not listen */
  CHECK_EQ(node_count(v.node, "nothing"), -1);
  virtual_close(&v);
}

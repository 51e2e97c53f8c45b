#include "test/node_count.h"
#include "test/virtual.h"

TEST(calls_end_once) {
  virtual_node v;
  virtual_record r;
  pml_id call;
  virtual_open(&v, "a", "t", 0);
  virtual_peer(&v, "b", 1);
  pml_buf *args = pml_buf_from("[1]", 3);
  CHECK_EQ(pml_node_call(v.node, "b", pml_slice_str("r.a"), args, 100, &call), 0);
  CHECK(call != 0);
  CHECK(virtual_take(&v, &r));
  CHECK(r.body == args);
  CHECK_EQ(r.env.ms, 100);
  CHECK_BYTES(r.env.route.p, r.env.route.n, "r.a");
  virtual_answer(&v, "c", r.env.call, 0, "[9]"); /* not the one that was asked */
  virtual_answer(&v, "b", r.env.call, 0, "[2]");
  virtual_answer(&v, "b", r.env.call, 0, "[3]");
  fake_script_expect(&v.script, "answered 0 [2]\n");
  CHECK(v.script.call == call);
  virtual_drop(&r);
  pml_node_call(v.node, "b", pml_slice_str("r.a"), args, 100, &call);
  pml_loop_advance(v.loop, 100);
  pml_node_call(v.node, "b", pml_slice_str("r.a"), args, 100, &call);
  virtual_peer(&v, "b", 0);
  fake_script_expect(&v.script, "answered -8 \nanswered -5 \n");
  CHECK_EQ(pml_node_call(v.node, "b", pml_slice_str("r.a"), args, 0, &call), PML_ENOENT);
  virtual_peer(&v, "b", 1);
  CHECK_EQ(pml_node_call(v.node, "b", pml_slice_str("r.a"), args, 0, &call), 0);
  CHECK_EQ(call, 0);
  pml_buf_unref(args);
  virtual_close(&v);
}

TEST(calls_have_a_limit) {
  pml_loop *l = pml_loop_new_virtual();
  pml_node_options o = {.id = "a", .type = "t"};
  pml_id call;
  pml_log_init(&o.log, "a", PML_SILENT, 0);
  pml_node *n = pml_node_new(l, &o);
  pml_node_config(n)->max_calls = 2;
  pml_node_use_recorder(n);
  pml_buf *args = pml_buf_from("[]", 2);
  for (int i = 0; i < 2; i++)
    CHECK_EQ(pml_node_call(n, "a", pml_slice_str("r.a"), args, 10, &call), 0);
  CHECK_EQ(pml_node_call(n, "a", pml_slice_str("r.a"), args, 10, &call), PML_EFULL);
  CHECK_EQ(node_count(n, "rpcWaiting"), 2);
  CHECK_EQ(node_count(n, "rpcRefused"), 1);
  pml_loop_advance(l, 10);
  CHECK_EQ(pml_node_call(n, "a", pml_slice_str("r.a"), args, 10, &call), 0);
  pml_buf_unref(args);
  pml_node_free(n); /* its script was never set */
  pml_loop_free(l);
}

#include "node/script_timers.h"

#include "test/virtual.h"

TEST(script_timers_fire_once_or_are_cancelled) {
  virtual_node v;
  virtual_open(&v, "a", "t", 0);
  pml_id a = pml_node_timer(v.node, 10), b = pml_node_timer(v.node, 5);
  pml_id c = pml_node_timer(v.node, 0);
  CHECK(a && b && c);
  CHECK_EQ(pml_node_timer_cancel(v.node, b), 1);
  CHECK_EQ(pml_node_timer_cancel(v.node, b), 0);
  CHECK_EQ(pml_node_timer_cancel(v.node, 0), 0);
  pml_loop_advance(v.loop, 100);
  fake_script_expect(&v.script, "timer\ntimer\n");
  CHECK(v.script.timer == a);
  CHECK_EQ(pml_node_timer_cancel(v.node, a), 0);
  int n = 0;
  while (pml_node_timer(v.node, 10)) n++;
  CHECK_EQ(n, (1 << PML_SLOT_BITS) - 1);
  virtual_close(&v); /* with all of them running */
}

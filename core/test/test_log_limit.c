#include "node/log_limit.h"

#include "test/front.h"

TEST(log_limit_bounds_what_clients_can_cause_and_counts_the_rest) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  for (int i = 0; i < 1000; i++) front_say(&v, s, PML_MSG_NOTIFY, 0, "lobby.a.b", "");
  CHECK_EQ(v.lines, PML_LOG_LINES);
  pml_loop_advance(v.loop, 1000); /* without another message: what was left out is told in time */
  CHECK_EQ(v.lines, PML_LOG_LINES + 1);
  CHECK(strcmp(v.log, "3 990 more: undeliverable messages") == 0);
  front_say(&v, s, PML_MSG_NOTIFY, 0, "lobby.a.b", "");
  CHECK_EQ(v.lines, PML_LOG_LINES + 2);
  CHECK(strstr(v.log, "lobby.a.b: can not find server info for type:lobby"));
  virtual_close(&v);
}

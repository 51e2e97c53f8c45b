#include "node/drain.h"

#include "node/frontend.h"
#include "test/virtual.h"

static void done(void *ud) { ++*(int *)ud; }

TEST(drain_ends_until_the_last_session_has_ended) {
  virtual_node v;
  fake_sink f[2];
  int drained = 0;
  virtual_open(&v, "f1", "connector", 1);
  pml_sessions *t = pml_node_sessions(v.node);
  pml_session *s[2];
  for (int i = 0; i < 2; i++) s[i] = fake_sink_open(&f[i], t);
  pml_node_drain(v.node, "shutdown", 1000, done, &drained);
  for (int i = 0; i < 2; i++)
    CHECK(f[i].closes == 1 && f[i].moved && strcmp(f[i].reason, "shutdown") == 0);
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  s[1]->wants_closed = 1;
  pml_frontend_closed(v.node, s[0], &why);
  pml_loop_settle(v.loop);
  CHECK_EQ(drained, 0);
  pml_frontend_closed(v.node, s[1], &why);
  CHECK_EQ(drained, 0); /* not from inside */
  pml_loop_settle(v.loop);
  CHECK_EQ(drained, 1);
  pml_loop_advance(v.loop, 5000);
  CHECK_EQ(drained, 1);
  virtual_close(&v);
}

TEST(drain_ends_at_its_deadline_and_when_nobody_is_there) {
  virtual_node v;
  fake_sink f;
  int drained = 0;
  virtual_open(&v, "f1", "connector", 1);
  pml_node_drain(v.node, "shutdown", 1000, done, &drained);
  CHECK_EQ(drained, 0);
  pml_loop_settle(v.loop);
  CHECK_EQ(drained, 1);
  fake_sink_open(&f, pml_node_sessions(v.node));
  pml_node_drain(v.node, "shutdown", 1000, done, &drained);
  pml_loop_advance(v.loop, 999);
  CHECK_EQ(drained, 1);
  pml_loop_advance(v.loop, 1);
  CHECK_EQ(drained, 2);
  virtual_close(&v);
}

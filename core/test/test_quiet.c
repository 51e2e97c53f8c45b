#include "node/quiet.h"

#include "node/frontend.h"
#include "test/front.h"

static void done(void *ud) { ++*(int *)ud; }

TEST(quiet_is_a_server_that_has_answered_all) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(pml_node_open_requests(v.node), 0);
  front_say(&v, s, PML_MSG_REQUEST, 1, "connector.a.b", "{}");
  CHECK_EQ(pml_node_open_requests(v.node), 1);
  front_say(&v, s, PML_MSG_REQUEST, 2, "chat.a.b", "{}");
  CHECK_EQ(pml_node_open_requests(v.node), 2);
  CHECK_EQ(pml_node_calls_to(v.node, "chat-1"), 1);
  CHECK(virtual_take(&v, &r));
  virtual_answer(&v, "chat-1", r.env.call, 1, "no");
  virtual_drop(&r);
  CHECK_EQ(pml_node_open_requests(v.node), 1);
  CHECK_EQ(pml_node_calls_to(v.node, "chat-1"), 0);
  pml_loop_advance(v.loop, 10000); /* the handler's deadline */
  CHECK_EQ(pml_node_open_requests(v.node), 0);
  fake_sink_clear(&f);
  virtual_close(&v);
}

TEST(quiet_counts_sessions_that_a_drain_ends) {
  virtual_node v;
  fake_sink f[2];
  int drained = 0;
  front_open(&v);
  pml_session *s[2];
  for (int i = 0; i < 2; i++) s[i] = fake_sink_open(&f[i], pml_node_sessions(v.node));
  pml_frontend_kick(v.node, s[0], pml_slice_str("kick"));
  CHECK_EQ(pml_node_open_requests(v.node), 0);
  pml_node_drain(v.node, "shutdown", 1000, done, &drained);
  CHECK_EQ(pml_node_open_requests(v.node), 2);
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  for (int i = 0; i < 2; i++) pml_frontend_closed(v.node, s[i], &why);
  CHECK_EQ(pml_node_open_requests(v.node), 0);
  virtual_close(&v);
}

TEST(quiet_is_asked_behind_all_that_was_sent) {
  virtual_node v;
  virtual_record r;
  int flushed = 0;
  front_open(&v);
  pml_node_flush(v.node, "chat-1", done, &flushed);
  CHECK(virtual_take(&v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_CALL);
  CHECK_EQ(flushed, 0);
  virtual_answer(&v, "chat-1", r.env.call, 1, "");
  CHECK_EQ(flushed, 1);
  virtual_drop(&r);
  pml_node_flush(v.node, "nobody", done, &flushed); /* nothing can be on its way there */
  CHECK_EQ(flushed, 2);
  pml_node_flush(v.node, "chat-1", done, &flushed);
  pml_node_flush(v.node, "chat-1", done, &flushed); /* takes its place */
  virtual_peer(&v, "chat-1", 0);
  CHECK_EQ(flushed, 3);
  virtual_close(&v);
}

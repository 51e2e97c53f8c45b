#include "node/forward.h"

#include "test/front.h"

TEST(forward_shares_the_answer_it_passes_on) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "\xff\xfe"), 0);
  CHECK_EQ(s->in_flight, 1);
  CHECK(virtual_take(&v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_FORWARD);
  CHECK_EQ(r.env.ms, 11000);
  CHECK_EQ(r.env.session, s->id);
  CHECK_BYTES(r.env.param.p, r.env.param.n, "\xff\xfe");
  CHECK(!r.body && !r.extra);
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = r.env.call};
  virtual_sign(&v, "chat-1", &env);
  pml_buf *head = pml_envelope_write(&env), *frame = pml_frame_of(PML_PKG_DATA, "\4\3{}", 4);
  pml_transport_record_deliver(pml_node_transport(v.node), "chat-1", head, frame, NULL);
  CHECK_EQ(f.frames, 1);
  CHECK(f.frame[0] == frame);
  CHECK_EQ(s->in_flight, 0);
  /* A second one finds nothing. */
  pml_transport_record_deliver(pml_node_transport(v.node), "chat-1", head, frame, NULL);
  CHECK_EQ(f.frames, 1);
  pml_buf_unref(head);
  pml_buf_unref(frame);
  virtual_drop(&r);
  fake_sink_clear(&f);
  virtual_close(&v);
}

TEST(forward_gives_500_for_an_answer_that_is_no_frame) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  const char *const bodies[] = {"", "short", "0123456789abc"};
  for (uint32_t i = 0; i < 3; i++) {
    front_say(&v, s, PML_MSG_REQUEST, i + 1, "chat.a.b", "{}");
    CHECK(virtual_take(&v, &r));
    virtual_answer(&v, "chat-1", r.env.call, 0, bodies[i]);
    front_expect_500(&f, i + 1);
    virtual_drop(&r);
  }
  front_say(&v, s, PML_MSG_REQUEST, 9, "chat.a.b", "{}");
  CHECK(virtual_take(&v, &r));
  virtual_answer(&v, "chat-1", r.env.call, 1, "not now");
  front_expect_500(&f, 9);
  CHECK(strstr(v.log, "chat.a.b: no answer from server chat-1: not now"));
  virtual_drop(&r);
  virtual_close(&v);
}

TEST(forward_forgets_requests_of_a_session_that_went) {
  virtual_node v;
  fake_sink f, g;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  front_say(&v, s, PML_MSG_REQUEST, 1, "chat.a.b", "{}");
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  pml_frontend_closed(v.node, s, &why);
  pml_session *next = fake_sink_open(&g, pml_node_sessions(v.node));
  virtual_peer(&v, "chat-1", 0);
  CHECK_EQ(g.frames, 0);
  CHECK_EQ(next->in_flight, 0);
  fake_script_expect(&v.script, ""); /* nobody watched it */
  virtual_close(&v);
}

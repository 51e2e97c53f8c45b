#include "node/requests.h"

#include "test/virtual.h"

static pml_buf *frame_of(uint32_t msg_id, const char *body) {
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = msg_id};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  pml_writer_put(&w, body, strlen(body));
  return pml_frame_end(&w, PML_PKG_DATA);
}

static int answer(virtual_node *v, pml_id request, const char *body) {
  pml_buf *frame = frame_of(pml_requests_msg_id(v->node, request), body);
  int rc = pml_requests_answer(v->node, request, frame);
  pml_buf_unref(frame);
  return rc;
}

static void expect(const fake_sink *f, int i, uint32_t msg_id, const char *body) {
  pml_message_view m;
  CHECK_EQ(pml_message_read(fake_sink_body(f, i), &m), 0);
  CHECK_EQ(m.type, PML_MSG_RESPONSE);
  CHECK_EQ(m.id, msg_id);
  CHECK_BYTES(m.body.p, m.body.n, body);
}

TEST(requests_are_answered_once) {
  virtual_node v;
  fake_sink f;
  virtual_open(&v, "f1", "connector", 1);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_id id = pml__requests_local(v.node, s, 300, pml_slice_str("connector.a.b"));
  CHECK(id != 0);
  CHECK_EQ(s->in_flight, 1);
  CHECK_EQ(pml_requests_msg_id(v.node, id), 300);
  CHECK_EQ(answer(&v, id, "1"), 0);
  expect(&f, 0, 300, "1");
  CHECK_EQ(s->in_flight, 0);
  CHECK_EQ(pml_requests_msg_id(v.node, id), 0);
  CHECK_EQ(answer(&v, id, "2"), PML_ECLOSED);
  CHECK_EQ(answer(&v, 0, "2"), PML_ECLOSED);
  pml_loop_advance(v.loop, 60000);
  CHECK_EQ(f.frames, 1);
  fake_sink_clear(&f);
  virtual_close(&v);
}

TEST(requests_get_500_at_their_deadline) {
  virtual_node v;
  fake_sink f;
  virtual_open(&v, "f1", "connector", 1);
  pml_node_config(v.node)->handler_ms = 50;
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_id id = pml__requests_local(v.node, s, 9, pml_slice_str("connector.a.b"));
  pml_loop_advance(v.loop, 49);
  CHECK_EQ(f.frames, 0);
  pml_loop_advance(v.loop, 1);
  expect(&f, 0, 9, "{\"code\":500}");
  CHECK_EQ(s->in_flight, 0);
  CHECK(strstr(v.log, "connector.a.b: no answer within 50 ms"));
  CHECK_EQ(answer(&v, id, "late"), PML_ECLOSED);
  CHECK_EQ(f.frames, 1);
  fake_sink_clear(&f);
  virtual_close(&v);
}

TEST(requests_outlive_their_session) {
  virtual_node v;
  fake_sink f, g;
  virtual_open(&v, "f1", "connector", 1);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_id id = pml__requests_local(v.node, s, 1, pml_slice_str("a.b.c"));
  pml_sessions_close(pml_node_sessions(v.node), s);
  pml_session *next = fake_sink_open(&g, pml_node_sessions(v.node)); /* in its place */
  CHECK_EQ(answer(&v, id, "1"), 0);
  CHECK_EQ(f.frames + g.frames, 0);
  CHECK_EQ(next->in_flight, 0);
  virtual_close(&v);
}

TEST(requests_run_out_of_places) {
  virtual_node v;
  fake_sink f;
  virtual_open(&v, "f1", "connector", 1);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  int n = 0;
  while (pml__requests_local(v.node, s, 1, pml_slice_str("a.b.c"))) n++;
  CHECK_EQ(n, (1 << PML_SLOT_BITS) - 1);
  CHECK_EQ(s->in_flight, n);
  virtual_close(&v); /* with all of them open */
}

TEST(requests_of_other_servers_are_answered_there) {
  virtual_node v;
  virtual_record r;
  virtual_open(&v, "chat-1", "chat", 0);
  virtual_peer(&v, "f1", 1);
  pml_envelope env = {
    .kind = PML_ENV_FORWARD, .call = 77, .msg_id = 5, .from = pml_slice_str("f1")};
  env.route = pml_slice_str("chat.a.b");
  virtual_sign(&v, "f1", &env);
  pml_id id = pml__requests_remote(v.node, &env);
  CHECK_EQ(answer(&v, id, "{}"), 0);
  CHECK(virtual_take(&v, &r));
  CHECK(strcmp(r.to, "f1") == 0);
  CHECK_EQ(r.env.kind, PML_ENV_ANSWER);
  CHECK_EQ(r.env.call, 77);
  CHECK_EQ(r.env.status, 0);
  pml_slice body = pml_frame_body(r.body);
  CHECK(test_hex_eq(body.p, body.n, "04057b7d"));
  virtual_drop(&r);
  id = pml__requests_remote(v.node, &env);
  virtual_peer(&v, "f1", 0); /* nobody is to be answered any more */
  CHECK_EQ(answer(&v, id, "{}"), PML_ECLOSED);
  virtual_peer(&v, "f1", 1);
  id = pml__requests_remote(v.node, &env); /* as if of the life before */
  CHECK_EQ(answer(&v, id, "{}"), 0);
  CHECK(!virtual_take(&v, &r)); /* its successor gets nothing of it */
  virtual_close(&v);
}

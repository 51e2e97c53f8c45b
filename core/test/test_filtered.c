#include "node/filtered.h"

#include "node/requests.h"
#include "test/front.h"

/* A frontend with filters; its client asks a handler of another server. */
static pml_session *filtered_open(virtual_node *v, fake_sink *f) {
  front_open(v);
  pml_filtered_set(v->node, 1);
  return fake_sink_open(f, pml_node_sessions(v->node));
}

static pml_filtered_message message(const virtual_node *v, const pml_session *s) {
  return (pml_filtered_message){.request = v->script.request,
                                .session = s->id,
                                .route = pml_slice_str("chat.a.b"),
                                .body = pml_slice_str("{\"x\":1}"),
                                .watched = 1};
}

static void answer(virtual_node *v, const virtual_record *r, const char *payload, size_t n) {
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = r->env.call};
  virtual_sign(v, "chat-1", &env);
  pml_buf *head = pml_envelope_write(&env), *frame = pml_frame_of(PML_PKG_DATA, payload, n);
  pml_transport_record_deliver(pml_node_transport(v->node), "chat-1", head, frame, NULL);
  pml_buf_unref(head);
  pml_buf_unref(frame);
}

TEST(filtered_gives_messages_for_other_servers_to_the_scripts) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  pml_session *s = filtered_open(&v, &f);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "{}"), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, "lobby.a.b", "{}"), 0);
  fake_script_expect(&v.script, "message request uid=- type=0 id=3 route=chat.a.b body={}\n"
                                "message notify uid=- type=1 id=0 route=lobby.a.b body={}\n");
  CHECK(!virtual_take(&v, &r));
  CHECK_EQ(s->in_flight, 1);
  pml_filtered_set(v.node, 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 4, "chat.a.b", "{}"), 0);
  fake_script_expect(&v.script, "");
  CHECK(virtual_take(&v, &r));
  virtual_drop(&r);
  virtual_close(&v); /* with a message waiting, which is answered */
  fake_sink_clear(&f);
}

TEST(filtered_sends_on_and_tells_of_the_answer) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  pml_session *s = filtered_open(&v, &f);
  front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "{}");
  fake_script_expect(&v.script, "message request uid=- type=0 id=3 route=chat.a.b body={}\n");
  pml_filtered_message m = message(&v, s);
  m.settings = pml_slice_str("{\"k\":2}");
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), 0);
  CHECK(virtual_take(&v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_FORWARD);
  CHECK_EQ(r.env.msg_id, 3);
  CHECK_EQ(r.env.session, s->id);
  CHECK_EQ(r.env.ms, 11000);
  CHECK_BYTES(r.env.route.p, r.env.route.n, "chat.a.b");
  CHECK_BYTES(r.env.param.p, r.env.param.n, "{\"x\":1}");
  CHECK_BYTES(r.env.settings.p, r.env.settings.n, "{\"k\":2}");
  answer(&v, &r, "\4\3{}", 4);
  CHECK_EQ(f.frames, 1);
  CHECK_EQ(s->in_flight, 0);
  fake_script_expect(&v.script, "returned 0 {}\n");
  answer(&v, &r, "\4\3{}", 4); /* a second one finds nothing */
  CHECK_EQ(f.frames, 1);
  fake_script_expect(&v.script, "");
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), PML_ECLOSED);
  virtual_drop(&r);
  fake_sink_clear(&f);
  virtual_close(&v);
}

TEST(filtered_gives_500_when_no_answer_comes) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  pml_session *s = filtered_open(&v, &f);
  front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "{}");
  pml_filtered_message m = message(&v, s);
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), 0);
  CHECK(virtual_take(&v, &r));
  virtual_answer(&v, "chat-1", r.env.call, 1, "not now");
  front_expect_500(&f, 3);
  virtual_drop(&r);
  front_say(&v, s, PML_MSG_REQUEST, 4, "chat.a.b", "{}");
  m = message(&v, s);
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), 0);
  virtual_peer(&v, "chat-1", 0);
  front_expect_500(&f, 4);
  fake_script_expect(&v.script, "message request uid=- type=0 id=3 route=chat.a.b body={}\n"
                                "returned 1 not now\n"
                                "message request uid=- type=0 id=4 route=chat.a.b body={}\n"
                                "returned -5 \n");
  virtual_close(&v);
}

TEST(filtered_waits_as_long_as_for_any_forwarded_request) {
  virtual_node v;
  fake_sink f;
  pml_session *s = filtered_open(&v, &f);
  front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "{}");
  pml_loop_advance(v.loop, 9000);
  pml_filtered_message m = message(&v, s);
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), 0);
  pml_loop_advance(v.loop, 10999);
  CHECK_EQ(f.frames, 0);
  pml_loop_advance(v.loop, 1);
  front_expect_500(&f, 3);
  virtual_close(&v);
}

TEST(filtered_answers_what_it_cannot_send) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  pml_session *s = filtered_open(&v, &f);
  front_say(&v, s, PML_MSG_REQUEST, 3, "chat.a.b", "{}");
  pml_filtered_message m = message(&v, s);
  CHECK_EQ(pml_filtered_send(v.node, &m, "nobody"), PML_ENOENT);
  CHECK_EQ(pml_filtered_send(v.node, &m, "f1"), PML_ENOENT);
  m.session = 0;
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), PML_ECLOSED);
  CHECK_EQ(s->in_flight, 1); /* still open: the scripts answer it */
  /* A notify, and a message whose client goes. */
  m = message(&v, s);
  m.request = 0;
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), 0);
  CHECK(virtual_take(&v, &r));
  CHECK_EQ(r.env.msg_id, 1); /* the epoch of credits */
  CHECK_EQ(r.env.call, 0);
  CHECK_EQ(s->notifies, 1);
  virtual_drop(&r);
  m = message(&v, s);
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), 0);
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  pml_frontend_closed(v.node, s, &why);
  CHECK_EQ(pml_filtered_send(v.node, &m, "chat-1"), PML_ECLOSED);
  virtual_close(&v); /* with a request at another server */
}

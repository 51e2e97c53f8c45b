#include "node/calls_in.h"

#include "node/requests.h"
#include "test/virtual.h"

static pml_envelope call_of(uint64_t call, uint32_t ms) {
  return (pml_envelope){
    .kind = PML_ENV_CALL, .call = call, .ms = ms, .route = pml_slice_str("room.add")};
}

static void call(virtual_node *v, uint64_t id, uint32_t ms, const char *args) {
  pml_envelope env = call_of(id, ms);
  virtual_deliver(v, "f1", &env, args, strlen(args), NULL);
}

static void open_back(virtual_node *v) {
  virtual_open(v, "chat-1", "chat", 0);
  virtual_peer(v, "f1", 1);
}

/* The oldest record is an answer to this call. */
static void expect_answer(virtual_node *v, uint64_t id, int status, const char *body) {
  virtual_record r;
  CHECK(virtual_take(v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_ANSWER);
  CHECK_EQ(r.env.call, id);
  CHECK_EQ(r.env.status, status);
  CHECK(strcmp(r.to, "f1") == 0);
  if (body) CHECK_BYTES(r.body->data, r.body->len, body);
  virtual_drop(&r);
}

static int reply(virtual_node *v, pml_id id, int status, const char *text) {
  pml_buf *b = pml_buf_from(text, strlen(text));
  int rc = pml_node_reply(v->node, id, status, b);
  pml_buf_unref(b);
  return rc;
}

TEST(calls_in_calls_are_answered_once) {
  virtual_node v;
  virtual_record r;
  open_back(&v);
  call(&v, 41, 1000, "[1]");
  fake_script_expect(&v.script, "call wanted from=f1 name=room.add args=[1]\n");
  CHECK_EQ(reply(&v, v.script.call, 0, "[2]"), 0);
  CHECK_EQ(reply(&v, v.script.call, 0, "[2]"), PML_ECLOSED);
  CHECK_EQ(reply(&v, 0, 0, "[2]"), PML_ECLOSED);
  expect_answer(&v, 41, 0, "[2]");
  call(&v, 42, 1000, "[]");
  CHECK_EQ(reply(&v, v.script.call, 1, "no"), 0);
  expect_answer(&v, 42, 1, "no");
  call(&v, 0, 0, "[]");
  CHECK(!virtual_take(&v, &r));
  fake_script_expect(&v.script, "call wanted from=f1 name=room.add args=[]\n"
                                "call told from=f1 name=room.add args=[]\n");
  virtual_close(&v);
}

TEST(calls_in_forgets_calls_whose_caller_gave_up) {
  virtual_node v;
  open_back(&v);
  call(&v, 1, 100, "[]");
  pml_id first = v.script.call;
  pml_loop_advance(v.loop, 100);
  CHECK_EQ(reply(&v, first, 0, "[]"), PML_ECLOSED);
  call(&v, 2, 100, "[]");
  virtual_peer(&v, "f1", 0); /* nobody to tell */
  CHECK_EQ(reply(&v, v.script.call, 0, "[]"), PML_ECLOSED);
  virtual_close(&v);
}

TEST(calls_in_keeps_a_call_open_when_an_answer_is_too_big) {
  virtual_node v;
  open_back(&v);
  call(&v, 1, 100, "[]");
  pml_buf *big = pml_buf_new(PML_RECORD_MAX);
  memset(big->data, '1', big->len);
  CHECK_EQ(pml_node_reply(v.node, v.script.call, 0, big), PML_ETOOBIG);
  pml_buf_unref(big);
  CHECK_EQ(reply(&v, v.script.call, 1, "too big"), 0);
  expect_answer(&v, 1, 1, "too big");
  virtual_close(&v);
}

TEST(calls_in_refuses_calls_when_places_have_run_out) {
  virtual_node v;
  virtual_record r;
  open_back(&v);
  for (uint64_t i = 1; i < 1 << PML_SLOT_BITS; i++) call(&v, i, 1000, "[]");
  CHECK(!virtual_take(&v, &r));
  call(&v, 99, 1000, "[]");
  expect_answer(&v, 99, 1, "too many calls are open");
  virtual_close(&v);
}

TEST(calls_in_forgets_what_a_server_that_went_is_owed) {
  virtual_node v;
  virtual_record r;
  open_back(&v);
  virtual_peer(&v, "f2", 1);
  call(&v, 7, 1000, "[]");
  pml_id owed = v.script.call;
  pml_envelope env = call_of(8, 1000);
  virtual_deliver(&v, "f2", &env, "[]", 2, NULL);
  pml_id other = v.script.call;
  env = (pml_envelope){.kind = PML_ENV_FORWARD, .call = 9, .msg_id = 1};
  env.route = pml_slice_str("chat.a.b");
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  pml_id request = v.script.request;
  CHECK(pml_requests_msg_id(v.node, request) == 1);
  virtual_peer(&v, "f1", 0);
  virtual_peer(&v, "f1", 1); /* another one, under the same id */
  CHECK_EQ(reply(&v, owed, 0, "[]"), PML_ECLOSED);
  CHECK_EQ(pml_requests_msg_id(v.node, request), 0);
  CHECK(!virtual_take(&v, &r));
  CHECK_EQ(reply(&v, other, 0, "[]"), 0); /* of another server: open still */
  CHECK(virtual_take(&v, &r));
  CHECK(strcmp(r.to, "f2") == 0);
  virtual_drop(&r);
  virtual_close(&v);
}

TEST(calls_in_hands_on_forwarded_messages) {
  virtual_node v;
  pml_envelope env = {.kind = PML_ENV_FORWARD, .call = 7, .ms = 11000, .msg_type = PML_MSG_REQUEST};
  env.msg_id = 3;
  env.session = 5;
  env.uid = virtual_uid("ann");
  env.route = pml_slice_str("chat.a.b");
  env.settings = pml_slice_str("{}");
  open_back(&v);
  virtual_deliver(&v, "f1", &env, "\xff", 1, NULL);
  env.call = 0;
  env.msg_id = 0;
  env.msg_type = PML_MSG_NOTIFY;
  env.uid = (pml_uid){0};
  env.settings = (pml_slice){0};
  virtual_deliver(&v, "f1", &env, "", 0, NULL);
  fake_script_expect(
    &v.script,
    "forwarded request from=f1 uid=ann type=0 id=3 route=chat.a.b settings={} body=\xff\n"
    "forwarded notify from=f1 uid=- type=1 id=0 route=chat.a.b settings= body=\n");
  virtual_close(&v);
}

TEST(calls_in_refuses_messages_that_it_could_not_answer) {
  virtual_node v;
  pml_envelope env = {.kind = PML_ENV_FORWARD, .call = 7, .ms = 100};
  env.route = pml_slice_str("chat.a.b");
  open_back(&v);
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  expect_answer(&v, 7, 1, "a request without a message id");
  env.msg_id = PML_MSG_ID_MAX + 1u;
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  expect_answer(&v, 7, 1, NULL);
  env.msg_id = 1;
  for (int i = 1; i < 1 << PML_SLOT_BITS; i++) virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  CHECK_EQ(v.script.calls, (1 << PML_SLOT_BITS) - 1);
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  expect_answer(&v, 7, 1, "too many requests are open");
  virtual_close(&v);
  virtual_open(&v, "f2", "connector", 1);
  virtual_peer(&v, "f1", 1);
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  expect_answer(&v, 7, 1, "this server takes no forwarded messages");
  fake_script_expect(&v.script, "");
  virtual_close(&v);
}

TEST(calls_in_without_scripts_refuses) {
  virtual_node v;
  pml_script none = {0};
  open_back(&v);
  pml_node_set_script(v.node, &none);
  call(&v, 5, 100, "[]");
  expect_answer(&v, 5, 1, "this server has no scripts");
  virtual_close(&v);
}

TEST(calls_in_survives_records_that_are_none) {
  virtual_node v;
  virtual_record r;
  pml_transport *t;
  open_back(&v);
  t = pml_node_transport(v.node);
  pml_envelope env = call_of(1, 100);
  virtual_sign(&v, "f1", &env);
  pml_buf *good = pml_envelope_write(&env);
  for (uint32_t n = 0; n < good->len; n++) {
    pml_buf *cut = pml_buf_from(good->data, n);
    pml_transport_record_deliver(t, "f1", cut, NULL, NULL);
    pml_buf_unref(cut);
  }
  fake_script_expect(&v.script, "");
  pml_transport_record_deliver(t, "f1", good, NULL, NULL); /* no body */
  fake_script_expect(&v.script, "call wanted from=f1 name=room.add args=\n");
  pml_buf_unref(good);
  /* A push without a frame, with a list of uids that is cut. */
  env = (pml_envelope){.kind = PML_ENV_PUSH};
  virtual_deliver(&v, "f1", &env, "", 0, NULL);
  pml_buf *list = pml_buf_from("\0\0\5ann", 6);
  virtual_deliver(&v, "f1", &env, "", 0, list);
  pml_buf *frame = pml_frame_of(PML_PKG_DATA, "\6\0{}", 4), *head = pml_envelope_write(&env);
  pml_transport_record_deliver(t, "f1", head, frame, list);
  pml_transport_record_deliver(t, "f1", head, frame, NULL);
  pml_buf_unref(list);
  pml_buf_unref(frame);
  pml_buf_unref(head);
  CHECK(!virtual_take(&v, &r));
  virtual_close(&v);
}

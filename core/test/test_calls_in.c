#include "node/calls_in.h"

#include "node/requests.h"
#include "test/back.h"

TEST(calls_in_are_answered_once) {
  virtual_node v;
  virtual_record r;
  back_open(&v);
  back_call(&v, 41, 1000, "[1]");
  fake_script_expect(&v.script, "call wanted from=f1 name=room.add args=[1]\n");
  CHECK_EQ(back_reply(&v, v.script.call, 0, "[2]"), 0);
  CHECK_EQ(back_reply(&v, v.script.call, 0, "[2]"), PML_ECLOSED);
  CHECK_EQ(back_reply(&v, 0, 0, "[2]"), PML_ECLOSED);
  back_expect(&v, 41, 0, "[2]");
  back_call(&v, 42, 1000, "[]");
  CHECK_EQ(back_reply(&v, v.script.call, 1, "no"), 0);
  back_expect(&v, 42, 1, "no");
  back_call(&v, 0, 0, "[]");
  CHECK(!virtual_take(&v, &r));
  fake_script_expect(&v.script, "call wanted from=f1 name=room.add args=[]\n"
                                "call told from=f1 name=room.add args=[]\n");
  virtual_close(&v);
}

TEST(calls_in_forgets_calls_whose_caller_gave_up) {
  virtual_node v;
  back_open(&v);
  back_call(&v, 1, 100, "[]");
  pml_id first = v.script.call;
  pml_loop_advance(v.loop, 100);
  CHECK_EQ(back_reply(&v, first, 0, "[]"), PML_ECLOSED);
  back_call(&v, 2, 100, "[]");
  virtual_peer(&v, "f1", 0); /* nobody to tell */
  CHECK_EQ(back_reply(&v, v.script.call, 0, "[]"), PML_ECLOSED);
  virtual_close(&v);
}

TEST(calls_in_keeps_a_call_open_when_an_answer_is_too_big) {
  virtual_node v;
  back_open(&v);
  back_call(&v, 1, 100, "[]");
  pml_buf *big = pml_buf_new(PML_RECORD_MAX);
  memset(big->data, '1', big->len);
  CHECK_EQ(pml_node_reply(v.node, v.script.call, 0, big), PML_ETOOBIG);
  pml_buf_unref(big);
  CHECK_EQ(back_reply(&v, v.script.call, 1, "too big"), 0);
  back_expect(&v, 1, 1, "too big");
  virtual_close(&v);
}

TEST(calls_in_refuses_calls_when_places_have_run_out) {
  virtual_node v;
  virtual_record r;
  back_open(&v);
  for (uint64_t i = 1; i < 1 << PML_SLOT_BITS; i++) back_call(&v, i, 1000, "[]");
  CHECK(!virtual_take(&v, &r));
  back_call(&v, 99, 1000, "[]");
  back_expect(&v, 99, 1, "too many calls are open");
  virtual_close(&v);
}

TEST(calls_in_forgets_what_a_server_that_went_is_owed) {
  virtual_node v;
  virtual_record r;
  back_open(&v);
  virtual_peer(&v, "f2", 1);
  back_call(&v, 7, 1000, "[]");
  pml_id owed = v.script.call;
  pml_envelope env = back_call_of(8, 1000);
  virtual_deliver(&v, "f2", &env, "[]", 2, NULL);
  pml_id other = v.script.call;
  env = (pml_envelope){.kind = PML_ENV_FORWARD, .call = 9, .msg_id = 1};
  env.route = pml_slice_str("chat.a.b");
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  pml_id request = v.script.request;
  CHECK(pml_requests_msg_id(v.node, request) == 1);
  virtual_peer(&v, "f1", 0);
  virtual_peer(&v, "f1", 1); /* another one, under the same id */
  CHECK_EQ(back_reply(&v, owed, 0, "[]"), PML_ECLOSED);
  CHECK_EQ(pml_requests_msg_id(v.node, request), 0);
  CHECK(!virtual_take(&v, &r));
  CHECK_EQ(back_reply(&v, other, 0, "[]"), 0); /* of another server: open still */
  CHECK(virtual_take(&v, &r));
  CHECK(strcmp(r.to, "f2") == 0);
  virtual_drop(&r);
  virtual_close(&v);
}

TEST(calls_in_without_scripts_refuses) {
  virtual_node v;
  pml_script none = {0};
  back_open(&v);
  pml_node_set_script(v.node, &none);
  back_call(&v, 5, 100, "[]");
  back_expect(&v, 5, 1, "this server has no scripts");
  virtual_close(&v);
}

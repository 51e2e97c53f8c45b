#include "node/records.h"

#include "test/back.h"

TEST(records_hand_on_forwarded_messages) {
  virtual_node v;
  pml_envelope env = {.kind = PML_ENV_FORWARD, .call = 7, .ms = 11000, .msg_type = PML_MSG_REQUEST};
  env.msg_id = 3;
  env.session = 5;
  env.uid = virtual_uid("ann");
  env.route = pml_slice_str("chat.a.b");
  env.settings = pml_slice_str("{}");
  back_open(&v);
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

TEST(records_refuse_messages_that_a_server_could_not_answer) {
  virtual_node v;
  pml_envelope env = {.kind = PML_ENV_FORWARD, .call = 7, .ms = 100};
  env.route = pml_slice_str("chat.a.b");
  back_open(&v);
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  back_expect(&v, 7, 1, "a request without a message id");
  env.msg_id = PML_MSG_ID_MAX + 1u;
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  back_expect(&v, 7, 1, NULL);
  env.msg_id = 1;
  for (int i = 1; i < 1 << PML_SLOT_BITS; i++) {
    env.session++; /* each has its share of the turn */
    virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  }
  CHECK_EQ(v.script.calls, (1 << PML_SLOT_BITS) - 1);
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  back_expect(&v, 7, 1, "too many requests are open");
  virtual_close(&v);
  virtual_open(&v, "f2", "connector", 1);
  virtual_peer(&v, "f1", 1);
  virtual_deliver(&v, "f1", &env, "{}", 2, NULL);
  back_expect(&v, 7, 1, "this server takes no forwarded messages");
  fake_script_expect(&v.script, "");
  virtual_close(&v);
}

TEST(records_may_be_cut_or_empty) {
  virtual_node v;
  virtual_record r;
  pml_transport *t;
  back_open(&v);
  t = pml_node_transport(v.node);
  pml_envelope env = back_call_of(1, 100);
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

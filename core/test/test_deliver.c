#include "node/deliver.h"

#include "test/fanout.h"
#include "test/node_count.h"

TEST(deliver_takes_a_push_of_another_server_and_acknowledges_it) {
  fanout x;
  virtual_record r;
  fanout_open(&x, 1);
  virtual_peer(&x.v, "chat-1", 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob", "bob"}, 3);
  pml_buf *uids = fanout_list("ann zoe bob eve"), *except = fanout_list("ann eve");
  pml_envelope env = {.kind = PML_ENV_PUSH, .call = 9, .ms = 100, .param = pml_buf_slice(except)};
  virtual_sign(&x.v, "chat-1", &env);
  pml_buf *head = pml_envelope_write(&env);
  pml_transport *t = pml_node_transport(x.v.node);
  pml_transport_record_deliver(t, "chat-1", head, x.frame, uids);
  fanout_expect(&x, 3, "011");
  CHECK(virtual_take(&x.v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_ANSWER);
  CHECK_EQ(r.env.call, 9);
  CHECK(test_hex_eq(r.body->data, r.body->len, "0000037a6f65"));
  virtual_drop(&r);
  pml_buf_unref(head);
  env.call = 0;
  virtual_sign(&x.v, "chat-1", &env);
  head = pml_envelope_write(&env);
  pml_transport_record_deliver(t, "chat-1", head, x.frame, uids);
  fanout_expect(&x, 3, "011");
  CHECK(!virtual_take(&x.v, &r));
  pml_buf_unref(head);
  pml_buf_unref(uids);
  pml_buf_unref(except);
  fanout_close(&x);
}

TEST(deliver_to_everybody_reaches_all_or_the_bound_ones) {
  fanout x;
  pml_id push;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "-", "bob", "-"}, 4);
  x.s[3]->ready = 0;
  const char *const sids[] = {"f1"};
  pml_push_broadcast_to to = {.sids = sids, .count = 1};
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &(pml_push_what){.frame = x.frame}, &push), 0);
  fanout_expect(&x, 4, "1110");
  to.binded = 1;
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &(pml_push_what){.frame = x.frame}, &push), 0);
  fanout_expect(&x, 4, "1010");
  pml_buf *except = fanout_list("bob zoe");
  pml_push_what what = {.frame = x.frame, .except = pml_buf_slice(except), .ms = 100};
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &what, &push), 0);
  fanout_expect(&x, 4, "1000");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  pml_buf_unref(except);
  fanout_close(&x);
}

TEST(deliver_to_everybody_asks_the_filter) {
  fanout x;
  pml_id push;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "-"}, 2);
  const char *const sids[] = {"f1"};
  pml_push_broadcast_to to = {.sids = sids, .count = 1, .filtered = 1};
  to.param = pml_slice_str("[7]");
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &(pml_push_what){.frame = x.frame}, &push), 0);
  fanout_expect(&x, 2, "11");
  x.v.script.keep = 0;
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &(pml_push_what){.frame = x.frame}, &push), 0);
  fanout_expect(&x, 2, "00");
  fake_script_expect(&x.v.script,
                     "filter uid=ann bytes=7 param=[7]\nfilter uid=- bytes=7 param=[7]\n"
                     "filter uid=ann bytes=7 param=[7]\n"
                     "filter uid=- bytes=7 param=[7]\n");
  fanout_close(&x);
}

typedef struct {
  pml_node *node;
  pml_buf *frame;
  int depth;
} nested;

/* Pushes, with others left out, while the first push still runs. */
static int pushing_filter(void *ud, const pml_session *s, pml_slice message, pml_slice param) {
  nested *k = ud;
  pml_id push;
  (void)s;
  (void)message;
  (void)param;
  if (k->depth++) return 1;
  pml_buf *except = fanout_list("ann bob");
  pml_push_target to[] = {{virtual_uid("ann"), "f1"}, {virtual_uid("bob"), "f1"}};
  CHECK_EQ(pml_push_uids(k->node, to, 2,
                         &(pml_push_what){.frame = k->frame, .except = pml_buf_slice(except)},
                         &push),
           0);
  pml_buf_unref(except);
  return 1;
}

TEST(deliver_with_a_filter_that_pushes_does_not_undo_who_is_left_out) {
  fanout x;
  pml_id push;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob", "cid"}, 3);
  nested k = {x.v.node, x.frame, 0};
  pml_script s = {.filter = pushing_filter, .ud = &k};
  pml_node_set_script(x.v.node, &s);
  const char *const sids[] = {"f1"};
  pml_buf *except = fanout_list("cid");
  pml_push_broadcast_to to = {.sids = sids, .count = 1, .filtered = 1};
  pml_push_what what = {.frame = x.frame, .except = pml_buf_slice(except)};
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &what, &push), 0);
  fanout_expect(&x, 3, "110");
  pml_buf_unref(except);
  fanout_close(&x);
}

TEST(deliver_takes_a_push_to_one_session_with_its_delivery) {
  fanout x;
  fanout_open(&x, 1);
  virtual_peer(&x.v, "chat-1", 1);
  fanout_clients(&x, (const char *const[]){"-", "ann"}, 2);
  pml_envelope env = {.kind = PML_ENV_SEND, .flags = PML_ENV_LATEST, .identity = 5};
  pml_transport *t = pml_node_transport(x.v.node);
  const pml_id to[] = {x.s[0]->id, 4711};
  for (int i = 0; i < 2; i++) {
    env.session = to[i];
    virtual_sign(&x.v, "chat-1", &env);
    pml_buf *head = pml_envelope_write(&env);
    pml_transport_record_deliver(t, "chat-1", head, x.frame, NULL);
    pml_buf_unref(head);
  }
  CHECK_EQ(x.f[0].how[0].policy, PML_LATEST);
  CHECK_EQ(x.f[0].how[0].identity, 5);
  fanout_expect(&x, 2, "10");
  CHECK_EQ(node_count(x.v.node, "pushFails"), 1);
  fanout_close(&x);
}

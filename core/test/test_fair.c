#include "node/fair.h"

#include "test/back.h"
#include "test/node_count.h"

static virtual_node v;

/* A message of a session of a frontend; its body says which. call 0: a notify. */
static void comes_from(const char *id, uint64_t session, uint64_t call, const char *body) {
  pml_envelope env = {.kind = PML_ENV_FORWARD, .session = session, .call = call, .ms = 100};
  env.msg_type = call ? PML_MSG_REQUEST : PML_MSG_NOTIFY;
  env.msg_id = call ? 1 : 0;
  env.route = pml_slice_str("c.a.b");
  env.param = pml_slice_str(body);
  virtual_sign(&v, id, &env);
  pml_buf *head = pml_envelope_write(&env);
  pml_transport_record_deliver(pml_node_transport(v.node), id, head, NULL, NULL);
  pml_buf_unref(head);
}

static void comes(uint64_t session, uint64_t call, const char *body) {
  comes_from("f1", session, call, body);
}

/* The bodies that the scripts have got so far, in their order. */
static void expect(const char *bodies) {
  char got[64] = "";
  size_t n = 0;
  for (const char *p = v.script.text; (p = strstr(p, "body=")); p += 5) got[n++] = p[5];
  got[n] = 0;
  if (strcmp(got, bodies) != 0) fprintf(stderr, "got %s, not %s\n", got, bodies);
  CHECK(strcmp(got, bodies) == 0);
}

TEST(fair_others_do_not_wait_behind_one_session) {
  back_open(&v);
  for (int i = 0; i < 6; i++) comes(5, 0, "a");
  comes(6, 0, "b");
  expect("aaaab");
  CHECK_EQ(node_count(v.node, "forwardsWaiting"), 2);
  CHECK_EQ(pml_node_open_requests(v.node), 2); /* a stop waits for them */
  pml_loop_settle(v.loop);
  expect("aaaabaa");
  CHECK_EQ(node_count(v.node, "forwardsWaiting"), 0);
  CHECK_EQ(node_count(v.node, "forwardsQueued"), 2);
  virtual_close(&v);
}

TEST(fair_sessions_that_wait_go_round) {
  back_open(&v);
  for (int i = 0; i < 7; i++) comes(5, 0, "a");
  for (int i = 0; i < 6; i++) comes(6, 0, "b");
  expect("aaaabbbb");
  pml_loop_settle(v.loop);
  expect("aaaabbbbababa");
  virtual_close(&v);
}

TEST(fair_messages_of_a_session_keep_their_order) {
  const char *const bodies[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
  back_open(&v);
  for (int i = 0; i < 7; i++) comes(5, 0, bodies[i]);
  pml_loop_advance(v.loop, 1); /* a turn later */
  comes(5, 0, "8");
  comes(5, 0, "9");
  pml_loop_settle(v.loop);
  expect("123456789");
  virtual_close(&v);
}

TEST(fair_what_is_asked_for_at_a_stop_comes_behind_what_waits) {
  pml_envelope env = {.kind = PML_ENV_CALL, .call = 9, .ms = 100};
  back_open(&v);
  for (int i = 0; i < 6; i++) comes(5, 0, "a");
  virtual_deliver(&v, "f1", &env, "", 0, NULL);
  expect("aaaaaa");
  back_expect(&v, 9, 1, NULL);
  virtual_close(&v);
}

TEST(fair_what_waits_goes_with_its_frontend) {
  back_open(&v);
  for (int i = 0; i < 6; i++) comes(5, 0, "a");
  virtual_peer(&v, "f1", 0);
  CHECK_EQ(node_count(v.node, "forwardsWaiting"), 0);
  pml_loop_settle(v.loop);
  expect("aaaa");
  virtual_close(&v);
}

TEST(fair_frontends_of_one_incarnation_are_told_apart) {
  back_open(&v);
  pml_transport_events ev = back_twin(&v);
  for (int i = 0; i < 6; i++) comes(5, 0, "a");
  comes_from("f2", 5, 0, "b"); /* its own session 5 */
  expect("aaaab");
  ev.on_peer("f2", pml_node_incarnation(v.node, "f2"), 0, ev.ud);
  pml_loop_settle(v.loop);
  expect("aaaabaa");
  virtual_close(&v);
}

TEST(fair_what_waits_goes_with_the_server) {
  back_open(&v);
  for (int i = 0; i < 9; i++) comes(5 + (uint64_t)i % 2, (uint64_t)i + 1, "a");
  comes(5, 0, "a");
  virtual_close(&v);
}

TEST(fair_one_session_has_a_bounded_part_of_what_waits) {
  size_t n = 1 << 20;
  char *big = pml_alloc(n + 1);
  memset(big, 'x', n);
  big[n] = 0;
  back_open(&v);
  for (int i = 0; i < 4; i++) comes(5, 0, "a");
  for (int i = 0; i < 3; i++) comes(5, 0, big);
  CHECK_EQ(node_count(v.node, "overShare"), 0);
  for (int i = 0; i < 2; i++) comes(5, 0, big);
  CHECK(node_count(v.node, "overShare") > 0);
  double before = node_count(v.node, "overShare");
  comes(5, 7, big);
  back_expect(&v, 7, 1, "too much of its session waits");
  CHECK_EQ(node_count(v.node, "overShare"), before + 1);
  comes(6, 0, "b"); /* another one is not meant */
  expect("aaaab");
  pml_free(big);
  virtual_close(&v);
}

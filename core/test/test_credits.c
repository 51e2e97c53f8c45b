/* node/credits, and node/fair with it: forwarded notifies that are in flight. */
#include "node/credits.h"

#include "node/config.h"
#include "node/state.h"
#include "test/back.h"
#include "test/front.h"
#include "test/node_count.h"

static virtual_node v;
static fake_sink f;

static pml_session *begin(void) {
  double lo, hi;
  front_open(&v);
  CHECK_EQ(pml_config_set(pml_node_config(v.node), "maxInFlight", 3, &lo, &hi), 0);
  return fake_sink_open(&f, pml_node_sessions(v.node));
}

static void tell(pml_session *s) {
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, "chat.a.b", "{}"), 0);
}

static size_t drop_sent(void) {
  virtual_record r;
  size_t n = 0;
  for (; virtual_take(&v, &r); n++) virtual_drop(&r);
  return n;
}

/* A record of credits of one session comes from chat-1. */
static void credit(pml_id session, uint8_t count, uint32_t epoch, size_t cut) {
  uint8_t entry[12] = {0};
  for (int i = 0; i < 8; i++) entry[i] = (uint8_t)(session >> (56 - 8 * i));
  entry[11] = count;
  pml_envelope env = {.kind = PML_ENV_CREDIT, .msg_id = epoch};
  env.param = pml_slice_of(entry, sizeof entry - cut);
  virtual_sign(&v, "chat-1", &env);
  pml_buf *head = pml_envelope_write(&env);
  pml_transport_record_deliver(pml_node_transport(v.node), "chat-1", head, NULL, NULL);
  pml_buf_unref(head);
}

TEST(credits_notifies_are_in_flight_until_they_are_handled) {
  pml_session *s = begin();
  for (int i = 0; i < 5; i++) tell(s);
  CHECK_EQ(s->in_flight, 3);
  CHECK_EQ(s->notifies, 3);
  CHECK_EQ(drop_sent(), 3);
  CHECK_EQ(node_count(v.node, "overInFlight"), 2);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 7, "chat.a.b", "{}"), 0);
  front_expect_500(&f, 7);
  credit(s->id, 2, 1, 0);
  CHECK_EQ(s->in_flight, 1);
  tell(s);
  CHECK_EQ(s->in_flight, 2);
  credit(s->id, 200, 1, 0); /* more than there are */
  CHECK_EQ(s->in_flight, 0);
  CHECK_EQ(s->notifies, 0);
  virtual_close(&v);
}

TEST(credits_that_are_cut_old_or_of_nobody_change_nothing) {
  pml_session *s = begin();
  tell(s);
  credit(s->id, 1, 1, 1);
  credit(s->id, 1, 2, 0);
  credit(s->id + 1, 1, 1, 0);
  CHECK_EQ(s->in_flight, 1);
  virtual_close(&v);
}

TEST(credits_of_a_server_that_went_are_given) {
  pml_session *s = begin();
  for (int i = 0; i < 3; i++) tell(s);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 7, "connector.a.b", "{}"), 0);
  virtual_peer(&v, "chat-1", 0);
  CHECK_EQ(s->notifies, 0);
  virtual_peer(&v, "chat-1", 1);
  drop_sent();
  tell(s);
  CHECK_EQ(s->notifies, 1);
  credit(s->id, 1, 1, 0); /* from before */
  CHECK_EQ(s->notifies, 1);
  credit(s->id, 1, 2, 0);
  CHECK_EQ(s->notifies, 0);
  virtual_close(&v);
}

TEST(credits_are_given_for_what_the_bus_lost) {
  pml_session *s = begin();
  for (int i = 0; i < 3; i++) tell(s);
  credit(0, 0, 0, 12); /* it missed some */
  CHECK_EQ(s->in_flight, 0);
  drop_sent();
  tell(s);
  credit(s->id, 1, 1, 0); /* of one before */
  CHECK_EQ(s->in_flight, 1);
  pml_transport_events ev = pml_rpc_transport_events(v.node->rpc);
  uint64_t life = pml_node_incarnation(v.node, "chat-1");
  ev.on_gap("chat-1", life + 1, ev.ud); /* of a life that is not there */
  CHECK_EQ(s->in_flight, 1);
  drop_sent();
  ev.on_gap("chat-1", life, ev.ud);
  CHECK_EQ(s->in_flight, 0);
  CHECK_EQ(drop_sent(), 1); /* it is told */
  tell(s);
  drop_sent();
  ev.on_away("chat-1", life, ev.ud);
  CHECK_EQ(s->in_flight, 0);
  CHECK_EQ(drop_sent(), 0);
  virtual_close(&v);
}

TEST(credits_end_with_their_session) {
  pml_session *s = begin();
  pml_id id = s->id;
  tell(s);
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  pml_frontend_closed(v.node, s, &why);
  credit(id, 1, 1, 0);
  virtual_peer(&v, "chat-1", 0);
  virtual_close(&v);
}

/* The other side: a notify of session 5, 6, … of f1. */
static void notified_by(const char *id, uint64_t session, uint32_t epoch) {
  pml_envelope env = {.kind = PML_ENV_FORWARD, .msg_type = PML_MSG_NOTIFY, .msg_id = epoch};
  env.session = session;
  env.route = pml_slice_str("chat.a.b");
  virtual_deliver(&v, id, &env, "{}", 2, NULL);
}

static void notified(uint64_t session, uint32_t epoch) { notified_by("f1", session, epoch); }

TEST(credits_of_a_turn_travel_together) {
  virtual_record r;
  back_open(&v);
  notified(5, 1);
  notified(5, 1);
  notified(6, 1);
  notified(7, 0); /* wants none */
  CHECK(!virtual_take(&v, &r));
  pml_loop_settle(v.loop);
  CHECK(virtual_take(&v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_CREDIT);
  CHECK_EQ(r.env.msg_id, 1);
  CHECK(strcmp(r.to, "f1") == 0);
  CHECK(test_hex_eq(r.env.param.p, r.env.param.n,
                    "0000000000000005"
                    "00000002"
                    "0000000000000006"
                    "00000001"));
  virtual_drop(&r);
  CHECK(!virtual_take(&v, &r));
  notified(5, 1);
  notified(5, 2);
  pml_loop_settle(v.loop);
  for (int i = 0; i < 2; i++) { /* a record for each epoch */
    CHECK(virtual_take(&v, &r));
    CHECK_EQ(r.env.param.n, 12);
    virtual_drop(&r);
  }
  notified(5, 1); /* collected, and never sent */
  virtual_close(&v);
}

TEST(credits_of_frontends_of_one_incarnation_go_to_each) {
  virtual_record r;
  int to_f2 = 0;
  back_open(&v);
  back_twin(&v);
  notified_by("f1", 5, 1);
  notified_by("f2", 6, 1);
  pml_loop_settle(v.loop);
  for (int i = 0; i < 2; i++) {
    CHECK(virtual_take(&v, &r));
    CHECK_EQ(r.env.param.n, 12);
    CHECK_EQ(r.env.param.p[7], strcmp(r.to, "f2") == 0 ? 6 : 5);
    to_f2 += strcmp(r.to, "f2") == 0;
    virtual_drop(&r);
  }
  CHECK_EQ(to_f2, 1);
  virtual_close(&v);
}

TEST(credits_are_given_for_what_is_refused) {
  virtual_record r;
  back_open(&v);
  pml_node_close(v.node, 1);
  notified(5, 1);
  pml_loop_settle(v.loop);
  CHECK(virtual_take(&v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_CREDIT);
  CHECK_EQ(v.script.calls, 0);
  virtual_drop(&r);
  virtual_close(&v);
}

#include "node/rate.h"

#include "base/err.h"
#include "node/config.h"
#include "test/front.h"
#include "test/node_count.h"

#define ROUTE "connector.a.b"

static virtual_node v;
static fake_sink f;

static void set(const char *name, double value) {
  double lo, hi;
  CHECK_EQ(pml_config_set(pml_node_config(v.node), name, value, &lo, &hi), 0);
}

static pml_session *begin(double messages, double burst, double bytes) {
  front_open(&v);
  set("rateMessages", messages);
  set("rateBurst", burst);
  set("rateBytes", bytes);
  return fake_sink_open(&f, pml_node_sessions(v.node));
}

static int ask(pml_session *s, const char *route) {
  return front_say(&v, s, PML_MSG_REQUEST, 1, route, "{}");
}
static int tell(pml_session *s, const char *route) {
  return front_say(&v, s, PML_MSG_NOTIFY, 0, route, "{}");
}

static double over(void) { return node_count(v.node, "overRate"); }

static void expect_429(void) {
  pml_message_view m;
  CHECK_EQ(f.frames, 1);
  CHECK_EQ(pml_message_read(fake_sink_body(&f, 0), &m), 0);
  CHECK_BYTES(m.body.p, m.body.n, "{\"code\":429}");
  fake_sink_clear(&f);
}

TEST(rate_refuses_what_is_above_it_before_the_scripts) {
  pml_session *s = begin(10, 3, 1000);
  for (int i = 0; i < 3; i++) CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(over(), 0);
  CHECK_EQ(ask(s, ROUTE), 0);
  expect_429();
  CHECK_EQ(over(), 1);
  pml_loop_advance(v.loop, 100);
  CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(over(), 1);
  CHECK_EQ(tell(s, ROUTE), 0); /* a notify is dropped */
  CHECK_EQ(f.frames, 0);
  CHECK_EQ(over(), 2);
  CHECK_EQ(node_count(v.node, "notifies"), 4);
  CHECK_EQ(node_count(v.node, "requests"), 0);
  virtual_close(&v);
}

TEST(rate_ends_who_goes_on) {
  pml_session *s = begin(10, 3, 1000);
  for (int i = 0; i < 6; i++) CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(over(), 3);
  CHECK_EQ(tell(s, ROUTE), PML_EFULL);
  virtual_close(&v);
}

TEST(rate_forgives_who_has_kept_to_it) {
  pml_session *s = begin(10, 3, 1000);
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 6; i++) CHECK_EQ(tell(s, ROUTE), 0);
    pml_loop_advance(v.loop, 300); /* the bucket is full */
  }
  CHECK_EQ(over(), 15);
  for (int i = 0; i < 6; i++) CHECK_EQ(tell(s, ROUTE), 0);
  pml_loop_advance(v.loop, 200); /* it is not */
  CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(tell(s, ROUTE), PML_EFULL);
  virtual_close(&v);
}

TEST(rate_counts_bytes) {
  char text[101];
  memset(text, 'x', 100);
  text[100] = 0;
  pml_session *s = begin(1000, 1000, 400);
  set("packageAfter", 64);
  for (int i = 0; i < 3; i++) CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, ROUTE, text), 0);
  CHECK_EQ(over(), 0); /* each is 115 bytes */
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 1, ROUTE, text), 0);
  expect_429();
  CHECK_EQ(over(), 1);
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, ROUTE, text), 0);
  CHECK_EQ(over(), 2);
  for (int i = 0; i < 1; i++) CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, ROUTE, text), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, ROUTE, text), PML_EFULL); /* a second's worth */
  virtual_close(&v);
}

TEST(rate_lets_the_largest_package_through) {
  char text[301];
  memset(text, 'x', 300);
  text[300] = 0;
  pml_session *s = begin(1000, 1000, 10);
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, ROUTE, text), 0);
  CHECK_EQ(over(), 0);
  virtual_close(&v);
}

TEST(rate_routes_have_their_costs) {
  pml_session *s = begin(10, 10, 100000);
  pml_rate_cost(v.node, pml_slice_str("connector.a.dear"), 2);
  pml_rate_cost(v.node, pml_slice_str("connector.a.dear"), 5);
  pml_rate_cost(v.node, pml_slice_str("connector.a.free"), 0);
  CHECK_EQ(tell(s, "connector.a.dear"), 0);
  CHECK_EQ(tell(s, "connector.a.dear"), 0);
  for (int i = 0; i < 100; i++) CHECK_EQ(tell(s, "connector.a.free"), 0);
  CHECK_EQ(over(), 0);
  CHECK_EQ(ask(s, "connector.a.cheap"), 0);
  CHECK_EQ(over(), 1);
  expect_429();
  CHECK_EQ(tell(s, "connector.a.free"), 0);
  virtual_close(&v);
}

TEST(rate_is_of_one_session) {
  fake_sink other;
  pml_session *s = begin(10, 3, 1000), *o = fake_sink_open(&other, pml_node_sessions(v.node));
  for (int i = 0; i < 5; i++) CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(over(), 2);
  CHECK_EQ(ask(o, ROUTE), 0);
  CHECK_EQ(over(), 2);
  virtual_close(&v);
}

TEST(rate_counts_messages_that_go_nowhere) {
  pml_session *s = begin(10, 3, 1000);
  CHECK_EQ(tell(s, "nothing"), 0);
  CHECK_EQ(tell(s, "chat.a.b"), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_RESPONSE, 1, "", "x"), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_RESPONSE, 1, "", "x"), 0);
  CHECK_EQ(over(), 1);
  CHECK_EQ(f.frames, 0);
  virtual_close(&v);
}

TEST(rate_of_nothing_is_no_limit_and_no_memory) {
  pml_session *s = begin(0, 1, 1);
  for (int i = 0; i < 50; i++) CHECK_EQ(tell(s, ROUTE), 0);
  CHECK_EQ(over(), 0);
  CHECK_EQ(s->messages.full_at, 0);
  CHECK(s->rest == NULL);
  virtual_close(&v);
}

TEST(rate_has_defaults) {
  front_open(&v);
  const pml_config *c = pml_node_config(v.node);
  CHECK_EQ(c->rate_messages, 5000);
  CHECK_EQ(c->rate_burst, 10000);
  CHECK_EQ(c->rate_bytes, 4194304);
  virtual_close(&v);
}

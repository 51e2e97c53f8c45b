#include "node/push.h"

#include "test/virtual.h"

/* A push frame of the route onX. Returns owned. */
static pml_buf *frame_of(const char *body) {
  pml_message_view m = {.type = PML_MSG_PUSH, .route = pml_slice_str("onX")};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  pml_writer_put(&w, body, strlen(body));
  return pml_frame_end(&w, PML_PKG_DATA);
}

/* "a b c" as a list. Returns owned. */
static pml_buf *list_of(const char *words) {
  pml_writer w = {0};
  while (*words) {
    size_t n = strcspn(words, " ");
    pml_uids_put(&w, (pml_uid){words, (uint32_t)n, 0});
    words += n + (words[n] == ' ');
  }
  return pml_writer_finish(&w);
}

typedef struct {
  virtual_node v;
  fake_sink f[6];
  pml_session *s[6];
  pml_buf *frame;
} setup;

static void open_at(setup *x, int frontend) {
  virtual_open(&x->v, frontend ? "f1" : "chat-1", frontend ? "connector" : "chat", frontend);
  x->frame = frame_of("{}");
}

/* Opens clients of these uids; "-" stays unbound. */
static void clients(setup *x, const char *const *uids, int n) {
  pml_sessions *t = pml_node_sessions(x->v.node);
  for (int i = 0; i < n; i++) {
    x->s[i] = fake_sink_open(&x->f[i], t);
    if (uids[i][0] != '-') CHECK_EQ(pml_sessions_bind(t, x->s[i], virtual_uid(uids[i])), 0);
  }
}

static void expect_got(setup *x, int n, const char *counts) {
  for (int i = 0; i < n; i++) {
    CHECK_EQ(x->f[i].frames, counts[i] - '0');
    for (int k = 0; k < x->f[i].frames; k++) CHECK(x->f[i].frame[k] == x->frame);
    fake_sink_clear(&x->f[i]);
  }
}

static void close_all(setup *x) {
  pml_buf_unref(x->frame);
  virtual_close(&x->v);
}

TEST(push_reaches_every_session_of_a_uid_with_one_block) {
  setup x;
  pml_id push;
  open_at(&x, 1);
  clients(&x, (const char *const[]){"ann", "bob", "ann", "-"}, 4);
  pml_channel *c = pml_channels_create(pml_node_channels(x.v.node), pml_slice_str("hall"));
  pml_channel_add(c, virtual_uid("ann"), "f1");
  CHECK_EQ(pml_push_channel(x.v.node, c, x.frame, (pml_slice){0}, 0, &push), 0);
  CHECK_EQ(push, 0);
  expect_got(&x, 4, "1010");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "");
  close_all(&x);
}

TEST(push_sends_one_record_for_each_frontend_and_shares_its_blocks) {
  setup x;
  virtual_record r[3], none;
  pml_id push;
  char uid[16], sid[16];
  open_at(&x, 0);
  pml_channel *c = pml_channels_create(pml_node_channels(x.v.node), pml_slice_str("hall"));
  for (int i = 0; i < 30; i++) {
    snprintf(uid, sizeof uid, "u%d", i);
    snprintf(sid, sizeof sid, "f%d", i % 3);
    virtual_peer(&x.v, sid, 1);
    CHECK_EQ(pml_channel_add(c, virtual_uid(uid), sid), 1);
  }
  CHECK_EQ(pml_push_channel(x.v.node, c, x.frame, (pml_slice){0}, 0, &push), 0);
  pml_group *g = pml_channel_first(c);
  for (int i = 0; i < 3; i++, g = pml_group_next(c, g)) {
    CHECK(virtual_take(&x.v, &r[i]));
    CHECK(r[i].body == x.frame);
    CHECK(r[i].extra == pml_group_uids(g));
    CHECK_EQ(r[i].env.kind, PML_ENV_PUSH);
    CHECK_EQ(r[i].env.call, 0);
    CHECK(strcmp(r[i].to, pml_group_sid(g)) == 0);
    virtual_drop(&r[i]);
  }
  CHECK(!virtual_take(&x.v, &none));
  close_all(&x);
}

TEST(push_ends_when_every_frontend_answered_or_failed) {
  setup x;
  virtual_record a, b;
  pml_id push, told;
  open_at(&x, 0);
  virtual_peer(&x.v, "f1", 1);
  virtual_peer(&x.v, "f2", 1);
  pml_push_target to[] = {
    {virtual_uid("a"), "f1"}, {virtual_uid("b"), "f2"},   {virtual_uid("c"), "gone"},
    {virtual_uid("d"), "f1"}, {virtual_uid("e"), "gone"},
  };
  pml_buf *except = list_of("e");
  CHECK_EQ(pml_push_uids(x.v.node, to, 5, x.frame, pml_buf_slice(except), 1000, &push), 0);
  CHECK(push != 0);
  CHECK(virtual_take(&x.v, &a) && virtual_take(&x.v, &b));
  pml_buf *fails = list_of("d");
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = a.env.call};
  virtual_deliver(&x.v, "f1", &env, fails->data, fails->len, NULL);
  virtual_deliver(&x.v, "f1", &env, fails->data, fails->len, NULL); /* twice is once */
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "");
  pml_loop_advance(x.v.loop, 1000);
  fake_script_expect(&x.v.script, "pushed good fails: c d b\n");
  told = x.v.script.push;
  CHECK(told == push);
  pml_buf_unref(fails);
  pml_buf_unref(except);
  virtual_drop(&a);
  virtual_drop(&b);
  close_all(&x);
}

TEST(push_fails_when_no_frontend_got_it) {
  setup x;
  virtual_record r;
  pml_id push;
  open_at(&x, 0);
  virtual_peer(&x.v, "f2", 1);
  pml_push_target to[] = {{virtual_uid("a"), "gone"}, {virtual_uid("b"), "f2"}};
  CHECK_EQ(pml_push_uids(x.v.node, to, 2, x.frame, (pml_slice){0}, 1000, &push), 0);
  virtual_peer(&x.v, "f2", 0);
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed all uids push message fail fails: a b\n");
  CHECK(virtual_take(&x.v, &r));
  virtual_drop(&r);
  close_all(&x);
}

TEST(push_to_nobody_ends_well_and_later) {
  setup x;
  pml_id push;
  open_at(&x, 0);
  CHECK_EQ(pml_push_uids(x.v.node, NULL, 0, x.frame, (pml_slice){0}, 1, &push), 0);
  fake_script_expect(&x.v.script, "");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  close_all(&x);
}

TEST(push_runs_out_of_places) {
  setup x;
  pml_id push;
  open_at(&x, 0);
  for (int i = 1; i < 1 << PML_SLOT_BITS; i++)
    CHECK_EQ(pml_push_uids(x.v.node, NULL, 0, x.frame, (pml_slice){0}, 100, &push), 0);
  pml_buf *except = list_of("a");
  CHECK_EQ(pml_push_uids(x.v.node, NULL, 0, x.frame, pml_buf_slice(except), 100, &push), PML_EFULL);
  CHECK_EQ(push, 0);
  pml_buf_unref(except);
  close_all(&x); /* before any has ended */
}

TEST(push_of_another_server_is_delivered_and_acknowledged) {
  setup x;
  virtual_record r;
  open_at(&x, 1);
  virtual_peer(&x.v, "chat-1", 1);
  clients(&x, (const char *const[]){"ann", "bob", "bob"}, 3);
  pml_buf *uids = list_of("ann zoe bob eve"), *except = list_of("ann eve");
  pml_envelope env = {.kind = PML_ENV_PUSH, .call = 9, .ms = 100, .param = pml_buf_slice(except)};
  virtual_sign(&x.v, "chat-1", &env);
  pml_buf *head = pml_envelope_write(&env);
  pml_transport *t = pml_node_transport(x.v.node);
  pml_transport_record_deliver(t, "chat-1", head, x.frame, uids);
  expect_got(&x, 3, "011");
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
  expect_got(&x, 3, "011");
  CHECK(!virtual_take(&x.v, &r));
  pml_buf_unref(head);
  pml_buf_unref(uids);
  pml_buf_unref(except);
  close_all(&x);
}

TEST(push_to_everybody_reaches_all_or_the_bound_ones) {
  setup x;
  pml_id push;
  open_at(&x, 1);
  clients(&x, (const char *const[]){"ann", "-", "bob", "-"}, 4);
  x.s[3]->ready = 0;
  const char *const sids[] = {"f1"};
  pml_push_broadcast_to to = {.sids = sids, .count = 1};
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 0, &push), 0);
  expect_got(&x, 4, "1110");
  to.binded = 1;
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 0, &push), 0);
  expect_got(&x, 4, "1010");
  pml_buf *except = list_of("bob zoe");
  to.except = pml_buf_slice(except);
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 100, &push), 0);
  expect_got(&x, 4, "1000");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  pml_buf_unref(except);
  close_all(&x);
}

TEST(push_to_everybody_asks_the_filter) {
  setup x;
  pml_id push;
  open_at(&x, 1);
  clients(&x, (const char *const[]){"ann", "-"}, 2);
  const char *const sids[] = {"f1"};
  pml_push_broadcast_to to = {.sids = sids, .count = 1, .filtered = 1};
  to.param = pml_slice_str("[7]");
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 0, &push), 0);
  expect_got(&x, 2, "11");
  x.v.script.keep = 0;
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 0, &push), 0);
  expect_got(&x, 2, "00");
  fake_script_expect(&x.v.script,
                     "filter uid=ann bytes=7 param=[7]\nfilter uid=- bytes=7 param=[7]\n"
                     "filter uid=ann bytes=7 param=[7]\n"
                     "filter uid=- bytes=7 param=[7]\n");
  close_all(&x);
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
  pml_buf *except = list_of("ann bob");
  pml_push_target to[] = {{virtual_uid("ann"), "f1"}, {virtual_uid("bob"), "f1"}};
  CHECK_EQ(pml_push_uids(k->node, to, 2, k->frame, pml_buf_slice(except), 0, &push), 0);
  pml_buf_unref(except);
  return 1;
}

TEST(push_by_a_filter_does_not_undo_who_is_left_out) {
  setup x;
  pml_id push;
  open_at(&x, 1);
  clients(&x, (const char *const[]){"ann", "bob", "cid"}, 3);
  nested k = {x.v.node, x.frame, 0};
  pml_script s = {.filter = pushing_filter, .ud = &k};
  pml_node_set_script(x.v.node, &s);
  const char *const sids[] = {"f1"};
  pml_buf *except = list_of("cid");
  pml_push_broadcast_to to = {.sids = sids, .count = 1, .filtered = 1};
  to.except = pml_buf_slice(except);
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 0, &push), 0);
  expect_got(&x, 3, "110");
  pml_buf_unref(except);
  close_all(&x);
}

TEST(push_to_everybody_of_other_frontends_is_one_record_each) {
  setup x;
  virtual_record r;
  pml_id push;
  open_at(&x, 0);
  virtual_peer(&x.v, "f1", 1);
  virtual_peer(&x.v, "f2", 1);
  const char *const sids[] = {"f1", "gone", "f2"};
  pml_push_broadcast_to to = {.sids = sids, .count = 3, .binded = 1, .filtered = 1};
  to.param = pml_slice_str("{}");
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 1000, &push), 0);
  for (int i = 1; i <= 2; i++) {
    CHECK(virtual_take(&x.v, &r));
    CHECK_EQ(r.env.kind, PML_ENV_BROADCAST);
    CHECK_EQ(r.env.flags, PML_ENV_BINDED | PML_ENV_FILTER);
    CHECK_BYTES(r.env.param.p, r.env.param.n, "{}");
    CHECK(r.body == x.frame);
    if (i == 1) virtual_answer(&x.v, "f1", r.env.call, 0, "");
    virtual_drop(&r);
  }
  CHECK(!virtual_take(&x.v, &r));
  pml_loop_advance(x.v.loop, 1000);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, x.frame, 1000, &push), 0);
  pml_loop_advance(x.v.loop, 1000);
  fake_script_expect(&x.v.script, "pushed broadcast fails fails:\n");
  close_all(&x);
}

TEST(push_is_forgotten_with_its_node) {
  setup x;
  pml_id push;
  open_at(&x, 0);
  virtual_peer(&x.v, "f1", 1);
  pml_push_target to[] = {{virtual_uid("a"), "f1"}};
  pml_buf *except = list_of("zoe");
  for (int i = 0; i < 5; i++)
    CHECK_EQ(pml_push_uids(x.v.node, to, 1, x.frame, pml_buf_slice(except), 1000, &push), 0);
  virtual_peer(&x.v, "f1", 0); /* they have failed, and nobody was told */
  pml_buf_unref(except);
  close_all(&x);
}

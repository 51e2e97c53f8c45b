#include "node/node.h"

#include "test/net.h"
#include "test/node_count.h"
#include "test/virtual.h"

static void done(void *ud) { ++*(int *)ud; }

TEST(node_is_what_it_was_told) {
  virtual_node v;
  virtual_open(&v, "f1", "connector", 1);
  CHECK(strcmp(pml_node_id(v.node), "f1") == 0);
  CHECK(strcmp(pml_node_type(v.node), "connector") == 0);
  CHECK(pml_node_is_frontend(v.node));
  CHECK(pml_node_loop(v.node) == v.loop);
  CHECK(pml_node_alive(v.node, "f1"));
  CHECK(!pml_node_alive(v.node, "f2"));
  virtual_peer(&v, "f2", 1);
  CHECK(pml_node_alive(v.node, "f2"));
  virtual_close(&v);
}

TEST(node_without_a_bus_reaches_nobody) {
  pml_loop *l = pml_loop_new_virtual();
  pml_node_options o = {.id = "a", .type = "t"};
  pml_id call = 7;
  pml_log_init(&o.log, "a", PML_SILENT, 0);
  pml_node *n = pml_node_new(l, &o);
  pml_buf *args = pml_buf_from("[]", 2);
  CHECK(pml_node_alive(n, "a"));
  CHECK(!pml_node_alive(n, "b"));
  CHECK_EQ(pml_node_call(n, "b", pml_slice_str("r.a"), args, 10, &call), PML_ENOENT);
  CHECK_EQ(call, 0);
  CHECK_EQ(node_count(n, "rpcCalls"), -1);
  pml_buf_unref(args);
  pml_node_free(n);
  pml_loop_free(l);
}

TEST(node_is_freed_with_everything_open) {
  virtual_node v;
  virtual_record r;
  fake_sink f[3];
  pml_id id;
  virtual_open(&v, "f1", "connector", 1);
  virtual_peer(&v, "b", 1);
  pml_sessions *t = pml_node_sessions(v.node);
  for (int i = 0; i < 3; i++) {
    pml_session *s = fake_sink_open(&f[i], t);
    s->wants_closed = 1;
    s->settings = pml_buf_from("{}", 2);
    CHECK_EQ(pml_sessions_bind(t, s, virtual_uid("ann")), 0);
  }
  pml_buf *args = pml_buf_from("[]", 2);
  pml_node_call(v.node, "b", pml_slice_str("r.a"), args, 100, &id);
  pml_node_timer(v.node, 5);
  pml_channel *c = pml_channels_create(pml_node_channels(v.node), pml_slice_str("hall"));
  pml_channel_add(c, virtual_uid("ann"), "f1");
  pml_envelope env = {.kind = PML_ENV_CALL, .call = 4, .ms = 100, .route = pml_slice_str("r.a")};
  virtual_deliver(&v, "b", &env, "[]", 2, NULL);
  fake_script_expect(&v.script, "call wanted from=b name=r.a args=[]\n");
  CHECK(virtual_take(&v, &r));
  virtual_drop(&r);
  pml_buf_unref(args);
  pml_node_drain(v.node, "bye", 1000, done, &id);
  virtual_close(&v);
  fake_script_expect(&v.script, ""); /* nobody is told any more */
}

TEST(node_listens_once_and_says_why_not) {
  pml_loop *l = pml_loop_new();
  pml_node_options o = {.id = "f1", .type = "connector", .frontend = 1};
  char err[256] = "";
  int port = 0, other = 0, shut = 0;
  pml_log_init(&o.log, "f1", PML_SILENT, 0);
  pml_node *n = pml_node_new(l, &o), *m = pml_node_new(l, &o);
  CHECK_EQ(pml_node_listen(n, "127.0.0.1", 0, &port, err, sizeof err), 0);
  CHECK(port > 0);
  CHECK_EQ(node_count(n, "accepted"), 0);
  CHECK_EQ(pml_node_listen(n, "127.0.0.1", 0, &other, err, sizeof err), PML_EIO);
  CHECK(strstr(err, "listening already"));
  CHECK_EQ(pml_node_listen(m, "127.0.0.1", port, &other, err, sizeof err), PML_EIO);
  CHECK(strstr(err, "cannot listen on 127.0.0.1:") && strstr(err, "in use"));
  CHECK_EQ(pml_node_listen(m, "127.0.0.1", 65536, &other, err, sizeof err), PML_EIO);
  CHECK_EQ(pml_node_listen(m, "nowhere at all", 0, &other, err, sizeof err), PML_EIO);
  CHECK_EQ(other, 0);
  pml_node_shut(n, done, &shut);
  pml_node_shut(m, done, &shut); /* has no listener */
  UNTIL(l, shut == 2);
  pml_node_free(n);
  pml_node_free(m);
  pml_loop_free(l);
}

TEST(node_joins_a_bus_under_its_id) {
  pml_loop *l = pml_loop_new();
  pml_hub *hub = pml_hub_new();
  pml_node_options a = {.id = "a", .type = "t"}, b = {.id = "b", .type = "t"};
  fake_script sa, sb;
  pml_id call;
  pml_log_init(&a.log, "a", PML_SILENT, 0);
  pml_log_init(&b.log, "b", PML_SILENT, 0);
  pml_node *na = pml_node_new(l, &a), *nb = pml_node_new(l, &b), *again = pml_node_new(l, &a);
  fake_script_set(&sa, na);
  fake_script_set(&sb, nb);
  CHECK_EQ(pml_node_join(na, hub), 0);
  CHECK_EQ(pml_node_join(nb, hub), 0);
  CHECK_EQ(pml_node_join(again, hub), PML_EEXIST);
  pml_node_free(again);
  UNTIL(l, pml_node_alive(na, "b") && pml_node_alive(nb, "a"));
  pml_buf *args = pml_buf_from("[1]", 3);
  CHECK_EQ(pml_node_call(na, "b", pml_slice_str("r.a"), args, 1000, &call), 0);
  UNTIL(l, sb.calls);
  fake_script_expect(&sb, "call wanted from=a name=r.a args=[1]\n");
  CHECK_EQ(pml_node_reply(nb, sb.call, 0, args), 0);
  UNTIL(l, sa.calls);
  fake_script_expect(&sa, "answered 0 [1]\n");
  CHECK_EQ(pml_node_call(na, "b", pml_slice_str("r.a"), args, 1000, &call), 0);
  pml_node_free(nb);
  UNTIL(l, sa.calls == 2);
  fake_script_expect(&sa, "answered -5 \n");
  CHECK(!pml_node_alive(na, "b"));
  pml_buf_unref(args);
  pml_node_free(na);
  pml_hub_unref(hub);
  pml_loop_free(l);
}

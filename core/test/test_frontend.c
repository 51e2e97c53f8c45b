#include "node/frontend.h"

#include "node/forms.h"

#include "base/limits.h"
#include "base/mem.h"
#include "node/banned.h"
#include "test/front.h"
#include "test/net.h"
#include "test/node_count.h"

TEST(frontend_hands_its_own_messages_to_the_scripts) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(pml_sessions_bind(pml_node_sessions(v.node), s, virtual_uid("ann")), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 7, "connector.a.b", "{}"), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, "connector.a.b", ""), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_PUSH, 0, "connector.a.b", "x"), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_RESPONSE, 1, "", "x"), 0);
  fake_script_expect(&v.script, "message request uid=ann type=0 id=7 route=connector.a.b body={}\n"
                                "message notify uid=ann type=1 id=0 route=connector.a.b body=\n"
                                "message notify uid=ann type=1 id=0 route=connector.a.b body=x\n");
  CHECK_EQ(f.frames, 0);
  virtual_close(&v); /* with a request open */
}

TEST(frontend_refuses_what_no_server_takes) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  const char *const routes[] = {"", "a", "a.b", "a.b.c.d", "lobby.a.b", "connector", "chat..x"};
  for (uint32_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, i + 1, routes[i], "{}"), 0);
    front_expect_500(&f, i + 1);
    CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, routes[i], "{}"), 0);
  }
  CHECK_EQ(f.frames, 0);
  CHECK_EQ(pml_frontend_data(v.node, s, pml_slice_of("\0\1\5a", 4)), PML_EPROTO);
  CHECK_EQ(pml_frontend_data(v.node, s, (pml_slice){0}), PML_EPROTO);
  fake_script_expect(&v.script, "");
  virtual_close(&v);
}

TEST(frontend_hands_new_tokens_to_the_scripts_with_auth_only) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 1, "sys.refresh", "{}"), 0);
  front_expect_500(&f, 1);
  pml_node_config(v.node)->auth = 1;
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 2, "sys.refresh", "{}"), 0);
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 3, "sys.refreshed", "{}"), 0);
  front_expect_500(&f, 3);
  fake_script_expect(&v.script, "message request uid=- type=0 id=2 route=sys.refresh body={}\n");
  virtual_close(&v);
}

TEST(frontend_kicks_who_asks_for_a_constructor) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(front_say(&v, s, PML_MSG_REQUEST, 1, "chat.a.constructor", "{}"), 0);
  CHECK_EQ(f.closes, 1);
  CHECK_EQ(f.frames, 0);
  CHECK(strcmp(f.reason, "attack") == 0);
  fake_script_expect(&v.script, "");
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  pml_frontend_closed(v.node, s, &why);
  virtual_close(&v);
}

TEST(frontend_tells_watchers_with_what_the_session_was) {
  virtual_node v;
  fake_sink f[4];
  front_open(&v);
  pml_sessions *t = pml_node_sessions(v.node);
  const pml_close_reason why[4] = {{.kind = PML_CLOSE_TEXT, .text = pml_slice_str("slow")},
                                   {.kind = PML_CLOSE_CODE, .code = 1006},
                                   {.kind = PML_CLOSE_FLAG, .code = 1},
                                   {.kind = PML_CLOSE_NIL}};
  for (int i = 0; i < 4; i++) {
    pml_session *s = fake_sink_open(&f[i], t);
    s->wants_closed = 1;
    if (i < 2) CHECK_EQ(pml_sessions_bind(t, s, virtual_uid("ann")), 0);
    if (i == 0) s->settings = pml_buf_from("{\"a\":1}", 7);
    pml_id id = s->id;
    pml_frontend_closed(v.node, s, &why[i]);
    CHECK(v.script.session == id && pml_sessions_get(t, id) == NULL);
  }
  fake_script_expect(&v.script, "closed uid=ann settings={\"a\":1} slow\n"
                                "closed uid=ann settings= code 1006\n"
                                "closed uid=- settings= flag 1\n"
                                "closed uid=- settings= nil 0\n");
  CHECK_EQ(pml_sessions_count(t), 0);
  virtual_close(&v);
}

TEST(frontend_has_no_handshake_without_a_socket) {
  virtual_node v;
  fake_sink f;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(pml_frontend_handshake(v.node, s->id, 200, pml_slice_str("{}")), PML_ENOENT);
  CHECK_EQ(pml_frontend_handshake(v.node, 12345, 200, pml_slice_str("{}")), PML_ENOENT);
  virtual_close(&v);
}

/* A message whose route is a code. */
static int say_code(virtual_node *v, pml_session *s, int type, uint32_t id, uint16_t code) {
  uint8_t buf[16];
  pml_message_view m = {.type = (uint8_t)type, .id = id, .code = code, .compressed = 1};
  pml_writer w = {0};
  CHECK_EQ(pml_message_write_head(&w, &m), 0);
  pml_writer_put(&w, "{}", 2);
  size_t n = w.len;
  memcpy(buf, pml_writer_at(&w, 0), n);
  pml_writer_drop(&w);
  return pml_frontend_data(v->node, s, pml_slice_of(buf, n));
}

TEST(frontend_reads_codes_by_its_dictionary) {
  virtual_node v;
  virtual_record r;
  fake_sink f;
  const pml_dictionary_pair pairs[] = {
    {pml_slice_str("connector.a.b"), 1}, {pml_slice_str("chat.a.b"), 2}, {pml_slice_str("onX"), 3}};
  pml_dictionary *d = NULL;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  CHECK_EQ(say_code(&v, s, PML_MSG_REQUEST, 1, 1), 0); /* no dictionary yet */
  front_expect_500(&f, 1);
  CHECK_EQ(pml_dictionary_new(pairs, 3, &d), 0);
  pml_forms_set_dictionary(v.node, d);
  pml_dictionary_unref(d);
  CHECK_EQ(say_code(&v, s, PML_MSG_REQUEST, 2, 1), 0);
  CHECK_EQ(say_code(&v, s, PML_MSG_NOTIFY, 0, 1), 0);
  fake_script_expect(&v.script, "message request uid=- type=0 id=2 route=connector.a.b body={}\n"
                                "message notify uid=- type=1 id=0 route=connector.a.b body={}\n");
  CHECK_EQ(say_code(&v, s, PML_MSG_REQUEST, 3, 2), 0);
  CHECK(virtual_take(&v, &r)); /* another server gets the whole route */
  CHECK_BYTES(r.env.route.p, r.env.route.n, "chat.a.b");
  CHECK_EQ(r.env.flags & PML_ENV_COMPRESSED, 0);
  virtual_drop(&r);
  double bad = node_count(v.node, "badRoutes");
  for (uint16_t code = 3; code <= 4; code++) { /* a push's route; one that is not there */
    CHECK_EQ(say_code(&v, s, PML_MSG_REQUEST, code, code), 0);
    front_expect_500(&f, code);
    CHECK_EQ(say_code(&v, s, PML_MSG_NOTIFY, 0, code), 0);
  }
  CHECK_EQ(say_code(&v, s, PML_MSG_NOTIFY, 0, 0), 0);
  CHECK_EQ(say_code(&v, s, PML_MSG_NOTIFY, 0, 65535), 0);
  CHECK_EQ(f.frames, 0);
  CHECK_EQ(node_count(v.node, "badRoutes"), bad + 6);
  CHECK_EQ(node_count(v.node, "codedRoutes"), 5); /* with onX, which leads to no handler */
  CHECK_EQ(front_say(&v, s, PML_MSG_NOTIFY, 0, "connector.a.b", ""), 0); /* routes in full, too */
  fake_script_expect(&v.script, "message notify uid=- type=1 id=0 route=connector.a.b body=\n");
  virtual_close(&v); /* with requests open */
  fake_sink_clear(&f);
}

/* --- over sockets ----------------------------------------------------------------- */

static void shut(void *ud) { *(int *)ud = 1; }

typedef struct {
  pml_loop *loop;
  pml_node *node;
  fake_script script;
  int port;
} real;

static void real_open(real *r) {
  pml_node_options o = {.id = "f1", .type = "connector", .frontend = 1};
  char err[256];
  pml_log_init(&o.log, "f1", PML_SILENT, 0);
  r->loop = pml_loop_new();
  r->node = pml_node_new(r->loop, &o);
  fake_script_set(&r->script, r->node);
  CHECK_EQ(pml_node_listen(r->node, "127.0.0.1", 0, &r->port, err, sizeof err), 0);
}

static void real_close(real *r) {
  int done = 0;
  pml_node_shut(r->node, shut, &done);
  UNTIL(r->loop, done);
  pml_node_free(r->node);
  pml_loop_free(r->loop);
}

static void greet(real *r, net_client *c) {
  net_send_hex(c, "010000027b7d");
  UNTIL(r->loop, strstr(r->script.text, "handshake"));
  fake_script_expect(&r->script, "handshake {}\n");
  pml_slice answer = pml_slice_str("{\"code\":200}");
  CHECK_EQ(pml_frontend_handshake(r->node, r->script.session, 200, answer), 0);
  UNTIL(r->loop, c->n >= 4 + answer.n);
  CHECK(c->in[0] == PML_PKG_HANDSHAKE && memcmp(c->in + 4, answer.p, answer.n) == 0);
  net_drop(c);
  net_send_hex(c, "02000000");
}

TEST(frontend_serves_a_client_from_handshake_to_kick) {
  real r;
  uint8_t buf[64];
  real_open(&r);
  net_client *c = net_connect(r.loop, r.port, 1);
  greet(&r, c);
  pml_slice m = front_message(buf, PML_MSG_REQUEST, 1, "connector.a.b", "{}");
  uint8_t head[4];
  pml_package_write_head(head, PML_PKG_DATA, m.n);
  net_send(c, head, 4);
  net_send(c, m.p, m.n);
  UNTIL(r.loop, r.script.calls == 2);
  fake_script_expect(&r.script, "message request uid=- type=0 id=1 route=connector.a.b body={}\n");
  pml_session *s = pml_sessions_get(pml_node_sessions(r.node), r.script.session);
  CHECK(s && s->ready);
  s->wants_closed = 1;
  char ip[PML_ADDRESS_TEXT];
  int port = 0;
  pml_sink_address(s->sink, ip, &port);
  CHECK(strcmp(ip, "127.0.0.1") == 0 && port > 0);
  pml_sink_close(s->sink, pml_slice_str("bye"));
  UNTIL(r.loop, net_ended(c));
  CHECK_BYTES(c->in + 4, c->n - 4, "{\"reason\":\"bye\"}");
  CHECK_EQ(c->in[0], PML_PKG_KICK);
  net_close(r.loop, c);
  UNTIL(r.loop, r.script.calls == 3);
  fake_script_expect(&r.script, "closed uid=- settings= bye\n");
  real_close(&r);
}

TEST(frontend_tells_how_a_client_went) {
  real r;
  real_open(&r);
  net_client *c = net_connect(r.loop, r.port, 1);
  greet(&r, c);
  pml_sessions_get(pml_node_sessions(r.node), r.script.session)->wants_closed = 1;
  net_close(r.loop, c);
  UNTIL(r.loop, r.script.calls == 2);
  fake_script_expect(&r.script, "closed uid=- settings= flag 0\n");
  c = net_connect(r.loop, r.port, 1);
  greet(&r, c);
  pml_sessions_get(pml_node_sessions(r.node), r.script.session)->wants_closed = 1;
  net_send_hex(c, "0400000100"); /* a message that is cut */
  UNTIL(r.loop, net_ended(c));
  UNTIL(r.loop, r.script.calls == 4);
  fake_script_expect(&r.script, "closed uid=- settings= protocol\n");
  net_close(r.loop, c);
  real_close(&r);
}

TEST(frontend_closes_a_client_for_whom_there_is_no_place) {
  real r;
  net_client *c[1 << PML_SLOT_BITS];
  int n = (1 << PML_SLOT_BITS) - 1;
  real_open(&r);
  for (int i = 0; i < n; i++) {
    c[i] = net_connect(r.loop, r.port, 1);
    greet(&r, c[i]);
  }
  c[n] = net_connect(r.loop, r.port, 1);
  net_send_hex(c[n], "010000027b7d");
  UNTIL(r.loop, net_ended(c[n]));
  fake_script_expect(&r.script, "");
  for (int i = 0; i <= n; i++) net_close(r.loop, c[i]);
  UNTIL(r.loop, pml_sessions_count(pml_node_sessions(r.node)) == 0);
  real_close(&r);
}

static void ban_everybody_here(real *r) {
  pml_ban *v = pml_alloc0(sizeof *v);
  CHECK_EQ(pml_cidr_parse(pml_slice_str("127.0.0.0/8"), &v->net, NULL), 0);
  v->reason = pml_buf_from("spam", 4);
  v->body = pml_buf_from("{\"code\":403}", 12);
  pml_banned_set(r->node, v, 1);
}

TEST(frontend_refuses_a_banned_address_before_its_scripts) {
  real r;
  real_open(&r);
  ban_everybody_here(&r);
  net_client *c = net_connect(r.loop, r.port, 1);
  net_send_hex(c, "010000027b7d");
  UNTIL(r.loop, net_ended(c));
  CHECK_BYTES(c->in + 4, c->n - 4, "{\"code\":403}");
  CHECK_EQ(c->in[0], PML_PKG_HANDSHAKE);
  fake_script_expect(&r.script, "");
  net_close(r.loop, c);
  UNTIL(r.loop, node_count(r.node, "closedBanned") == 1);
  CHECK_EQ(node_count(r.node, "closedHandshake"), 0);
  real_close(&r);
}

TEST(frontend_ends_those_who_are_there_when_their_address_is_banned) {
  real r;
  real_open(&r);
  net_client *c = net_connect(r.loop, r.port, 1);
  greet(&r, c);
  pml_session *s = pml_sessions_get(pml_node_sessions(r.node), r.script.session);
  s->wants_closed = 1;
  UNTIL(r.loop, s->ready);
  CHECK_EQ(pml_frontend_end_banned(r.node), 0);
  ban_everybody_here(&r);
  CHECK_EQ(pml_frontend_end_banned(r.node), 1);
  CHECK_EQ(pml_frontend_end_banned(r.node), 0);
  UNTIL(r.loop, net_ended(c));
  CHECK_BYTES(c->in + 4, c->n - 4, "{\"reason\":\"spam\"}");
  net_close(r.loop, c);
  UNTIL(r.loop, r.script.calls == 2);
  fake_script_expect(&r.script, "closed uid=- settings= banned\n");
  real_close(&r);
}

TEST(frontend_refuses_a_handshake_for_a_reason) {
  real r;
  real_open(&r);
  net_client *c = net_connect(r.loop, r.port, 1);
  net_send_hex(c, "010000027b7d");
  UNTIL(r.loop, strstr(r.script.text, "handshake"));
  pml_id sid = r.script.session;
  CHECK_EQ(pml_frontend_refuse(r.node, sid, 403, pml_slice_str("{}"), PML_END_BANNED), 0);
  CHECK_EQ(pml_frontend_refuse(r.node, 12345, 403, pml_slice_str("{}"), PML_END_BANNED),
           PML_ENOENT);
  UNTIL(r.loop, net_ended(c));
  CHECK_BYTES(c->in + 4, c->n - 4, "{}");
  net_close(r.loop, c);
  UNTIL(r.loop, node_count(r.node, "closedBanned") == 1);
  fake_script_expect(&r.script, "handshake {}\n");
  real_close(&r);
}

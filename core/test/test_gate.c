/* Over real sockets: every client is 127.0.0.1, or 127.0.0.<n> where it binds its own end. */
#include "net/gate.h"

#include "base/throttle.h"

#include "test/conn_world.h"

static pml_cidr_list *list(const char *a, const char *b) {
  pml_cidr v[2];
  const char *const text[] = {a, b};
  uint32_t n = b ? 2 : 1;
  for (uint32_t i = 0; i < n; i++) CHECK_EQ(pml_cidr_parse(pml_slice_str(text[i]), &v[i], NULL), 0);
  return pml_cidr_list_new(v, n);
}

static void begin_gate(world *w, const pml_gate *g) {
  memset(w, 0, sizeof *w);
  pml_conns_options o = options(w);
  o.gate = g;
  start(w, &o);
}

/* Begins to connect from 127.0.0.<last>. */
static net_client *call_from(world *w, int last) {
  net_client *c = pml_alloc0(sizeof *c);
  struct sockaddr_in to, own;
  char text[16];
  snprintf(text, sizeof text, "127.0.0.%d", last);
  uv_ip4_addr("127.0.0.1", pml_listener_port(w->s), &to);
  uv_ip4_addr(text, 0, &own);
  uv_tcp_init(pml_loop_uv(w->l), &c->tcp);
  CHECK_EQ(uv_tcp_bind(&c->tcp, (struct sockaddr *)&own, 0), 0);
  c->tcp.data = c->req.data = c;
  uv_tcp_connect(&c->req, &c->tcp, (struct sockaddr *)&to, net_on_connect);
  UNTIL(w->l, c->up);
  return c;
}

static net_client *dial_from(world *w, int last) {
  net_client *c = call_from(w, last);
  CHECK_EQ(c->up, 1);
  net_read(c);
  return c;
}

static void opens(world *w, net_client *c) {
  int before = w->opened;
  net_send(c, "\1", 1);
  UNTIL(w->l, w->opened == before + 1);
}

/* A reset: it may be there before the client has heard that it is connected. */
static void is_refused(world *w, int last) {
  net_client *c = call_from(w, last);
  if (c->up == 1) {
    net_read(c);
    UNTIL(w->l, net_ended(c));
    CHECK_EQ(c->error, UV_ECONNRESET);
  } else {
    CHECK_EQ(c->up, UV_ECONNRESET);
  }
  net_close(w->l, c);
}

#define COUNTS pml_conns_counts(w.all)

TEST(gate_without_one_everybody_comes_in) {
  world w;
  begin(&w);
  CHECK(!pml__gate_asks(w.all));
  net_client *c = dial(&w);
  opens(&w, c);
  CHECK_EQ(pml_conns_addresses(w.all), 0);
  finish(&w, c);
}

TEST(gate_an_address_has_so_many_connections) {
  world w;
  pml_gate g = {.limits = {.connections = 2, .loopback = 1}};
  begin_gate(&w, &g);
  net_client *a = dial(&w), *b = dial(&w), *other;
  opens(&w, a);
  opens(&w, b);
  is_refused(&w, 1);
  other = dial_from(&w, 9);
  opens(&w, other);
  CHECK_EQ(COUNTS->address_connections, 1);
  CHECK_EQ(COUNTS->accepted, 3);
  CHECK_EQ(pml_conns_addresses(w.all), 2);
  net_close(w.l, a);
  UNTIL(w.l, pml_conns_count(w.all) == 2);
  a = dial(&w);
  opens(&w, a);
  net_close(w.l, a);
  net_close(w.l, other);
  finish(&w, b);
}

TEST(gate_a_connection_is_unfinished_until_its_handshake_is_over) {
  world w;
  pml_gate g = {.limits = {.handshakes = 1, .loopback = 1}};
  begin_gate(&w, &g);
  net_client *a = dial(&w), *b;
  opens(&w, a);
  is_refused(&w, 1);
  CHECK_EQ(COUNTS->address_handshakes, 1);
  pml_conn_finished(w.c);
  pml_conn_finished(w.c); /* harmless */
  b = dial(&w);
  opens(&w, b);
  net_close(w.l, b);
  finish(&w, a);
}

TEST(gate_an_address_brings_so_many_a_second) {
  world w;
  pml_gate g = {.limits = {.per_second = 2, .loopback = 1}};
  begin_gate(&w, &g);
  net_client *a = dial(&w), *b = dial(&w);
  opens(&w, a);
  opens(&w, b);
  is_refused(&w, 1);
  CHECK_EQ(COUNTS->address_per_second, 1);
  net_close(w.l, b);
  finish(&w, a);
}

TEST(gate_loopback_is_counted_when_it_is_asked_for) {
  world w;
  pml_gate g = {.limits = {.connections = 1, .per_second = 1, .handshakes = 1}};
  begin_gate(&w, &g);
  net_client *a = dial(&w), *b = dial(&w);
  opens(&w, a);
  opens(&w, b);
  CHECK_EQ(pml_conns_addresses(w.all), 0);
  net_close(w.l, b);
  finish(&w, a);
}

TEST(gate_lists_say_who_comes_in) {
  world w;
  pml_gate g = {.deny = list("127.0.0.8/30", NULL)};
  begin_gate(&w, &g);
  is_refused(&w, 9);
  net_client *a = dial_from(&w, 12);
  opens(&w, a);
  CHECK_EQ(COUNTS->address_denied, 1);
  g.allow = list("127.0.0.1", "127.0.0.9");
  is_refused(&w, 9); /* both: denied */
  is_refused(&w, 12);
  net_client *b = dial(&w);
  opens(&w, b);
  net_close(w.l, b);
  pml_cidr_list_free(g.allow);
  pml_cidr_list_free(g.deny);
  g.allow = g.deny = NULL;
  finish(&w, a);
}

TEST(gate_who_is_there_and_denied_later_ends) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g);
  net_client *a = dial(&w), *b = dial_from(&w, 9);
  opens(&w, a);
  opens(&w, b);
  g.deny = list("127.0.0.9", NULL);
  pml_conns_ask_again(w.all);
  UNTIL(w.l, net_ended(b));
  net_close(w.l, b);
  UNTIL(w.l, w.ended == 1);
  CHECK_EQ(w.why, PML_END_ADDRESS);
  CHECK_STR(pml_end_name(w.why), "address");
  CHECK_EQ(COUNTS->address, 1);
  pml_cidr_list_free(g.deny);
  g.deny = NULL;
  finish(&w, a);
}

static uint64_t no_time(void *ud) {
  (void)ud;
  return 1;
}

static int lines;
static void on_line(pml_level level, const char *text, void *ud) {
  (void)level, (void)ud;
  lines += strstr(text, "refused a client of 127.0.0.1: ") != NULL;
}

TEST(gate_the_log_has_one_line_for_an_address) {
  world w;
  pml_log log;
  pml_gate g = {.limits = {.connections = 1, .loopback = 1}};
  pml_log_init(&log, "c1", PML_DEBUG, 0);
  log.on_line = on_line;
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.gate = &g;
  o.log = &log;
  log.throttle = pml_throttle_new(&(pml_throttle_hooks){no_time, NULL, NULL});
  start(&w, &o);
  net_client *a = dial(&w);
  opens(&w, a);
  for (int i = 0; i < 5; i++) is_refused(&w, 1);
  CHECK_EQ(lines, 1);
  CHECK_EQ(COUNTS->address_connections, 5);
  finish(&w, a);
  pml_throttle_free(log.throttle);
}

/* ---- pages ---- */

#define HEAD_OF(headers) \
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" headers "\r\n"

static int status_of(world *w, const char *head) {
  net_client *c = dial(w);
  net_send(c, head, strlen(head));
  UNTIL(w->l, c->n > 12);
  int status = atoi((char *)c->in + 9);
  net_close(w->l, c);
  UNTIL(w->l, pml_conns_count(w->all) == 0);
  return status;
}

TEST(gate_pages_of_other_origins_are_forbidden) {
  world w;
  char why[PML_ORIGIN_WHY];
  pml_slice entry = pml_slice_str("https://game.example");
  pml_gate g = {.origins = pml_origins_new(&entry, 1, why)};
  begin_gate(&w, &g);
  CHECK_EQ(status_of(&w, HEAD_OF("Origin: https://game.example\r\n")), 101);
  CHECK_EQ(status_of(&w, HEAD_OF("Origin: https://evil.example\r\n")), 403);
  CHECK_EQ(status_of(&w, HEAD_OF("Origin: null\r\n")), 403);
  CHECK_EQ(status_of(&w, HEAD_OF("Origin: https://game.example\r\nOrigin: x\r\n")), 403);
  CHECK_EQ(status_of(&w, HEAD_OF("")), 101); /* no browser */
  CHECK_EQ(COUNTS->origins, 3);
  pml_origins_free(g.origins);
  g.origins = NULL;
  CHECK_EQ(status_of(&w, HEAD_OF("Origin: https://evil.example\r\n")), 101);
  net_finish(w.l, w.all, w.s);
}

TEST(gate_heads_are_kept_when_somebody_reads_them) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  UNTIL(w.l, w.opened == 1);
  CHECK_EQ(pml_conn_head(w.c).n, 0);
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  g.keep_heads = 1;
  c = net_connect_ws(w.l, pml_listener_port(w.s));
  UNTIL(w.l, w.opened == 2);
  CHECK(pml_slice_eq(pml_conn_head(w.c), pml_slice_str(NET_UPGRADE)));
  pml_conn_forget_head(w.c);
  CHECK_EQ(pml_conn_head(w.c).n, 0);
  finish(&w, c);
}

TEST(gate_long_heads_are_kept_in_part) {
  world w;
  pml_gate g = {.keep_heads = 1};
  char head[16000] = HEAD_OF("");
  size_t n = strlen(head) - 2;
  begin_gate(&w, &g);
  for (int i = 0; i < 100; i++)
    n += (size_t)snprintf(head + n, sizeof head - n, "A%02d: %090d\r\n", i, i);
  memcpy(head + n, "\r\n", 3);
  net_client *c = dial(&w);
  net_send(c, head, n + 2);
  UNTIL(w.l, w.opened == 1);
  pml_slice kept = pml_conn_head(w.c);
  CHECK(kept.n <= 8192 && kept.n > 8192 - 100 && kept.p[kept.n - 1] == '\n');
  CHECK(!memcmp(kept.p, head, kept.n));
  finish(&w, c);
}

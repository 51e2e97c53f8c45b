#include "base/err.h"
#include "net/gate.h"
#include "test/tls_client.h"

static pml_cidr_list *list(const char *text) {
  pml_cidr c;
  CHECK_EQ(pml_cidr_parse(pml_slice_str(text), &c, NULL), 0);
  return pml_cidr_list_new(&c, 1);
}

static void begin_gate(world *w, pml_gate *g, const char *trusted) {
  memset(w, 0, sizeof *w);
  pml_conns_options o = options(w);
  g->trusted = list(trusted);
  o.gate = g;
  start(w, &o);
}

static void finish_gate(world *w, pml_gate *g, net_client *c) {
  if (c) finish(w, c);
  else net_finish(w->l, w->all, w->s);
  pml_cidr_list_free(g->trusted);
  pml_cidr_list_free(g->deny);
}

static void is_from(world *w, const char *ip, int port) {
  char text[PML_ADDRESS_TEXT];
  int number;
  pml_conn_address(w->c, text, &number);
  CHECK_STR(text, ip);
  if (port >= 0) CHECK_EQ(number, port);
}

#define LINE "PROXY TCP4 1.2.3.4 5.6.7.8 5555 443\r\n"
#define COUNTS pml_conns_counts(w.all)

TEST(proxied_a_trusted_proxy_tells_the_address) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *c = dial(&w);
  net_send(c, LINE "\1ab", strlen(LINE) + 3);
  UNTIL(w.l, w.n == 3);
  CHECK_BYTES(w.got, 3, "\1ab");
  is_from(&w, "1.2.3.4", 5555);
  CHECK_EQ(COUNTS->proxied, 1);
  finish_gate(&w, &g, c);
}

TEST(proxied_the_header_comes_in_pieces) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g, "127.0.0.0/8");
  net_client *c = dial(&w);
  for (size_t i = 0; i < strlen(LINE); i++) {
    uint64_t before = COUNTS->bytes_in;
    net_send(c, &LINE[i], 1);
    UNTIL(w.l, COUNTS->bytes_in == before + 1);
  }
  CHECK_EQ(w.opened, 0);
  net_send(c, "\2x", 2);
  UNTIL(w.l, w.n == 2);
  is_from(&w, "1.2.3.4", 5555);
  finish_gate(&w, &g, c);
}

TEST(proxied_binary_and_then_a_websocket) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *c = dial(&w);
  net_send_hex(c,
               "0d0a0d0a000d0a515549540a"
               "2121002420010db800000000000000000000000120010db8000000000000000000000002d90301bb");
  net_send(c, NET_UPGRADE, strlen(NET_UPGRADE));
  UNTIL(w.l, w.opened == 1);
  CHECK(pml_conn_is_ws(w.c));
  is_from(&w, "2001:db8::1", 55555);
  finish_gate(&w, &g, c);
}

TEST(proxied_the_header_stands_before_tls) {
  world w;
  pml_gate g = {.limits = {.handshakes = 1}};
  begin_gate(&w, &g, "127.0.0.1");
  pml_tls *t = tls_load();
  pml_tls_facts facts;
  pml_conns_set_tls(w.all, t, 1);
  pml_tls_unref(t);
  tls_client *c = tls_new(&w, 0);
  SSL_set_tlsext_host_name(c->ssl, "localhost");
  net_send(c->net, LINE, strlen(LINE));
  TLS_UNTIL(&w, c, SSL_is_init_finished(c->ssl));
  tls_write(c, "\1ab", 3);
  UNTIL(w.l, w.n == 3);
  is_from(&w, "1.2.3.4", 5555);
  CHECK(pml_conn_encryption(w.c, &facts));
  CHECK_STR(facts.version, "TLSv1.3");
  CHECK_STR(facts.name, "localhost");
  CHECK_STR(facts.cipher, SSL_get_cipher_name(c->ssl));
  /* Its handshake is under way until Pomelo's is over: no other of that address begins. */
  net_client *other = dial(&w);
  net_send(other, LINE "\x16", strlen(LINE) + 1);
  UNTIL(w.l, net_ended(other));
  CHECK_EQ(COUNTS->address_handshakes, 1);
  net_close(w.l, other);
  tls_free(&w, c);
  finish_gate(&w, &g, NULL);
}

TEST(proxied_a_proxy_need_not_send_a_header) {
  static const char *const first[] = {"\1a", "\3", "GET / HTTP/1.1\r\n\r\n", "P", "PR"};
  for (int i = 0; i < 5; i++) {
    world w;
    pml_gate g = {0};
    begin_gate(&w, &g, "127.0.0.1");
    net_client *c = dial(&w);
    net_send(c, first[i], strlen(first[i]));
    if (i < 2) {
      UNTIL(w.l, w.opened == 1);
      is_from(&w, "127.0.0.1", -1);
    } else {
      UNTIL(w.l, COUNTS->bytes_in > 0);
      if (i > 2) net_send(c, "OST / HTTP/1.1\r\n\r\n", 18); /* POST, and what is no method */
      UNTIL(w.l, c->n > 12);
      CHECK_BYTES(c->in, 12, "HTTP/1.1 426");
    }
    CHECK_EQ(COUNTS->proxied, 0);
    finish_gate(&w, &g, c);
  }
}

TEST(proxied_the_proxy_itself_is_a_client_too) {
  world w;
  pml_gate g = {.limits = {.connections = 1, .handshakes = 1, .per_second = 1, .loopback = 1}};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *a = dial(&w), *b = dial(&w);
  net_send_hex(a, "0d0a0d0a000d0a515549540a20000000"
                  "01");
  UNTIL(w.l, w.opened == 1);
  is_from(&w, "127.0.0.1", -1);
  net_send(b, "PROXY UNKNOWN\r\n\1", 16);
  UNTIL(w.l, w.opened == 2);
  is_from(&w, "127.0.0.1", -1);
  CHECK_EQ(pml_conns_addresses(w.all), 0);
  net_close(w.l, b);
  finish_gate(&w, &g, a);
}

TEST(proxied_a_header_that_is_wrong_ends_the_connection) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *c = dial(&w);
  net_send(c, "PROXY TCP4 junk\r\n", 17);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(COUNTS->protocol, 1);
  CHECK_EQ(w.opened, 0);
  finish_gate(&w, &g, c);
}

TEST(proxied_a_stranger_may_not_send_a_header) {
  static const char *const hex[] = {"50524f58592054435034", "0d0a0d0a000d0a515549540a20000000"};
  for (int i = 0; i < 2; i++) {
    world w;
    pml_gate g = {0};
    begin_gate(&w, &g, "10.0.0.0/8");
    net_client *c = dial(&w);
    net_send_hex(c, hex[i]);
    UNTIL(w.l, net_ended(c));
    CHECK_EQ(COUNTS->protocol, 1);
    CHECK_EQ(c->n, 0);
    finish_gate(&w, &g, c);
  }
}

TEST(proxied_limits_and_lists_are_for_the_client) {
  world w;
  pml_gate g = {.limits = {.connections = 1}, .deny = list("6.0.0.0/8")};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *a = dial(&w), *b = dial(&w), *c = dial(&w), *d = dial(&w);
  net_send(a, LINE "\1", strlen(LINE) + 1);
  UNTIL(w.l, w.opened == 1);
  net_send(b, LINE "\1", strlen(LINE) + 1);
  UNTIL(w.l, net_ended(b));
  CHECK_EQ(COUNTS->address_connections, 1);
  net_send(c, "PROXY TCP4 6.6.6.6 5.6.7.8 5555 443\r\n\1", 38);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(COUNTS->address_denied, 1);
  UNTIL(w.l, COUNTS->address == 2);
  net_send(d, "PROXY TCP4 1.2.3.5 5.6.7.8 5555 443\r\n\1", 38);
  UNTIL(w.l, w.opened == 2);
  CHECK_EQ(pml_conns_addresses(w.all), 2);
  net_close(w.l, b);
  net_close(w.l, c);
  net_close(w.l, d);
  finish_gate(&w, &g, a);
}

TEST(proxied_who_is_denied_later_ends_behind_a_proxy_too) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *c = dial(&w);
  net_send(c, LINE "\1", strlen(LINE) + 1);
  UNTIL(w.l, w.opened == 1);
  g.deny = list("127.0.0.1"); /* the proxy: not asked */
  pml_conns_ask_again(w.all);
  CHECK(!pml_conn_closing(w.c));
  pml_cidr_list_free(g.deny);
  g.deny = list("1.2.3.0/24");
  pml_conns_ask_again(w.all);
  UNTIL(w.l, net_ended(c));
  finish_gate(&w, &g, c);
}

/* ---- X-Forwarded-For ---- */

#define HEAD_OF(headers) \
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" headers "\r\n"

static net_client *ask(world *w, const char *before, const char *head, int status) {
  char expected[16];
  net_client *c = dial(w);
  net_send(c, before, strlen(before));
  net_send(c, head, strlen(head));
  UNTIL(w->l, c->n > 12);
  snprintf(expected, sizeof expected, "HTTP/1.1 %d", status);
  CHECK_BYTES(c->in, 12, expected);
  return c;
}

TEST(proxied_x_forwarded_for_is_believed_from_a_proxy) {
  world w;
  pml_gate g = {.limits = {.connections = 1}, .deny = list("6.0.0.0/8")};
  begin_gate(&w, &g, "127.0.0.1");
  net_client *a = ask(&w, "", HEAD_OF("X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n"), 101);
  is_from(&w, "1.2.3.4", 0);
  net_client *b = ask(&w, "", HEAD_OF("X-Forwarded-For: 1.2.3.4\r\n"), 429);
  net_client *c = ask(&w, "", HEAD_OF("X-Forwarded-For: 6.6.6.6\r\n"), 403);
  net_client *d = ask(&w, "", HEAD_OF(""), 101);
  is_from(&w, "127.0.0.1", -1);
  CHECK_EQ(COUNTS->address_connections, 1);
  CHECK_EQ(COUNTS->address_denied, 1);
  net_close(w.l, b);
  net_close(w.l, c);
  net_close(w.l, d);
  finish_gate(&w, &g, a);
}

TEST(proxied_x_forwarded_for_of_a_stranger_is_nothing) {
  world w;
  pml_gate g = {0};
  begin_gate(&w, &g, "10.0.0.0/8");
  net_client *c = ask(&w, "", HEAD_OF("X-Forwarded-For: 1.2.3.4\r\n"), 101);
  is_from(&w, "127.0.0.1", -1);
  finish_gate(&w, &g, c);
}

/* Its address was counted as a client's. */
TEST(proxied_who_is_trusted_while_it_connects_is_a_proxy) {
  world w;
  pml_gate g = {.limits = {.connections = 1, .loopback = 1}};
  begin_gate(&w, &g, "10.0.0.0/8");
  net_client *a = dial(&w);
  UNTIL(w.l, pml_conns_count(w.all) == 1);
  pml_cidr_list *before = g.trusted;
  g.trusted = list("127.0.0.1");
  net_send(a, HEAD_OF("X-Forwarded-For: 1.2.3.4\r\n"),
           strlen(HEAD_OF("X-Forwarded-For: 1.2.3.4\r\n")));
  UNTIL(w.l, w.opened == 1);
  is_from(&w, "1.2.3.4", 0);
  pml_cidr_list_free(g.trusted);
  g.trusted = before;
  net_close(w.l, a);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  net_client *b = ask(&w, "", HEAD_OF(""), 101);
  CHECK_EQ(COUNTS->address_connections, 0);
  finish_gate(&w, &g, b);
}

TEST(proxied_one_proxy_behind_another) {
  world w;
  pml_gate g = {.limits = {.connections = 5}};
  begin_gate(&w, &g, "127.0.0.0/8");
  net_client *a = ask(&w, "PROXY TCP4 127.9.9.9 5.6.7.8 5555 443\r\n",
                      HEAD_OF("X-Forwarded-For: 1.2.3.4\r\n"), 101);
  is_from(&w, "1.2.3.4", 0);
  CHECK_EQ(pml_conns_addresses(w.all), 1);
  CHECK_EQ(COUNTS->proxied, 1);
  /* What the client of a proxy writes is not believed. */
  net_client *b = ask(&w, LINE, HEAD_OF("X-Forwarded-For: 9.9.9.9\r\n"), 101);
  is_from(&w, "1.2.3.4", 5555);
  net_close(w.l, b);
  finish_gate(&w, &g, a);
}

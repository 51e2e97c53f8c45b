#include "test/tls_client.h"

#include "base/throttle.h"

static world w;

static const pml_net_counts *counts(void) { return pml_conns_counts(w.all); }

/* ---- the wrong words ---- */

static char line[1024];
static int lines;

static void on_line(pml_level level, const char *text, void *ud) {
  (void)level;
  (void)ud;
  if (!strstr(text, "on a")) return; /* also that a client was closed */
  snprintf(line, sizeof line, "%s", text);
  lines++;
}

static uint64_t now_0(void *ud) {
  (void)ud;
  return 0;
}

static void begin_logged(int tls, int required) {
  static pml_log log;
  pml_log_init(&log, "test", PML_INFO, 0);
  log.on_line = on_line;
  log.throttle = pml_throttle_new(&(pml_throttle_hooks){.now = now_0});
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.log = &log;
  start(&w, &o);
  if (!tls) return;
  pml_tls *t = tls_load();
  pml_conns_set_tls(w.all, t, required);
  pml_tls_unref(t);
}

static void end_logged(net_client *c) {
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  net_finish(w.l, w.all, w.s);
}

TEST(secure_plain_text_on_a_port_that_requires_tls_is_refused_with_one_line) {
  begin_logged(1, 1);
  net_client *c = dial(&w);
  net_send(c, "\4", 1);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(c->n, 0);
  CHECK(strstr(line, "plain text on a TLS port, from 127.0.0.1:") != NULL);
  net_client *http = dial(&w);
  net_send(http, NET_UPGRADE, strlen(NET_UPGRADE));
  UNTIL(w.l, net_ended(http));
  CHECK(http->n > 16 && memcmp(http->in, "HTTP/1.1 400 Bad", 16) == 0);
  const char *body = strstr((const char *)http->in, "\r\n\r\n");
  const char *length = strstr((const char *)http->in, "Content-Length: ");
  CHECK(body && length);
  CHECK_EQ(http->n - (size_t)((const uint8_t *)body + 4 - http->in), atoi(length + 16));
  net_close(w.l, http);
  CHECK_EQ(lines, 1);
  CHECK_EQ(counts()->tls_plain, 2);
  CHECK_EQ(w.opened, 0);
  tls_client *good = tls_connect(&w, 0);
  tls_write(good, "\4", 1);
  UNTIL(w.l, w.n == 1);
  tls_free(&w, good);
  end_logged(c);
}

TEST(secure_tls_on_a_port_without_it_is_refused_with_one_line) {
  begin_logged(0, 0);
  for (int i = 0; i < 3; i++) {
    net_client *c = dial(&w);
    net_send(c, "\x16\3\1", 3);
    UNTIL(w.l, net_ended(c));
    net_close(w.l, c);
  }
  CHECK(strstr(line, "TLS on a port without TLS, from 127.0.0.1:") != NULL);
  CHECK_EQ(lines, 1);
  CHECK_EQ(counts()->tls_not_spoken, 3);
  end_logged(dial(&w));
}

TEST(secure_what_is_no_hello_is_refused_before_a_handshake_begins) {
  tls_begin(&w);
  static const char *const bad[] = {"1603010000", "16030100ff02", "1602", "160301ffff",
                                    "1603010003"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    net_client *c = dial(&w);
    net_send_hex(c, bad[i]);
    net_send(c, "\xff", 1);
    UNTIL(w.l, net_ended(c));
    net_close(w.l, c);
  }
  CHECK_EQ(counts()->tls_hello, 5);
  CHECK_EQ(counts()->tls_begun, 0);
  CHECK_EQ(counts()->protocol, 5);
  finish(&w, dial(&w));
}

/* ---- certificates change ---- */

TEST(secure_connections_keep_the_certificate_that_they_began_with) {
  tls_begin(&w);
  tls_client *a = tls_connect(&w, 0);
  pml_tls *t = tls_load();
  pml_conns_set_tls(w.all, t, 0);
  pml_tls_unref(t);
  tls_client *b = tls_connect(&w, 0);
  X509 *of_a = SSL_get1_peer_certificate(a->ssl), *of_b = SSL_get1_peer_certificate(b->ssl);
  CHECK(X509_cmp(of_a, of_b) != 0);
  X509_free(of_a);
  X509_free(of_b);
  pml_conns_set_tls(w.all, NULL, 1); /* nothing is required of a port without a certificate */
  net_client *refused = dial(&w);
  net_send(refused, "\x16", 1);
  UNTIL(w.l, net_ended(refused));
  net_close(w.l, refused);
  net_client *plain = dial(&w);
  net_send(plain, "\4", 1);
  UNTIL(w.l, w.n == 1);
  tls_write(a, "\4", 1);
  tls_write(b, "\4", 1);
  UNTIL(w.l, w.n == 3);
  tls_free(&w, a);
  tls_free(&w, b);
  finish(&w, plain);
}

/* ---- time and turns ---- */

TEST(secure_the_deadline_covers_all_of_it) {
  static const char *const says[] = {"16", "160301020001"};
  tls_begin_with(&w, (pml_conn_limits){.upgrade_ms = 50}, 0);
  for (size_t i = 0; i < 2; i++) {
    net_client *c = dial(&w);
    net_send_hex(c, says[i]);
    UNTIL(w.l, net_ended(c));
    net_close(w.l, c);
  }
  CHECK_EQ(w.why, PML_END_HANDSHAKE);
  tls_client *silent = tls_new(&w, 0); /* a whole hello, and nothing more */
  tls_take(silent);
  tls_give(silent);
  UNTIL(w.l, net_ended(silent->net));
  CHECK_EQ(counts()->tls_begun, 1);
  UNTIL(w.l, counts()->tls_late == 1);
  tls_client *mute = tls_connect(&w, 0); /* all of TLS, and no package */
  TLS_UNTIL(&w, mute, net_ended(mute->net));
  CHECK_EQ(w.why, PML_END_HANDSHAKE);
  CHECK_EQ(counts()->handshake, 4);
  CHECK_EQ(counts()->tls_done, 1);
  tls_free(&w, silent);
  tls_finish(&w, mute);
}

TEST(secure_handshakes_over_the_limit_wait_and_nobody_is_refused) {
  tls_begin_with(&w, (pml_conn_limits){.tls_shakes = 2}, 0);
  enum { COUNT = 6 };
  tls_client *c[COUNT];
  size_t waiting;
  for (int i = 0; i < COUNT; i++) {
    c[i] = tls_new(&w, 0);
    tls_take(c[i]);
    tls_give(c[i]);
  }
  UNTIL(w.l, counts()->tls_begun == COUNT);
  CHECK_EQ(pml_conns_shaking(w.all, &waiting), 2);
  CHECK_EQ(waiting, 4);
  for (int i = 0; i < COUNT; i++) {
    TLS_UNTIL(&w, c[i], SSL_is_init_finished(c[i]->ssl));
    tls_write(c[i], "\4", 1);
    UNTIL(w.l, w.n == (size_t)i + 1);
  }
  CHECK_EQ(counts()->tls_done, COUNT);
  CHECK_EQ(pml_conns_shaking(w.all, &waiting) + waiting, 0);
  for (int i = 1; i < COUNT; i++) tls_free(&w, c[i]);
  tls_finish(&w, c[0]);
}

TEST(secure_those_who_are_silent_make_room_for_those_who_wait) {
  tls_begin_with(&w, (pml_conn_limits){.tls_shakes = 2}, 0);
  tls_client *silent[2], *gone;
  for (int i = 0; i < 2; i++) {
    silent[i] = tls_new(&w, 0);
    tls_take(silent[i]);
    tls_give(silent[i]);
  }
  UNTIL(w.l, counts()->tls_begun == 2);
  gone = tls_new(&w, 0);
  tls_take(gone);
  tls_give(gone);
  UNTIL(w.l, counts()->tls_begun == 3);
  tls_free(&w, gone); /* while it waits */
  tls_client *good = tls_connect(&w, 0);
  tls_write(good, "\4", 1);
  UNTIL(w.l, w.n == 1);
  CHECK(counts()->tls_late >= 1);
  UNTIL(w.l, net_ended(silent[0]->net));
  tls_free(&w, silent[0]);
  tls_free(&w, silent[1]);
  tls_finish(&w, good);
}

TEST(secure_a_client_that_leaves_in_its_handshake_is_counted) {
  tls_begin(&w);
  tls_client *c = tls_new(&w, 0);
  tls_take(c);
  tls_give(c);
  UNTIL(w.l, counts()->tls_begun == 1);
  tls_free(&w, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(counts()->tls_left, 1);
  CHECK_EQ(counts()->tls_done + counts()->tls_failed + counts()->tls_late, 0);
  net_finish(w.l, w.all, w.s);
}

TEST(secure_a_stop_ends_handshakes_that_are_under_way_and_that_wait) {
  enum { COUNT = 4 };
  tls_client *c[COUNT];
  int stopped = 0;
  tls_begin_with(&w, (pml_conn_limits){.tls_shakes = 2}, 0);
  for (int i = 0; i < COUNT; i++) {
    c[i] = tls_new(&w, 0);
    tls_take(c[i]);
    tls_give(c[i]);
  }
  UNTIL(w.l, counts()->tls_begun == COUNT);
  pml_conn_close_all(w.all, PML_END_ASKED, 1001);
  pml_listener_close(w.s);
  pml_conns_free(w.all, net_stopped, &stopped);
  UNTIL(w.l, stopped);
  for (int i = 0; i < COUNT; i++) tls_free(&w, c[i]);
  pml_loop_free(w.l);
}

TEST(secure_a_ticket_saves_the_next_handshake) {
  tls_begin(&w);
  tls_client *a = tls_connect(&w, 0);
  tls_write(a, "\4", 1);
  UNTIL(w.l, w.n == 1);
  send_of(w.c, "x", 1);
  TLS_UNTIL(&w, a, a->n == 5);
  SSL_SESSION *s = SSL_get1_session(a->ssl);
  tls_client *b = tls_new(&w, 0);
  SSL_set_session(b->ssl, s);
  TLS_UNTIL(&w, b, SSL_is_init_finished(b->ssl));
  UNTIL(w.l, counts()->tls_done == 2);
  CHECK_EQ(counts()->tls_resumed, 1);
  SSL_SESSION_free(s);
  tls_free(&w, a);
  tls_finish(&w, b);
}

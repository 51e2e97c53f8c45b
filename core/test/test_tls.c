#include "test/tls_client.h"

#include "net/conn_private.h"

static world w;

static void echoes(int version, int no_ring) {
  tls_begin_with(&w, (pml_conn_limits){.no_ring = no_ring}, 0);
  tls_client *c = tls_connect(&w, version);
  CHECK_EQ(SSL_version(c->ssl), version ? version : TLS1_3_VERSION);
  tls_write(c, "\4hello", 6);
  UNTIL(w.l, w.n == 6);
  CHECK_BYTES(w.got, 6, "\4hello");
  send_of(w.c, "world", 5);
  TLS_UNTIL(&w, c, c->n == 9);
  CHECK_BYTES(c->got + 4, 5, "world");
  net_client *plain = dial(&w);
  net_send(plain, "\4", 1);
  UNTIL(w.l, w.n == 7);
  send_of(w.c, "plain", 5);
  UNTIL(w.l, plain->n == 9);
  CHECK_BYTES(plain->in + 4, 5, "plain");
  net_close(w.l, plain);
  UNTIL(w.l, pml_conns_count(w.all) == 1);
  tls_finish(&w, c);
}

TEST(tls_1_3_beside_plain_on_one_port) { echoes(0, 0); }
TEST(tls_1_2_beside_plain_on_one_port) { echoes(TLS1_2_VERSION, 0); }
TEST(tls_without_the_ring) { echoes(0, 1); }

TEST(tls_older_versions_are_refused) {
  tls_begin(&w);
  tls_client *c = tls_new(&w, TLS1_1_VERSION);
  SSL_set_cipher_list(c->ssl, "ALL:@SECLEVEL=0");
  TLS_UNTIL(&w, c, c->error);
  CHECK_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
  CHECK_EQ(pml_conns_counts(w.all)->tls_failed, 1);
  tls_finish(&w, c);
}

/* Sends all that the client has to say, one byte in a turn. */
static void trickle(tls_client *c) {
  char *p;
  long n = BIO_get_mem_data(c->out, &p);
  for (long i = 0; i < n; i++) {
    net_send(c->net, p + i, 1);
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  }
  (void)BIO_reset(c->out);
}

static void one_byte_at_a_time(int version) {
  tls_begin(&w);
  tls_client *c = tls_new(&w, version);
  while (tls_take(c), !SSL_is_init_finished(c->ssl)) {
    if (BIO_ctrl_pending(c->out)) trickle(c);
    else uv_run(pml_loop_uv(w.l), UV_RUN_ONCE);
  }
  CHECK_EQ(SSL_write(c->ssl, "\4hello", 6), 6);
  trickle(c);
  UNTIL(w.l, w.n == 6);
  CHECK_BYTES(w.got, 6, "\4hello");
  tls_finish(&w, c);
}

TEST(tls_1_3_one_byte_at_a_time) { one_byte_at_a_time(0); }
TEST(tls_1_2_one_byte_at_a_time) { one_byte_at_a_time(TLS1_2_VERSION); }

TEST(tls_a_hello_in_two_records_is_one) {
  tls_begin(&w);
  tls_client *c = tls_new(&w, 0);
  tls_take(c);
  uint8_t *p, head[5] = {0x16, 3, 1, 0, 100};
  long n = BIO_get_mem_data(c->out, &p);
  CHECK(n > 200);
  net_send(c->net, head, 5);
  net_send(c->net, p + 5, 100);
  size_t rest = (size_t)n - 105;
  head[3] = (uint8_t)(rest >> 8);
  head[4] = (uint8_t)rest;
  net_send(c->net, head, 5);
  net_send(c->net, p + 105, rest);
  (void)BIO_reset(c->out);
  TLS_UNTIL(&w, c, SSL_is_init_finished(c->ssl));
  UNTIL(w.l, pml_conns_counts(w.all)->tls_done == 1);
  tls_finish(&w, c);
}

TEST(tls_garbage_behind_the_hello_is_refused) {
  tls_begin(&w);
  tls_client *c = tls_new(&w, 0);
  tls_take(c);
  static char garbage[600];
  memset(garbage, 'x', sizeof garbage);
  BIO_write(c->out, garbage, sizeof garbage);
  tls_give(c);
  UNTIL(w.l, w.ended && net_ended(c->net));
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  CHECK_EQ(w.opened, 0);
  CHECK_EQ(pml_conns_counts(w.all)->tls_failed, 1);
  tls_finish(&w, c);
}

TEST(tls_a_changed_record_ends_it_and_nothing_of_it_is_taken) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4hello", 6);
  UNTIL(w.l, w.n == 6);
  CHECK_EQ(SSL_write(c->ssl, "more", 4), 4);
  char *p;
  BIO_get_mem_data(c->out, &p);
  p[7] ^= 1;
  tls_give(c);
  TLS_UNTIL(&w, c, w.ended && c->error);
  CHECK_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  CHECK_EQ(w.n, 6);
  CHECK_EQ(pml_conns_counts(w.all)->tls_broken, 1);
  tls_finish(&w, c);
}

TEST(tls_renegotiation_ends_it) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, TLS1_2_VERSION);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  CHECK_EQ(SSL_renegotiate(c->ssl), 1);
  SSL_do_handshake(c->ssl);
  tls_give(c);
  UNTIL(w.l, w.ended && net_ended(c->net));
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  CHECK_EQ(pml_conns_counts(w.all)->tls_renegotiations, 1);
  tls_finish(&w, c);
}

TEST(tls_new_keys_are_agreed_on) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    tls_write(c, "\4", 1);
    UNTIL(w.l, w.n == (size_t)i + 1);
    send_of(w.c, "x", 1);
    TLS_UNTIL(&w, c, c->n == 5 * ((size_t)i + 1));
  }
  CHECK_EQ(w.ended, 0);
  tls_finish(&w, c);
}

/* Each costs the server some twenty microseconds, and the client 27 bytes. */
TEST(tls_a_client_that_asks_for_keys_again_and_again_is_closed) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4hello", 6);
  UNTIL(w.l, w.n == 6);
  for (int i = 0; i < 200; i++) {
    CHECK_EQ(SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    SSL_do_handshake(c->ssl);
  }
  uint64_t out = pml_conns_counts(w.all)->bytes_out;
  tls_give(c);
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  CHECK_EQ(pml_conns_counts(w.all)->tls_broken, 1);
  CHECK(pml_conns_counts(w.all)->bytes_out - out < 100 * 27);
  tls_finish(&w, c);
}

TEST(tls_who_sends_much_may_ask_for_keys_often) {
  static uint8_t bytes[16384] = {4};
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  for (size_t i = 1; i <= 10; i++) {
    for (int k = 0; k < 14; k++) {
      CHECK_EQ(SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      SSL_do_handshake(c->ssl);
    }
    tls_write(c, bytes, sizeof bytes);
    UNTIL(w.l, w.n == i * sizeof bytes);
  }
  CHECK_EQ(w.ended, 0);
  tls_finish(&w, c);
}

/* Five bytes make OpenSSL keep 16 KiB. */
static void cut_in(const char *hex, const char *before) {
  tls_begin_with(&w, (pml_conn_limits){.package_ms = 100}, 0);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  CHECK_EQ(pml_conns_held(w.all), 0);
  if (*before) tls_write(c, before, strlen(before));
  net_send_hex(c->net, hex);
  UNTIL(w.l, pml_conns_held(w.all) > 16384);
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_PACKAGE);
  tls_finish(&w, c);
}
TEST(tls_a_record_must_come_to_its_end) { cut_in("1703034000", ""); }
TEST(tls_the_head_of_a_record_must_come_to_its_end) { cut_in("17", ""); }
TEST(tls_a_record_behind_others_must_come_to_its_end) { cut_in("1703034000ffff", "\4abc"); }

TEST(tls_a_record_that_was_cut_and_is_whole_is_under_way_no_more) {
  tls_begin_with(&w, (pml_conn_limits){.package_ms = 60}, 0);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  CHECK_EQ(SSL_write(c->ssl, "hello", 5), 5);
  char *p;
  long n = BIO_get_mem_data(c->out, &p);
  uint64_t before = pml_conns_counts(w.all)->bytes_in;
  net_send(c->net, p, (size_t)n - 3);
  UNTIL(w.l, pml_conns_counts(w.all)->bytes_in == before + (uint64_t)n - 3);
  CHECK(pml__conn_package(w.c) != 0);
  net_send(c->net, p + n - 3, 3);
  UNTIL(w.l, w.n == 6);
  CHECK_EQ(pml_conns_held(w.all), 0);
  (void)BIO_reset(c->out);
  CHECK_EQ(pml__conn_package(w.c), 0);
  tls_finish(&w, c);
}

TEST(tls_a_cut_hello_is_held) {
  tls_begin(&w);
  net_client *c = dial(&w);
  net_send_hex(c, "16030140000100");
  for (int i = 1; i <= 3; i++) {
    uint8_t more[100] = {0};
    net_send(c, more, sizeof more);
    UNTIL(w.l, pml_conns_counts(w.all)->bytes_in == 7 + 100 * (uint64_t)i);
    CHECK_EQ(pml_conns_held(w.all), 7 + 100 * (uint64_t)i);
  }
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(pml_conns_held(w.all), 0);
  net_finish(w.l, w.all, w.s);
}

TEST(tls_another_connections_error_hurts_nobody) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4hello", 6);
  UNTIL(w.l, w.n == 6);
  for (int i = 0; i < 5; i++) {
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    tls_write(c, "more", 4);
    size_t n = w.n;
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    UNTIL(w.l, w.n > n);
    send_of(w.c, "world", 5);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    n = c->n;
    TLS_UNTIL(&w, c, c->n == n + 9);
  }
  CHECK_EQ(w.ended, 0);
  tls_finish(&w, c);
}

/* ---- what goes out ---- */

TEST(tls_one_record_and_one_system_call_per_turn) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  const pml_net_counts *n = pml_conns_counts(w.all);
  uint64_t writes = n->writes, bytes = n->bytes_out;
  pml_buf *f = pml_frame_of(4, "0123456789", 10);
  for (int i = 0; i < 100; i++) pml_conn_send(w.c, f);
  CHECK_EQ(atomic_load(&f->refs) > 1, 1);
  TLS_UNTIL(&w, c, c->n == 1400);
  CHECK_EQ(n->writes, writes + 1);
  CHECK_EQ(n->bytes_out, bytes + 1400 + 22); /* head, type and sum of one record */
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  tls_finish(&w, c);
}

TEST(tls_order_is_kept_when_the_socket_is_full) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_read_stop((uv_stream_t *)&c->net->tcp);
  enum { COUNT = 6000 };
  size_t expect = 0;
  static char text[3000];
  for (int i = 0; i < COUNT; i++) {
    size_t n = i % 5 == 0 ? 3000 : 40;
    memset(text, i & 255, n);
    send_of(w.c, text, n);
    expect += n + 4;
    if (i % 100 == 0) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  }
  CHECK(pml__conn_sealed(w.c) <= PML__TLS_RECORD + 22);
  net_read(c->net);
  TLS_UNTIL(&w, c, c->n == expect);
  size_t at = 0;
  for (int i = 0; i < COUNT; i++) {
    size_t n = i % 5 == 0 ? 3000 : 40;
    CHECK_EQ(c->got[at], 4);
    CHECK_EQ(c->got[at + 2] << 8 | c->got[at + 3], n);
    CHECK_EQ(c->got[at + 4], i & 255);
    CHECK_EQ(c->got[at + 3 + n], i & 255);
    at += n + 4;
  }
  CHECK(w.c->q == NULL);
  tls_finish(&w, c);
}

TEST(tls_one_message_may_be_long) {
  tls_begin_with(&w, (pml_conn_limits){.queue_hard = 100000}, 0);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  const size_t room = (size_t)4 << 20;
  char *text = test_room(room);
  send_of(w.c, text, room);
  send_of(w.c, text, 50000);
  TLS_UNTIL(&w, c, c->n == 4 + room + 4 + 50000);
  CHECK_EQ(w.ended, 0);
  tls_finish(&w, c);
}

TEST(tls_what_one_turn_has_is_offered_before_it_is_slow) {
  tls_begin_with(&w, (pml_conn_limits){.queue_hard = 200000}, 0);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  static char text[50000];
  for (int i = 0; i < 8; i++) send_of(w.c, text, sizeof text);
  CHECK(!pml_conn_closing(w.c));
  TLS_UNTIL(&w, c, c->n == 8 * 50004);
  tls_finish(&w, c);
}

TEST(tls_queue_of_a_client_that_does_not_read_is_bounded) {
  tls_begin_with(&w, (pml_conn_limits){.queue_hard = 1 << 20}, 0);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_read_stop((uv_stream_t *)&c->net->tcp);
  static char text[60000];
  pml_buf *f = pml_frame_of(4, text, sizeof text);
  size_t most = 0;
  while (!pml_conn_closing(w.c)) {
    pml_conn_send(w.c, f);
    size_t waits = pml__conn_sealed(w.c) + (w.c->q ? w.c->q->bytes : 0);
    if (waits > most) most = waits;
    if (!pml_conn_closing(w.c)) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  }
  CHECK(most <= (1 << 20) + 2 * sizeof text);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(w.why, PML_END_SLOW);
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  tls_finish(&w, c);
}

TEST(tls_latest_replaces_what_is_not_encrypted_yet) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  uv_read_stop((uv_stream_t *)&c->net->tcp);
  static char text[8000];
  pml_delivery how = pml_delivery_latest(pml_slice_str("onMove"), NULL);
  /* Until the socket takes nothing, and much is replaced behind that. */
  for (uint32_t i = 0; pml_conns_counts(w.all)->replaced < 100; i++) {
    memcpy(text, &i, sizeof i);
    pml_buf *f = pml_frame_of(4, text, sizeof text);
    pml_conn_offer(w.c, f, how);
    pml_buf_unref(f);
    if (i % 3 == 0) send_of(w.c, text, sizeof text);
    CHECK_EQ(w.c->keeps, 1);
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    if (w.c->full) CHECK(pml_conns_latest(w.all) <= 1);
  }
  uint32_t last = 0xabcdef;
  memcpy(text, &last, sizeof last);
  pml_buf *f = pml_frame_of(4, text, sizeof text);
  pml_conn_offer(w.c, f, how);
  pml_buf_unref(f);
  net_read(c->net);
  TLS_UNTIL(&w, c, c->n >= 8004 && memcmp(c->got + c->n - 8000, &last, sizeof last) == 0);
  for (size_t at = 0; at < c->n; at += 8004) CHECK_EQ(c->got[at], 4);
  CHECK_EQ(c->n % 8004, 0);
  CHECK_EQ(w.ended, 0);
  tls_finish(&w, c);
}

TEST(tls_a_fan_out_is_one_block_for_all) {
  tls_begin(&w);
  enum { COUNT = 30 };
  tls_client *c[COUNT];
  pml_conn *of[COUNT];
  for (int i = 0; i < COUNT; i++) {
    c[i] = tls_connect(&w, i % 2 ? TLS1_2_VERSION : 0);
    int opened = w.opened;
    tls_write(c[i], "\4", 1);
    UNTIL(w.l, w.opened > opened);
    of[i] = w.c;
  }
  pml_buf *f = pml_frame_of(4, "0123456789", 10);
  uint64_t writes = pml_conns_counts(w.all)->writes;
  for (int i = 0; i < COUNT; i++) pml_conn_send(of[i], f);
  uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  CHECK_EQ(pml_conns_counts(w.all)->writes, writes + COUNT);
  for (int i = 0; i < COUNT; i++) TLS_UNTIL(&w, c[i], c[i]->n == 14);
  CHECK_EQ(atomic_load(&f->refs), 1);
  pml_buf_unref(f);
  for (int i = 1; i < COUNT; i++) tls_free(&w, c[i]);
  tls_finish(&w, c[0]);
}

/* ---- what comes in ---- */

TEST(tls_many_records_of_one_read_are_all_taken) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  CHECK_EQ(SSL_write(c->ssl, "\4", 1), 1);
  for (int i = 0; i < 2000; i++) CHECK_EQ(SSL_write(c->ssl, "abc", 3), 3);
  tls_give(c);
  UNTIL(w.l, w.n == 6001);
  for (size_t i = 0; i < 6000; i++) CHECK_EQ(w.got[1 + i], "abc"[i % 3]);
  tls_finish(&w, c);
}

TEST(tls_long_records_are_all_taken) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  static char text[100000];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7 / 5);
  text[0] = 4;
  tls_write(c, text, sizeof text);
  UNTIL(w.l, w.n == sizeof text);
  CHECK(memcmp(w.got, text, sizeof text) == 0);
  tls_finish(&w, c);
}

/* ---- the end ---- */

TEST(tls_a_close_in_order_says_so) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  send_of(w.c, "last", 4);
  closing(&w, PML_END_ASKED, 0);
  TLS_UNTIL(&w, c, c->eof);
  CHECK_EQ(c->n, 8);
  CHECK_EQ(c->error, 0);
  UNTIL(w.l, c->net->eof);
  CHECK_EQ(w.why, PML_END_ASKED);
  tls_finish(&w, c);
}

TEST(tls_a_client_that_closes_in_order_is_answered) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4hello", 6);
  UNTIL(w.l, w.n == 6);
  SSL_shutdown(c->ssl);
  TLS_UNTIL(&w, c, c->eof);
  UNTIL(w.l, c->net->eof && pml_conns_count(w.all) == 0);
  CHECK_EQ(w.why, PML_END_PEER);
  tls_finish(&w, c);
}

TEST(tls_a_cut_record_is_not_taken) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, "\4hello", 6);
  UNTIL(w.l, w.n == 6);
  CHECK_EQ(SSL_write(c->ssl, "more", 4), 4);
  char *p;
  long n = BIO_get_mem_data(c->out, &p);
  net_send(c->net, p, (size_t)n - 1);
  tls_free(&w, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(w.n, 6);
  CHECK_EQ(w.why, PML_END_PEER);
  net_finish(w.l, w.all, w.s);
}

TEST(tls_a_websocket_is_closed_through_it) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  tls_write(c, NET_UPGRADE, strlen(NET_UPGRADE));
  TLS_UNTIL(&w, c, c->n > 4 && memcmp(c->got + c->n - 4, "\r\n\r\n", 4) == 0);
  CHECK(memcmp(c->got, "HTTP/1.1 101", 12) == 0);
  c->n = 0;
  send_of(w.c, "abc", 3);
  closing(&w, PML_END_ASKED, 1001);
  TLS_UNTIL(&w, c, c->n == 9 + 4);
  CHECK(test_hex_eq(c->got, c->n,
                    "8207040000036162638802"
                    "03e9"));
  CHECK_EQ(c->eof, 0); /* its close frame is awaited */
  static const uint8_t frame[] = {0x88, 0x82, 0, 0, 0, 0, 3, 0xe9};
  tls_write(c, frame, sizeof frame);
  TLS_UNTIL(&w, c, c->eof);
  UNTIL(w.l, c->net->eof);
  tls_finish(&w, c);
}

TEST(tls_an_idle_connection_without_a_word_is_closed_in_order) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, 0);
  UNTIL(w.l, pml_conns_counts(w.all)->tls_done == 1);
  pml_conn_close_all(w.all, PML_END_ASKED, 0);
  TLS_UNTIL(&w, c, c->eof);
  tls_finish(&w, c);
}

TEST(tls_what_it_says_last_is_offered_once) {
  tls_begin(&w);
  tls_client *c = tls_connect(&w, TLS1_2_VERSION);
  tls_write(c, "\4", 1);
  UNTIL(w.l, w.n == 1);
  shutdown(w.c->fd, SHUT_WR); /* what is written fails */
  SSL_renegotiate(c->ssl);
  SSL_do_handshake(c->ssl);
  tls_give(c);
  UNTIL(w.l, w.ended && pml_conns_count(w.all) == 0);
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  tls_finish(&w, c);
}

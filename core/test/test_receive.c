#include "base/err.h"
#include "test/conn_world.h"
#include "wire/ws_frame.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

static world w;

TEST(receive_first_byte_of_a_package_means_stream) {
  begin(&w);
  net_client *c = dial(&w);
  net_send(c, "\1", 1);
  UNTIL(w.l, w.n == 1);
  CHECK_EQ(w.opened, 1);
  CHECK_EQ(w.kind, PML_STREAM);
  CHECK_EQ(pml_conn_is_ws(w.c), 0);
  net_send(c, "\0\0\0", 3);
  UNTIL(w.l, w.n == 4);
  send_of(w.c, "hi", 2);
  UNTIL(w.l, c->n == 6);
  CHECK(test_hex_eq(c->in, 6, "040000026869"));
  finish(&w, c);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_PEER);
  CHECK_EQ(w.code, 0);
}

TEST(receive_other_first_byte_is_closed) {
  const char bad[] = {0, 6, 'a', '@', '[', 0x16, (char)0xff};
  for (size_t i = 0; i < sizeof bad; i++) {
    begin(&w);
    net_client *c = dial(&w);
    net_send(c, bad + i, 1);
    UNTIL(w.l, net_ended(c));
    CHECK_EQ(w.opened, 0);
    CHECK_EQ(w.ended, 1);
    CHECK_EQ(w.why, PML_END_PROTOCOL);
    CHECK_EQ(pml_conns_counts(w.all)->protocol, 1);
    finish(&w, c);
  }
}

TEST(receive_upgrades_byte_by_byte) {
  begin(&w);
  net_client *c = dial(&w);
  const char *req = NET_UPGRADE;
  for (size_t i = 0; req[i]; i++) {
    uint64_t before = pml_conns_counts(w.all)->bytes_in;
    net_send(c, req + i, 1);
    UNTIL(w.l, pml_conns_counts(w.all)->bytes_in == before + 1);
  }
  UNTIL(w.l, c->n > 12 && w.opened);
  CHECK(memcmp(c->in, "HTTP/1.1 101", 12) == 0);
  CHECK(pml_conn_is_ws(w.c));
  finish(&w, c);
  CHECK_EQ(w.why, PML_END_PEER);
  CHECK_EQ(w.code, PML_WS_ABNORMAL);
}

TEST(receive_frames_behind_the_upgrade_are_read) {
  begin(&w);
  net_client *c = dial(&w);
  char both[512];
  size_t n = strlen(NET_UPGRADE);
  memcpy(both, NET_UPGRADE, n);
  memcpy(both + n, "\x82\x82\0\0\0\0hi", 8);
  net_send(c, both, n + 8);
  UNTIL(w.l, w.messages == 1);
  CHECK_BYTES(w.got, w.n, "hi");
  CHECK_EQ(w.kind, PML_BINARY);
  finish(&w, c);
}

TEST(receive_plain_http_is_answered_and_closed) {
  begin(&w);
  net_client *c = dial(&w);
  const char *req = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  net_send(c, req, strlen(req));
  UNTIL(w.l, net_ended(c));
  CHECK(c->n > 12 && memcmp(c->in, "HTTP/1.1 426", 12) == 0);
  CHECK(c->eof);
  CHECK_EQ(w.opened, 0);
  UNTIL(w.l, w.ended == 1);
  CHECK_EQ(w.why, PML_END_HANDSHAKE);
  finish(&w, c);
}

TEST(receive_ws_messages_come_in_pieces) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  char big[60000];
  memset(big, 'x', sizeof big);
  net_send_frame(c, 0x01, big, sizeof big);
  net_send_frame(c, 0x89, "ping", 4);
  net_send_frame(c, 0x80, "end", 3);
  UNTIL(w.l, w.messages == 1);
  CHECK_EQ(w.n, sizeof big + 3);
  CHECK_EQ(w.kind, PML_TEXT);
  UNTIL(w.l, c->n == 6);
  CHECK(test_hex_eq(c->in, 6, "8a0470696e67"));
  net_send_frame(c, 0x82, "", 0);
  UNTIL(w.l, w.messages == 2);
  finish(&w, c);
}

TEST(receive_ws_close_frame_is_answered_with_its_code) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  net_send_frame(c, 0x88, "\x0f\xa1gone", 6);
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "88020fa1"));
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_PEER);
  CHECK_EQ(w.code, 4001);
  finish(&w, c);
}

TEST(receive_ws_close_frame_without_a_code_is_1005) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  net_send_frame(c, 0x88, "", 0);
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "8800"));
  CHECK_EQ(w.code, PML_WS_NO_STATUS);
  finish(&w, c);
}

TEST(receive_is_closed_for_what_on_bytes_returns) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  w.answer = PML_ETOOBIG;
  net_send_frame(c, 0x82, "x", 1);
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "880203f1"));
  CHECK_EQ(w.why, PML_END_TOOBIG);
  net_send_frame(c, 0x82, "x", 1);
  finish(&w, c);
  CHECK_EQ(w.messages, 1);

  begin(&w);
  c = dial(&w);
  w.answer = PML_EPROTO;
  net_send(c, "\4\0", 2);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  finish(&w, c);
}

TEST(receive_ws_protocol_error_is_told_in_the_close_frame) {
  begin(&w);
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  net_send(c, "\x82\x01x", 3); /* not masked */
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "880203ea"));
  CHECK_EQ(w.why, PML_END_PROTOCOL);
  finish(&w, c);
}

TEST(receive_busy_client_does_not_keep_others_waiting) {
  begin(&w);
  net_client *busy = dial(&w), *other = dial(&w);
  char text[4096];
  memset(text, 4, sizeof text);
  net_send(busy, text, sizeof text);
  net_send(other, "\5", 1);
  UNTIL(w.l, w.opened == 2);
  CHECK(w.n <= 2 * 512 + 1); /* 512 per turn in test builds */
  UNTIL(w.l, w.n == sizeof text + 1);
  net_close(w.l, other);
  finish(&w, busy);
}

/* Runs the loop in a thread of its own, which alone is forbidden to read from a socket. */
static void *without_memory(void *ud) {
  uint64_t from = uv_hrtime();
  forbid(__NR_recvfrom, *(int *)ud);
  while ((uv_hrtime() - from) / 1000000 < 40) {
    uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
    usleep(1000);
  }
  return NULL;
}

static void is_read_later(int err) {
  begin(&w);
  net_client *one = dial(&w), *two = dial(&w);
  net_send(one, "\4", 1);
  net_send(two, "\4", 1);
  UNTIL(w.l, w.n == 2);
  net_send(one, "one", 3);
  net_send(two, "two", 3);
  pthread_t t;
  CHECK_EQ(pthread_create(&t, NULL, without_memory, &err), 0);
  CHECK_EQ(pthread_join(t, NULL), 0);
  CHECK_EQ(w.n, 2);
  CHECK_EQ(w.ended, 0);
  UNTIL(w.l, w.n == 8);
  CHECK(memcmp(w.got + 2, "onetwo", 6) == 0 || memcmp(w.got + 2, "twoone", 6) == 0);
  net_send(one, "!", 1); /* and it goes on so */
  UNTIL(w.l, w.n == 9);
  CHECK_EQ(w.ended, 0);
  net_close(w.l, two);
  finish(&w, one);
}

TEST(receive_without_memory_reads_later) { is_read_later(ENOMEM); }
TEST(receive_without_buffers_reads_later) { is_read_later(ENOBUFS); }

TEST(receive_is_closed_while_it_waits_for_memory) {
  int err = ENOMEM;
  net_client *c = begin_with(&w, (pml_conn_limits){.linger_ms = 50}, 1);
  net_send(c, "x", 1);
  pthread_t t;
  CHECK_EQ(pthread_create(&t, NULL, without_memory, &err), 0);
  CHECK_EQ(pthread_join(t, NULL), 0);
  pml_conn_close(w.c, PML_END_ERROR, 0);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(w.ended, 1);
  finish(&w, c);
}

TEST(receive_that_cannot_read_ends_that_client_alone) {
  int err = EIO;
  begin(&w);
  net_client *bad = dial(&w), *good = dial(&w);
  net_send(bad, "\4", 1);
  net_send(good, "\4", 1);
  UNTIL(w.l, w.n == 2);
  net_send(bad, "x", 1);
  pthread_t t;
  CHECK_EQ(pthread_create(&t, NULL, without_memory, &err), 0);
  CHECK_EQ(pthread_join(t, NULL), 0);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.why, PML_END_ERROR);
  net_send(good, "y", 1);
  UNTIL(w.l, w.n == 3);
  CHECK_EQ(w.got[2], 'y');
  net_close(w.l, bad);
  finish(&w, good);
}

/* ---- time for what has begun ---- */

/* Sends `piece` every few milliseconds for ms, or until the connection ended. */
static void drip(net_client *c, const char *piece, size_t n, unsigned ms) {
  uint64_t from = uv_hrtime();
  while (!net_ended(c) && (uv_hrtime() - from) / 1000000 < ms) {
    net_send(c, piece, n);
    uint64_t at = uv_hrtime();
    while ((uv_hrtime() - at) / 1000000 < 10) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
  }
}

static net_client *begin_ws(uint32_t package_ms) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = options(&w);
  o.limits.package_ms = package_ms;
  start(&w, &o);
  return net_connect_ws(w.l, pml_listener_port(w.s));
}

static void is_too_late(net_client *c) {
  UNTIL(w.l, w.ended);
  CHECK_EQ(w.why, PML_END_PACKAGE);
  CHECK_EQ(pml_conns_counts(w.all)->package, 1);
  UNTIL(w.l, c->n >= 4 || c->error);
  if (!c->error) CHECK(memcmp(c->in + c->n - 4, "\x88\x02\x03\xf0", 4) == 0); /* 1008 */
  finish(&w, c);
}

TEST(receive_ws_frame_that_does_not_end_is_closed) {
  test_has_bounds_of_time();
  net_client *c = begin_ws(100);
  net_send(c, "\x82\xfe\x01\x00\1\2\3\4", 8); /* 256 bytes are to come */
  uint64_t from = uv_hrtime();
  drip(c, "x", 1, 2000);
  CHECK((uv_hrtime() - from) / 1000000 >= 95);
  is_too_late(c);
}

TEST(receive_ws_header_that_does_not_end_is_closed) {
  net_client *c = begin_ws(50);
  net_send(c, "\x82", 1);
  is_too_late(c);
}

TEST(receive_ws_message_that_does_not_end_is_closed_whatever_comes_between) {
  test_has_bounds_of_time();
  net_client *c = begin_ws(100);
  net_send_frame(c, 2, "begin", 5);
  drip(c, "\x89\x80\0\0\0\0\0\x81\0\0\0\0x", 13, 2000); /* a ping, and a fragment */
  is_too_late(c);
}

TEST(receive_ws_frames_one_after_the_other_have_their_own_time) {
  test_has_bounds_of_time();
  net_client *c = begin_ws(100);
  net_send(c, "\x82", 1);
  drip(c, "\x81\0\0\0\0x\x82", 7, 400); /* a frame ends, the next one begins */
  CHECK_EQ(w.ended, 0);
  CHECK(w.messages > 10);
  net_send(c, "\x81\0\0\0\0x", 6);
  drip(c, "", 0, 300); /* nothing is under way */
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

TEST(receive_ws_upload_on_a_slow_line_may_take_its_time) {
  test_has_bounds_of_time();
  net_client *c = begin_ws(100);
  net_send(c, "\x82\xfe\xff\xff\1\2\3\4", 8);
  static const char piece[100];
  drip(c, piece, sizeof piece, 400); /* 10,000 bytes a second */
  CHECK_EQ(w.ended, 0);
  CHECK_EQ(w.messages, 0);
  is_too_late(c); /* what came fast gives no more than package_ms */
}

TEST(receive_without_package_time_waits) {
  net_client *c = begin_ws(0);
  net_send(c, "\x82", 1);
  drip(c, "", 0, 200);
  CHECK_EQ(w.ended, 0);
  finish(&w, c);
}

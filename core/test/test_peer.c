#include "net/peer.h"

#include "base/err.h"
#include "test/net.h"
#include "wire/frame.h"
#include "wire/package.h"

/* A host that answers handshakes with `code`, at once or when told to. */
typedef struct {
  pml_loop *l;
  pml_conns *all;
  pml_listener *s;
  pml_peer_host h;
  pml_peer *p; /* the last one opened */
  int opened, handshakes, working, data, ended, code, later, data_answer, close_in_data;
  unsigned requests, notifies; /* behind the end */
  char body[256];
  pml_peer_end end;
  char reason[64];
  size_t nreason;
} world;

static void answer(world *w, pml_peer *p) {
  char json[64];
  snprintf(json, sizeof json, "{\"code\":%d}", w->code);
  pml_peer_handshake(p, w->code, pml_slice_str(json));
}
static void on_open(pml_peer *p, pml_peer_host *h) {
  world *w = h->ud;
  w->p = p;
  w->opened++;
  CHECK(pml_peer_of_user(pml_peer_user(p)) == p);
  *(world **)pml_peer_user(p) = w;
}
static void on_handshake(pml_peer *p, pml_slice body, pml_peer_host *h) {
  world *w = h->ud;
  CHECK(*(world **)pml_peer_user(p) == w);
  CHECK(body.n < sizeof w->body);
  memcpy(w->body, body.p, body.n);
  w->body[body.n] = 0;
  w->handshakes++;
  if (!w->later) answer(w, p);
}
static void on_working(pml_peer *p, pml_peer_host *h) {
  CHECK_EQ(pml_peer_state_of(p), PML_PEER_WORKING);
  ((world *)h->ud)->working++;
}
static int on_data(pml_peer *p, pml_slice body, pml_peer_host *h) {
  world *w = h->ud;
  CHECK(body.n < 70000);
  if (body.n < sizeof w->body) {
    memcpy(w->body, body.p, body.n);
    w->body[body.n] = 0;
  }
  w->data++;
  if (w->close_in_data) pml_peer_close(p, pml_slice_str("enough"));
  return w->data_answer;
}
static void on_end(pml_peer *p, const pml_peer_end *end, pml_peer_host *h) {
  world *w = h->ud;
  CHECK_EQ(pml_peer_state_of(p), PML_PEER_CLOSED);
  w->ended++;
  w->end = *end;
  w->nreason = end->reason.n;
  snprintf(w->reason, sizeof w->reason, "%.*s", (int)end->reason.n,
           end->reason.p ? (const char *)end->reason.p : "");
  if (!end->reason.p) strcpy(w->reason, "none");
}

static void on_behind(pml_peer_host *h, const pml_behind_counts *c) {
  ((world *)h->ud)->requests += c->requests;
  ((world *)h->ud)->notifies += c->notifies;
}

static world w;

static void prepare(void) {
  memset(&w, 0, sizeof w);
  w.code = 200;
  w.h = (pml_peer_host){
    .package_before = 100,
    .package_after = 1000,
    .handshake_ms = 4000,
    .on_open = on_open,
    .on_handshake = on_handshake,
    .on_working = on_working,
    .on_data = on_data,
    .on_end = on_end,
    .on_behind = on_behind,
    .ud = &w,
  };
}
static void start_with(const pml_conns_options *o) {
  w.l = pml_loop_new();
  CHECK((w.all = net_conns_new(w.l, o)) != NULL);
  CHECK_EQ(pml_listener_open(w.all, "127.0.0.1", 0, &w.s), 0);
}
static void start(void) {
  pml_conns_options o = {
    .max_conns = 10,
    .hooks = pml_peer_hooks(sizeof(world *)),
    .owner = &w.h,
  };
  start_with(&o);
}
static void begin(void) {
  prepare();
  start();
}
/* A package that has begun may take so long. */
static void begin_hasty(uint32_t ms) {
  prepare();
  pml_conns_options o = {
    .max_conns = 10,
    .hooks = pml_peer_hooks(sizeof(world *)),
    .owner = &w.h,
    .limits = {.package_ms = ms, .memory = 1 << 20},
  };
  start_with(&o);
}
static net_client *dial(void) { return net_connect(w.l, pml_listener_port(w.s), 1); }
static const pml_net_counts *counts(void) { return pml_conns_counts(w.all); }
static void finish(net_client *c) {
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(w.ended, w.opened);
  CHECK(w.h.beat == NULL);
  CHECK_EQ(w.h.peers, 0);
  net_finish(w.l, w.all, w.s);
}

#define SHAKE "010000027b7d"                     /* HANDSHAKE {} */
#define OK200 "0100000c7b22636f6465223a3230307d" /* HANDSHAKE {"code":200} */
#define ACK "02000000"
#define BEAT "03000000"

/* Sends, and waits until the peer has read it. */
static void say(net_client *c, const char *hex) {
  uint64_t want = counts()->bytes_in + strlen(hex) / 2;
  net_send_hex(c, hex);
  UNTIL(w.l, counts()->bytes_in >= want || pml_conns_count(w.all) == 0);
}
static void expect(net_client *c, const char *hex) {
  UNTIL(w.l, c->n >= strlen(hex) / 2 || net_ended(c));
  CHECK(test_hex_eq(c->in, c->n, hex));
  net_drop(c);
}
static net_client *working(void) {
  net_client *c = dial();
  say(c, SHAKE);
  expect(c, OK200);
  say(c, ACK);
  CHECK_EQ(w.working, 1);
  return c;
}

TEST(peer_shakes_hands_and_works) {
  begin();
  net_client *c = dial();
  say(c, "01");
  CHECK_EQ(w.opened, 1);
  CHECK_EQ(pml_peer_state_of(w.p), PML_PEER_INITED);
  say(c, "0000027b7d");
  CHECK_BYTES(w.body, strlen(w.body), "{}");
  expect(c, OK200);
  CHECK_EQ(pml_peer_state_of(w.p), PML_PEER_WAIT_ACK);
  say(c, ACK);
  CHECK_EQ(pml_peer_state_of(w.p), PML_PEER_WORKING);
  say(c, "04000003616263"
         "04000000"
         "0400000178");
  CHECK_EQ(w.data, 3);
  pml_buf *f = pml_frame_of(PML_PKG_DATA, "yes", 3);
  pml_peer_send(w.p, f);
  pml_buf_unref(f);
  expect(c, "04000003796573");
  finish(c);
  CHECK_EQ(w.end.why, PML_END_PEER);
  CHECK_EQ(w.end.is_ws, 0);
  CHECK_EQ(w.end.ws_code, 0);
  CHECK_EQ(w.end.had_error, 0);
}

/* The table of protocol 4.1. */
TEST(peer_ignores_what_the_state_does_not_take) {
  begin();
  w.later = 1;
  net_client *c = dial();
  say(c, ACK BEAT "0400000161");
  CHECK_EQ(pml_peer_state_of(w.p), PML_PEER_INITED);
  say(c, SHAKE SHAKE);
  CHECK_EQ(w.handshakes, 1);
  CHECK_EQ(pml_peer_state_of(w.p), PML_PEER_INITED);
  pml_buf *f = pml_frame_of(PML_PKG_DATA, "no", 2);
  pml_peer_send(w.p, f); /* dropped */
  answer(&w, w.p);
  answer(&w, w.p);
  expect(c, OK200);
  pml_peer_send(w.p, f); /* dropped */
  pml_buf_unref(f);
  say(c, SHAKE BEAT "0400000161");
  CHECK_EQ(w.data, 0);
  CHECK_EQ(w.handshakes, 1);
  say(c, ACK);
  CHECK_EQ(w.working, 1);
  say(c, ACK SHAKE BEAT "0400000161");
  CHECK_EQ(w.working, 1);
  CHECK_EQ(w.data, 1);
  CHECK_EQ(c->n, 0);
  CHECK(!net_ended(c));
  finish(c);
}

TEST(peer_kick_or_unknown_type_is_closed_in_every_state) {
  const char *bad[] = {"0500000161", "06000000", "00000000", "ff000000"};
  for (int state = 0; state < 3; state++) {
    for (int i = 0; i < 4; i++) {
      begin();
      net_client *c = dial();
      say(c, "04000000");
      if (state > 0) say(c, SHAKE);
      if (state > 1) say(c, ACK);
      net_send_hex(c, bad[i]);
      UNTIL(w.l, net_ended(c));
      CHECK_EQ(w.end.why, PML_END_PROTOCOL);
      CHECK_EQ(counts()->protocol, 1);
      finish(c);
    }
  }
}

TEST(peer_refused_handshake_is_answered_before_the_close) {
  begin();
  w.code = 501;
  net_client *c = dial();
  say(c, SHAKE ACK "0400000161");
  UNTIL(w.l, c->eof);
  CHECK(test_hex_eq(c->in, c->n, "0100000c7b22636f6465223a3530317d"));
  CHECK_EQ(w.working + w.data, 0);
  CHECK_EQ(w.end.why, PML_END_HANDSHAKE);
  CHECK_EQ(counts()->handshake, 1);
  finish(c);
}

TEST(peer_limits_packages_before_and_after_the_handshake) {
  begin();
  net_client *c = dial();
  net_send_hex(c, "01000065"); /* 101 */
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.end.why, PML_END_TOOBIG);
  CHECK_EQ(counts()->toobig, 1);
  finish(c);

  begin();
  c = working();
  uint8_t big[1004] = {4, 0, 3, 0xe8};
  net_send(c, big, sizeof big);
  UNTIL(w.l, w.data == 1);
  big[2] = 3;
  big[3] = 0xe9;
  net_send(c, big, 4);
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.end.why, PML_END_TOOBIG);
  finish(c);
}

TEST(peer_that_does_not_finish_the_handshake_is_closed) {
  for (int acked = 0; acked < 2; acked++) {
    prepare();
    w.h.handshake_ms = 40;
    start();
    net_client *c = dial();
    uint64_t at = pml_loop_now(w.l);
    say(c, acked ? SHAKE : "04000000");
    UNTIL(w.l, net_ended(c));
    CHECK_EQ(w.end.why, PML_END_HANDSHAKE);
    CHECK(pml_loop_now(w.l) - at >= 38);
    finish(c);
  }
}

TEST(peer_without_heartbeat_never_speaks_of_it) {
  begin();
  net_client *c = working();
  say(c, BEAT BEAT "0400000161");
  CHECK_EQ(w.data, 1);
  pml_buf *f = pml_frame_of(PML_PKG_DATA, "x", 1);
  pml_peer_send(w.p, f);
  pml_buf_unref(f);
  expect(c, "0400000178");
  CHECK_EQ(counts()->heartbeats_unanswered, 0);
  finish(c);
}

TEST(peer_beats_at_the_ack_and_answers_once_a_second) {
  prepare();
  w.h.heartbeat_s = 3;
  start();
  net_client *c = working();
  expect(c, BEAT);
  say(c, BEAT);
  expect(c, BEAT);
  say(c, BEAT BEAT BEAT BEAT BEAT BEAT BEAT BEAT BEAT BEAT);
  CHECK_EQ(counts()->heartbeats_unanswered, 10);
  CHECK_EQ(c->n, 0);
  finish(c);
}

TEST(peer_that_is_silent_is_closed_after_the_timeout) {
  test_has_bounds_of_time();
  prepare();
  w.h.heartbeat_s = 5;
  w.h.timeout_s = 1;
  start();
  net_client *c = working();
  uint64_t at = pml_loop_now(w.l);
  UNTIL(w.l, net_ended(c));
  uint64_t took = pml_loop_now(w.l) - at;
  CHECK(took >= 990 && took < 4000);
  CHECK_EQ(w.end.why, PML_END_HEARTBEAT);
  CHECK_EQ(counts()->heartbeat, 1);
  CHECK(test_hex_eq(c->in, c->n, BEAT)); /* and no KICK */
  finish(c);
}

static net_client *speaker;
static void speak(uv_timer_t *t) {
  (void)t;
  net_send(speaker, "\4", 1);
  net_send(speaker, "\0\0\0", 3);
}

TEST(peer_any_byte_is_life) {
  test_has_bounds_of_time();
  prepare();
  w.h.heartbeat_s = 5;
  w.h.timeout_s = 1;
  start();
  speaker = working();
  uv_timer_t t;
  uv_timer_init(pml_loop_uv(w.l), &t);
  uv_timer_start(&t, speak, 600, 600);
  UNTIL(w.l, w.data == 4); /* 2.4 s */
  CHECK_EQ(w.ended, 0);
  uv_close((uv_handle_t *)&t, NULL);
  finish(speaker);
}

TEST(peer_is_not_blamed_for_a_late_loop) {
  test_has_bounds_of_time();
  prepare();
  w.h.heartbeat_s = 5;
  w.h.timeout_s = 1;
  start();
  net_client *c = working();
  UNTIL(w.l, c->n == 4);
  uint64_t at = pml_loop_now(w.l);
  net_send_hex(c, BEAT);                       /* in time, */
  while (uv_hrtime() / 1000000 < at + 1200) {} /* but the loop is busy elsewhere */
  UNTIL(w.l, c->n == 8);
  UNTIL(w.l, pml_loop_now(w.l) > at + 1300 || w.ended);
  CHECK_EQ(w.ended, 0);
  finish(c);
}

TEST(peer_close_kicks_with_a_reason) {
  begin();
  net_client *c = working();
  pml_peer_close(w.p, pml_slice_str("a \"b\"\n\xc3\xa4\xf0\x9f\x98\x80\xff"));
  pml_peer_close(w.p, pml_slice_str("again"));
  CHECK_EQ(w.ended, 0);
  UNTIL(w.l, c->eof);
  const char *want = "{\"reason\":\"a \\\"b\\\"\\n\xc3\xa4\\ud83d\\ude00\xef\xbf\xbd\"}";
  CHECK_EQ(c->in[0], 5);
  CHECK_EQ(c->in[3], strlen(want));
  CHECK_BYTES(c->in + 4, c->n - 4, want);
  CHECK_EQ(w.end.why, PML_END_ASKED);
  CHECK(strncmp(w.reason, "a \"b\"", 5) == 0);
  finish(c);
}

TEST(peer_close_keeps_the_nuls_of_a_reason) {
  begin();
  net_client *c = working();
  net_drop(c);
  pml_peer_close(w.p, pml_slice_of("a\0b", 3));
  UNTIL(w.l, c->eof);
  CHECK_BYTES(c->in + 4, c->n - 4, "{\"reason\":\"a\\u0000b\"}");
  CHECK_EQ(w.nreason, 3);
  finish(c);
}

TEST(peer_that_is_left_gets_no_kick) {
  begin();
  net_client *c = working();
  net_drop(c);
  pml_peer_leave(w.p, pml_slice_str("shutdown"));
  pml_peer_close(w.p, pml_slice_str("too late"));
  UNTIL(w.l, c->eof);
  CHECK_EQ(c->n, 0);
  CHECK_BYTES(w.reason, strlen(w.reason), "shutdown");
  finish(c);
}

TEST(peer_close_without_a_reason_or_before_work_sends_no_kick) {
  begin();
  net_client *c = working();
  pml_peer_close(w.p, pml_slice_str(NULL));
  UNTIL(w.l, c->eof);
  CHECK_EQ(c->n, 0);
  CHECK_BYTES(w.reason, strlen(w.reason), "none");
  finish(c);

  begin();
  w.later = 1;
  c = dial();
  say(c, SHAKE);
  pml_peer_close(w.p, pml_slice_str("busy"));
  answer(&w, w.p);
  UNTIL(w.l, c->eof);
  CHECK_EQ(c->n, 0);
  CHECK_BYTES(w.reason, strlen(w.reason), "busy");
  finish(c);
}

TEST(peer_closed_in_its_own_data_gets_no_more) {
  begin();
  net_client *c = working();
  w.close_in_data = 1;
  net_send_hex(c, "0400000161"
                  "0400000162"
                  "05000000");
  UNTIL(w.l, c->eof);
  CHECK_EQ(w.data, 1);
  CHECK_BYTES(w.reason, strlen(w.reason), "enough");
  CHECK_EQ(counts()->protocol, 0);
  finish(c);
}

TEST(peer_bad_message_closes_only_that_peer) {
  begin();
  net_client *c = working(), *other = dial();
  say(other, "01");
  w.data_answer = PML_EPROTO;
  net_send_hex(c, "0400000161");
  UNTIL(w.l, net_ended(c));
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.end.why, PML_END_PROTOCOL);
  say(other, "0000027b7d");
  expect(other, OK200);
  net_close(w.l, c);
  finish(other);
}

/* ---- over WebSocket ---- */

static net_client *dial_ws(void) { return net_connect_ws(w.l, pml_listener_port(w.s)); }
static void say_ws(net_client *c, uint8_t first, const char *hex) {
  uint8_t b[2048];
  net_send_frame(c, first, b, test_unhex(hex, b));
}

TEST(peer_ws_takes_several_packages_per_message_and_sends_one_per_frame) {
  prepare();
  w.h.heartbeat_s = 3;
  start();
  net_client *c = dial_ws();
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82,
         ACK "0400000161"
             "0400000162" BEAT);
  UNTIL(w.l, w.data == 2);
  expect(c, "8204" BEAT "8204" BEAT);
  finish(c);
  CHECK(w.end.is_ws);
  CHECK_EQ(w.end.ws_code, 1006);
}

TEST(peer_ws_text_and_fragments_are_packages_too) {
  begin();
  net_client *c = dial_ws();
  say_ws(c, 0x01, "0100");
  say_ws(c, 0x00, "00027b");
  say_ws(c, 0x80, "7d");
  expect(c, "8210" OK200);
  finish(c);
}

TEST(peer_ws_message_with_a_cut_package_is_closed) {
  const char *cut[] = {"01", "010000", "010000027b", SHAKE "02"};
  for (int i = 0; i < 4; i++) {
    begin();
    w.later = 1;
    net_client *c = dial_ws();
    say_ws(c, 0x82, cut[i]);
    UNTIL(w.l, c->eof);
    CHECK(test_hex_eq(c->in, c->n, "880203ea"));
    CHECK_EQ(w.end.why, PML_END_PROTOCOL);
    finish(c);
  }
}

TEST(peer_ws_empty_text_is_ignored_and_empty_binary_closes) {
  begin();
  net_client *c = dial_ws();
  say_ws(c, 0x81, "");
  say_ws(c, 0x01, "");
  say_ws(c, 0x80, "");
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82, "");
  UNTIL(w.l, c->eof);
  CHECK_EQ(w.end.why, PML_END_PROTOCOL);
  finish(c);
}

TEST(peer_ws_close_code_reaches_the_host) {
  begin();
  net_client *c = dial_ws();
  say_ws(c, 0x88, "03e9");
  UNTIL(w.l, c->eof);
  CHECK_EQ(w.end.why, PML_END_PEER);
  CHECK_EQ(w.end.ws_code, 1001);
  finish(c);
}

TEST(peer_ws_kick_then_close_frame) {
  begin();
  net_client *c = dial_ws();
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82, ACK);
  UNTIL(w.l, w.working);
  pml_peer_close(w.p, pml_slice_str("x"));
  expect(c, "8212"
            "0500000e7b22726561736f6e223a2278227d"
            "880203e8");
  say_ws(c, 0x88, "03e8");
  UNTIL(w.l, c->eof);
  finish(c);
}

TEST(peer_ws_that_is_silent_is_closed_with_1000) {
  prepare();
  w.h.heartbeat_s = 1;
  w.h.timeout_s = 1;
  start();
  net_client *c = dial_ws();
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82, ACK);
  expect(c, "820403000000"
            "880203e8");
  CHECK_EQ(w.end.why, PML_END_HEARTBEAT);
  say_ws(c, 0x88, "03e8");
  UNTIL(w.l, c->eof);
  finish(c);
}

TEST(peer_ws_without_heartbeat_is_pinged_and_never_closed) {
  prepare();
  w.h.ping_s = 1;
  start();
  net_client *c = dial_ws();
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82, ACK);
  expect(c, "8900"
            "8900"); /* no answer came to the first */
  CHECK_EQ(w.ended, 0);
  finish(c);
}

TEST(peer_ws_that_is_left_gets_1001) {
  begin();
  net_client *c = dial_ws();
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82, ACK);
  UNTIL(w.l, w.working);
  pml_peer_leave(w.p, pml_slice_str("shutdown"));
  expect(c, "880203e9");
  say_ws(c, 0x88, "03e9");
  UNTIL(w.l, c->eof);
  finish(c);
}

/* A request, of which `cut` bytes come before the move and the rest behind it, and then a request,
 * a notify and the client's end. */
#define REQUEST "04000003000161"
#define BEHIND REQUEST "0400000402016162"

TEST(peer_that_is_moved_is_told_and_what_comes_behind_it_is_counted) {
  for (size_t cut = 0; cut <= 6; cut++) {
    begin();
    net_client *c = working();
    uint8_t bytes[64];
    size_t n = test_unhex(REQUEST BEHIND, bytes);
    net_drop(c);
    if (cut) net_send(c, bytes, cut);
    uint64_t in = pml_conns_counts(w.all)->bytes_in + cut;
    UNTIL(w.l, pml_conns_counts(w.all)->bytes_in == in);
    pml_peer_move(w.p, pml_slice_str("shutdown"));
    pml_peer_close(w.p, pml_slice_str("too late"));
    UNTIL(w.l, c->eof);
    CHECK_EQ(c->n, 0);
    CHECK_EQ(w.ended, 1);
    CHECK_BYTES(w.reason, strlen(w.reason), "shutdown");
    net_send(c, bytes + cut, n - cut);
    UNTIL(w.l, w.notifies);
    CHECK_EQ(w.requests, 2);
    CHECK_EQ(w.notifies, 1);
    CHECK_EQ(w.data, 0);
    finish(c);
  }
}

TEST(peer_ws_that_is_moved_gets_1001_move) {
  begin();
  net_client *c = dial_ws();
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210" OK200);
  say_ws(c, 0x82, ACK);
  UNTIL(w.l, w.working);
  pml_peer_move(w.p, pml_slice_str("shutdown"));
  expect(c, "880603e96d6f7665");
  say_ws(c, 0x82, BEHIND);
  say_ws(c, 0x88, "03e9");
  UNTIL(w.l, c->eof);
  CHECK_EQ(w.requests, 1);
  CHECK_EQ(w.notifies, 1);
  CHECK_EQ(w.data, 0);
  finish(c);
}

TEST(peer_that_does_not_work_yet_is_moved_without_counting) {
  begin();
  w.later = 1;
  net_client *c = dial();
  net_send_hex(c, SHAKE);
  UNTIL(w.l, w.handshakes);
  pml_peer_move(w.p, pml_slice_str("shutdown"));
  net_send_hex(c, BEHIND);
  UNTIL(w.l, c->eof);
  CHECK_EQ(c->n, 0);
  CHECK_EQ(w.requests, 0);
  finish(c);
}

TEST(peer_ws_ping_is_life_and_refused_handshake_ends_with_1000) {
  begin();
  w.code = 500;
  net_client *c = dial_ws();
  say_ws(c, 0x89, "61");
  expect(c, "8a0161");
  say_ws(c, 0x82, SHAKE);
  expect(c, "8210"
            "0100000c7b22636f6465223a3530307d"
            "880203e8");
  finish(c);
  CHECK_EQ(w.end.why, PML_END_HANDSHAKE);
}

/* ---- time for a package that has begun ---- */

static void wait_ms(unsigned ms) {
  uint64_t from = uv_hrtime();
  while ((uv_hrtime() - from) / 1000000 < ms) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT);
}

TEST(peer_package_that_does_not_end_is_closed_whatever_its_bytes_are) {
  static const char *const begun[] = {"04", "04000064", "0400006400"};
  for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
    begin_hasty(50);
    net_client *c = working();
    say(c, begun[i]);
    CHECK_EQ(pml_conns_held(w.all), strlen(begun[i]) > 8 ? 100 : 0);
    for (int k = 0; k < 90 && !w.ended; k++) {
      if (strlen(begun[i]) == 8) net_send(c, "x", 1); /* a byte now and then does not help */
      wait_ms(5);
    }
    UNTIL(w.l, w.ended && net_ended(c));
    CHECK_EQ(w.end.why, PML_END_PACKAGE);
    CHECK_EQ(counts()->package, 1);
    CHECK_EQ(pml_conns_held(w.all), 0);
    finish(c);
  }
}

TEST(peer_packages_that_are_all_cut_have_their_own_time) {
  begin_hasty(60);
  net_client *c = working();
  say(c, "04");
  for (int i = 0; i < 20; i++) {
    wait_ms(10);
    say(c, "0000016104");
  }
  CHECK_EQ(w.data, 20);
  CHECK_EQ(w.ended, 0);
  finish(c);
}

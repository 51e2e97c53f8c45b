/* net/turns, through the hooks of real connections. A byte is a package here. */
#include "net/conn_private.h"
#include "net/turns.h"
#include "test/net.h"
#include "wire/ws_frame.h"

#define MANY 400

/* What waits may be taken at the end of a turn after which nothing more happens. */
#define SPIN(expr) \
  while (!(expr)) uv_run(pml_loop_uv(w.l), UV_RUN_NOWAIT)

typedef struct {
  pml_loop *l;
  pml_conns *all;
  pml_listener *s;
  pml_conn *first, *last; /* opened */
  int opened, ended, messages;
  uint64_t busy_ns; /* for each package */
  pml_conn *close_at_package;
  char order[100000]; /* packages in the order in which they were taken */
  size_t n;
} world;

static world w;

static void on_open(pml_conn *c) {
  if (!w.opened++) w.first = c;
  w.last = c;
}

static int on_bytes(pml_conn *c, int kind, pml_slice b, int fin) {
  (void)kind;
  for (size_t i = 0; i < b.n; i++) {
    w.order[w.n++] = (char)b.p[i];
    uint64_t until = uv_hrtime() + w.busy_ns;
    while (w.busy_ns && uv_hrtime() < until) {}
    if (c == w.close_at_package) {
      pml_conn_close(c, PML_END_ASKED, 0);
      return 0;
    }
    if (pml_conn_had_share(c) && i + 1 < b.n) return (int)(b.n - i - 1);
  }
  w.messages += fin;
  return 0;
}

static void on_end(pml_conn *c, pml_end why, int code) {
  (void)c;
  (void)why;
  (void)code;
  w.ended++;
}

static void begin(void) {
  memset(&w, 0, sizeof w);
  pml_conns_options o = {.max_conns = 10, .hooks = {on_open, on_bytes, NULL, NULL, on_end, 0}};
  w.l = pml_loop_new();
  w.all = net_conns_new(w.l, &o);
  CHECK_EQ(pml_listener_open(w.all, "127.0.0.1", 0, &w.s), 0);
}

static net_client *dial(void) { return net_connect(w.l, pml_listener_port(w.s), 1); }

static void finish(net_client *c) {
  net_close(w.l, c);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(pml_conns_waiting(w.all), 0);
  net_finish(w.l, w.all, w.s);
}

static size_t at(char package) {
  const char *p = memchr(w.order, package, w.n);
  CHECK(p != NULL);
  return (size_t)(p - w.order);
}

/* Sends n packages: 4, then letters in their order. */
static void send_letters(net_client *c, size_t n) {
  char text[512];
  CHECK(n <= sizeof text);
  text[0] = 4;
  for (size_t i = 1; i < n; i++) text[i] = (char)('a' + i % 20);
  net_send(c, text, n);
}

static void check_letters(const char *got, size_t n) {
  CHECK_EQ(got[0], 4);
  for (size_t i = 1; i < n; i++) CHECK_EQ(got[i], (char)('a' + i % 20));
}

TEST(turns_connection_takes_so_many_packages_and_then_the_others) {
  test_has_bounds_of_time();
  begin();
  net_client *busy = dial(), *other = dial();
  send_letters(busy, MANY);
  UNTIL(w.l, w.n);
  CHECK_EQ(pml_conns_waiting(w.all), 1);
  CHECK(w.n <= 2 * PML__SHARE_PACKAGES); /* its read, and the first turn of what was left */
  net_send(other, "\5", 1);
  SPIN(w.n == MANY + 1);
  CHECK(at(5) <= 4 * PML__SHARE_PACKAGES);
  CHECK_EQ(pml_conns_waiting(w.all), 0);
  CHECK_EQ(pml_conns_counts(w.all)->shares, (MANY - 1) / PML__SHARE_PACKAGES);
  net_send(busy, "!", 1); /* and it is read again */
  SPIN(w.n == MANY + 2);
  net_close(w.l, other);
  finish(busy);
}

TEST(turns_what_waits_is_held) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  send_letters(c, MANY);
  UNTIL(w.l, w.n);
  CHECK_EQ(pml_conns_waiting(w.all), 1);
  CHECK(pml_conns_held(w.all) >= MANY - PML__SHARE_PACKAGES);
  SPIN(w.n == MANY);
  CHECK_EQ(pml_conns_held(w.all), 0);
  finish(c);
}

TEST(turns_packages_keep_their_order) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  send_letters(c, MANY);
  SPIN(w.n == MANY);
  check_letters(w.order, MANY);
  finish(c);
}

TEST(turns_time_counts_as_well) {
  test_has_bounds_of_time();
  begin();
  w.busy_ns = PML__SHARE_NS;
  net_client *busy = dial(), *other = dial();
  send_letters(busy, 40);
  UNTIL(w.l, w.n);
  net_send(other, "\5", 1);
  SPIN(w.n == 41);
  CHECK(at(5) <= 6); /* three packages of the read, two of each turn */
  net_close(w.l, other);
  finish(busy);
}

TEST(turns_connections_that_wait_go_round) {
  test_has_bounds_of_time();
  begin();
  w.busy_ns = PML__SHARE_NS;
  net_client *one = dial(), *two = dial();
  char a[20], b[20];
  memset(a, 4, sizeof a);
  memset(b, 5, sizeof b);
  net_send(one, a, sizeof a);
  net_send(two, b, sizeof b);
  SPIN(w.n == sizeof a + sizeof b);
  for (size_t i = 0; i + 8 < w.n; i++) { /* neither waits for long */
    if (memchr(w.order + i, 4, w.n - i) && memchr(w.order + i, 5, w.n - i))
      CHECK(memchr(w.order + i, 4, 8) && memchr(w.order + i, 5, 8));
  }
  net_close(w.l, two);
  finish(one);
}

TEST(turns_single_packages_look_at_no_clock) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  net_send(c, "\4", 1);
  SPIN(w.n == 1);
  CHECK_EQ(w.all->share.since, 0);
  CHECK_EQ(pml_conns_counts(w.all)->shares, 0);
  finish(c);
}

TEST(turns_websocket_messages_stay_whole) {
  test_has_bounds_of_time();
  begin();
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s));
  char text[200];
  for (size_t i = 0; i < sizeof text; i += 4) memcpy(text + i, "x\xe2\x82\xac", 4);
  net_send_frame(c, 0x01, text, 99); /* cut inside of a character */
  net_send_frame(c, 0x80, text + 99, 101);
  net_send_frame(c, 0x89, "ping", 4);
  net_send_frame(c, 0x82, text, 100);
  SPIN(w.messages == 2);
  CHECK_EQ(w.n, 300);
  CHECK(memcmp(w.order, text, 200) == 0 && memcmp(w.order + 200, text, 100) == 0);
  UNTIL(w.l, c->n == 6);
  CHECK(test_hex_eq(c->in, 6, "8a0470696e67"));
  CHECK(pml_conns_counts(w.all)->shares > 0);
  finish(c);
}

TEST(turns_small_frames_are_counted_like_packages) {
  test_has_bounds_of_time();
  begin();
  net_client *c = net_connect_ws(w.l, pml_listener_port(w.s)), *other = dial();
  uint8_t frames[7 * 70];
  for (size_t i = 0; i < 70; i++) memcpy(frames + 7 * i, "\x82\x81\0\0\0\0x", 7);
  net_send(c, frames, sizeof frames);
  UNTIL(w.l, w.n);
  CHECK(w.n <= 70);
  SPIN(w.n == 70);
  CHECK_EQ(w.messages, 70);
  CHECK_EQ(pml_conns_counts(w.all)->shares, 1);
  net_close(w.l, other);
  finish(c);
}

TEST(turns_end_of_the_client_comes_behind_what_it_has_sent) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  send_letters(c, MANY);
  net_close(w.l, c);
  UNTIL(w.l, w.ended == 1 && pml_conns_count(w.all) == 0);
  CHECK_EQ(w.n, MANY);
  net_finish(w.l, w.all, w.s);
}

TEST(turns_what_waits_goes_with_its_connection) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  send_letters(c, MANY);
  UNTIL(w.l, w.n);
  CHECK_EQ(pml_conns_waiting(w.all), 1);
  pml_conn_close(w.first, PML_END_ERROR, 0);
  UNTIL(w.l, pml_conns_count(w.all) == 0);
  CHECK_EQ(pml_conns_waiting(w.all), 0);
  finish(c);
}

TEST(turns_closed_in_its_turn_takes_no_more) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  send_letters(c, MANY);
  UNTIL(w.l, w.n);
  size_t before = w.n;
  w.close_at_package = w.first;
  UNTIL(w.l, c->eof);
  CHECK(w.n <= before + 1);
  finish(c);
}

TEST(turns_more_of_a_connection_that_waits_comes_behind) {
  test_has_bounds_of_time();
  begin();
  net_client *c = dial();
  send_letters(c, 200);
  UNTIL(w.l, w.n);
  CHECK_EQ(pml_conns_waiting(w.all), 1);
  uint8_t more[] = {'X', 'Y', 'Z'};
  pml__receive_feed(w.first, more, sizeof more); /* as a filter in front of the reader does */
  CHECK_EQ(pml_conns_waiting(w.all), 1);
  SPIN(w.n == 203);
  check_letters(w.order, 200);
  CHECK(memcmp(w.order + 200, "XYZ", 3) == 0);
  finish(c);
}

#include "host/web_guard.h"

#include "host/web_socket.h"
#include "test/web.h"

static uint64_t found;
static const char *wanted;
static void pick(const char *name, uint64_t n, void *ud) {
  (void)ud;
  if (strcmp(name, wanted) == 0) found = n;
}
static uint64_t count_of(const char *name) {
  wanted = name;
  found = UINT64_MAX;
  pml_web_counts(web, pick, NULL);
  CHECK(found != UINT64_MAX);
  return found;
}
static void wait_count(const char *name, uint64_t n) {
  for (int i = 0; i < 3000 && count_of(name) != n; i++) usleep(1000);
  CHECK_EQ(count_of(name), n);
}

/* Whether the other side has ended the connection, after at most two seconds. */
static int has_ended(int fd) {
  char b[4096];
  struct pollfd p = {.fd = fd, .events = POLLIN};
  while (poll(&p, 1, 2000) == 1)
    if (read(fd, b, sizeof b) <= 0) return 1;
  return 0;
}

static const char part[] = "GET / HTTP/1.1\r\nHost: x\r\n";

TEST(web_guard_ends_a_request_that_does_not_end) {
  test_has_bounds_of_time();
  web_options.limits.request_ms = 200;
  begin();
  int fd = join_web(), silent = join_web();
  CHECK_EQ(write(fd, part, sizeof part - 1), sizeof part - 1);
  uint64_t lines = 0;
  /* A line of a header now and then does not help it. */
  for (; lines < 100 && send(fd, "X: y\r\n", 6, MSG_NOSIGNAL) == 6; lines++) usleep(20000);
  CHECK(lines < 100);
  CHECK(has_ended(fd));
  CHECK(has_ended(silent));
  CHECK_EQ(count_of("closedRequest"), 2);
  get("/");
  CHECK_EQ(status(), 200);
  close(fd);
  close(silent);
  finish();
}

TEST(web_guard_ends_a_connection_between_requests) {
  test_has_bounds_of_time();
  web_options.limits.idle_ms = 100;
  begin();
  int fd = join_web();
  CHECK(send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 0) == 27);
  CHECK(has_ended(fd));
  CHECK_EQ(count_of("closedRequest"), 0);
  close(fd);
  finish();
}

static void put_big(size_t n) {
  char path[256];
  snprintf(path, sizeof path, "%s/web/big.bin", top);
  FILE *f = fopen(path, "w");
  CHECK(f && ftruncate(fileno(f), (off_t)n) == 0);
  fclose(f);
}

static int ask_big(void) {
  int small = 4096, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)pml_web_port(web))};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK(send(fd, "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n", 34, 0) == 34);
  return fd;
}

TEST(web_guard_ends_an_answer_that_nobody_reads) {
  test_has_bounds_of_time();
  web_options.limits.request_ms = 150;
  begin();
  put_big(64u << 20);
  int fd = ask_big();
  wait_count("closedSlow", 1);
  wait_count("connections", 0);
  close(fd);
  finish();
}

/* What fits into the system's buffers counts as sent for libmicrohttpd, not for the guard. */
TEST(web_guard_ends_a_small_answer_that_nobody_reads) {
  test_has_bounds_of_time();
  web_options.limits.request_ms = 100;
  web_options.limits.idle_ms = 100;
  begin();
  put_big(300000);
  int fd = ask_big();
  wait_count("closedSlow", 1);
  wait_count("connections", 0);
  close(fd);
  finish();
}

TEST(web_guard_lets_a_slow_reader_go_on) {
  test_has_bounds_of_time();
  web_options.limits.request_ms = 100;
  web_options.limits.least_rate = 10000;
  begin();
  put_big(600000);
  int fd = ask_big();
  size_t n = 0;
  char b[6000];
  for (ssize_t k; n < 600000 && (k = read(fd, b, sizeof b)) > 0; n += (size_t)k) usleep(8000);
  CHECK(n >= 600000);
  CHECK_EQ(count_of("closedSlow"), 0);
  close(fd);
  finish();
}

TEST(web_guard_refuses_more_connections_of_one_address) {
  test_has_bounds_of_time();
  web_options.limits.per_address = 4;
  web_options.limits.loopback = 1;
  begin();
  int fd[8];
  for (int i = 0; i < 8; i++) fd[i] = join_web();
  wait_count("refusedAddress", 4);
  CHECK_EQ(count_of("connections"), 4);
  for (int i = 0; i < 8; i++) close(fd[i]);
  wait_count("connections", 0);
  get("/");
  CHECK_EQ(status(), 200);
  finish();
}

TEST(web_guard_refuses_more_connections_in_a_second) {
  test_has_bounds_of_time();
  web_options.limits.per_second = 3;
  web_options.limits.loopback = 1;
  begin();
  for (int i = 0; i < 20; i++) get("/");
  CHECK(count_of("refusedRate") >= 10);
  for (int i = 0; i < 30 && (get("/"), status() != 200); i++) usleep(100000);
  CHECK_EQ(status(), 200);
  finish();
}

/* A load balancer that asks for /health comes from such an address. */
TEST(web_guard_has_places_for_this_machine_beyond_the_limit) {
  test_has_bounds_of_time();
  web_options.limits.connections = 2;
  begin();
  int fd[10];
  for (int i = 0; i < 10; i++) fd[i] = join_web();
  wait_count("connections", 10);
  get("/");
  CHECK_STR(answer, "");
  CHECK_EQ(count_of("refused"), 1);
  for (int i = 0; i < 10; i++) close(fd[i]);
  wait_count("connections", 0);
  finish();
}

TEST(web_guard_answers_429_to_a_client_of_a_proxy_over_its_limits) {
  test_has_bounds_of_time();
  pml_cidr proxy;
  CHECK_EQ(pml_cidr_parse(pml_slice_str("127.0.0.1"), &proxy, NULL), 0);
  web_options.proxies = &proxy;
  web_options.proxy_count = 1;
  web_options.limits.per_second = 2;
  begin();
  int refused = 0;
  for (int i = 0; i < 12; i++) {
    get_with("/", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.9\r\n");
    if (status() == 429) refused++;
    else CHECK_EQ(status(), 200);
  }
  CHECK(refused > 0);
  get_with("/", "X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n");
  CHECK_EQ(status(), 200);
  finish();
}

static pml__web_guard *guard(const char *const *proxies, unsigned n, uint32_t per_address) {
  static pml_cidr list[4];
  pml_web_options o = {.limits.per_address = per_address, .proxies = list, .proxy_count = n};
  for (unsigned i = 0; i < n; i++)
    CHECK_EQ(pml_cidr_parse(pml_slice_str(proxies[i]), &list[i], NULL), 0);
  return pml__web_guard_new(&o, NULL);
}

static struct sockaddr_in from(const char *text) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  CHECK_EQ(inet_pton(AF_INET, text, &a.sin_addr), 1);
  return a;
}

static pml__web_conn *come(pml__web_guard *g, const char *text) {
  struct sockaddr_in a = from(text);
  if (!pml__web_guard_admits(g, (struct sockaddr *)&a)) return NULL;
  return pml__web_guard_opened(g, (struct sockaddr *)&a, -1, g);
}

static int asks(pml__web_conn *c, const char *forwarded) {
  char head[200];
  snprintf(head, sizeof head, "GET / HTTP/1.1\r\nX-Forwarded-For: %s\r\n", forwarded);
  return pml__web_guard_asks(c, pml_slice_str(head));
}

TEST(web_guard_counts_the_client_behind_a_trusted_proxy) {
  test_has_bounds_of_time();
  const char *proxies[] = {"10.0.0.0/8"};
  pml__web_guard *g = guard(proxies, 1, 2);
  pml__web_conn *c[4];
  for (int i = 0; i < 4; i++) CHECK((c[i] = come(g, "10.0.0.1")) != NULL);
  char who[PML_ADDRESS_TEXT];
  CHECK(asks(c[0], "6.6.6.6, 192.0.2.7 , 10.9.9.9"));
  pml__web_conn_print(c[0], who);
  CHECK_STR(who, "192.0.2.7");
  CHECK(asks(c[1], "192.0.2.7"));
  CHECK(!asks(c[2], "192.0.2.7"));
  CHECK(asks(c[2], "192.0.2.8"));
  pml__web_guard_ends(c[0]);
  CHECK(asks(c[3], "192.0.2.7"));
  CHECK_EQ(pml__web_guard_counts(g).refused_address, 1);
  CHECK(pml__web_conn_owner(c[3]) == g);
  for (int i = 0; i < 4; i++) pml__web_guard_closed(c[i]);
  pml__web_guard_free(g);
}

TEST(web_guard_does_not_believe_others) {
  test_has_bounds_of_time();
  pml__web_guard *g = guard(NULL, 0, 2);
  pml__web_conn *a = come(g, "192.0.2.1"), *b = come(g, "192.0.2.1");
  char who[PML_ADDRESS_TEXT];
  CHECK(asks(a, "127.0.0.1"));
  pml__web_conn_print(a, who);
  CHECK_STR(who, "192.0.2.1");
  CHECK(!come(g, "192.0.2.1"));
  pml__web_conn *ours = come(g, "127.0.0.1");
  CHECK(ours != NULL);
  CHECK_EQ(pml__web_guard_newest(g), 3);
  CHECK_EQ(pml__web_guard_oldest(g), 1);
  pml__web_guard_closed(a);
  CHECK_EQ(pml__web_guard_oldest(g), 2);
  pml__web_guard_closed(b);
  pml__web_guard_closed(ours);
  pml__web_guard_free(g);
}

TEST(web_guard_makes_room_by_ending_what_waits_longest) {
  test_has_bounds_of_time();
  pml_web_options o = {.limits.connections = 2};
  pml__web_guard *g = pml__web_guard_new(&o, NULL);
  pml__web_conn *c[4];
  for (int i = 0; i < 2; i++) CHECK((c[i] = come(g, "192.0.2.1")) != NULL);
  CHECK(!come(g, "192.0.2.2"));
  CHECK_EQ(pml__web_guard_counts(g).refused_full, 1);
  pml__web_guard_ends(c[1]);
  CHECK((c[2] = come(g, "192.0.2.2")) != NULL);
  CHECK_EQ(pml__web_guard_counts(g).made_room, 1);
  CHECK(!come(g, "192.0.2.3"));
  CHECK(pml__web_guard_places(g) > 3);
  for (int i = 0; i < 3; i++) pml__web_guard_closed(c[i]);
  pml__web_guard_free(g);
}

TEST(web_guard_takes_rubbish_for_no_address) {
  test_has_bounds_of_time();
  const char *proxies[] = {"10.0.0.1"};
  pml__web_guard *g = guard(proxies, 1, 2);
  pml__web_conn *c = come(g, "10.0.0.1");
  const char *bad[] = {"",      ",",         ",,,",         "unknown",
                       "1.2.3", "1.2.3.4:x", " , 10.0.0.1", "a,10.0.0.1"};
  char who[PML_ADDRESS_TEXT];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK(asks(c, bad[i]));
    pml__web_conn_print(c, who);
    CHECK_STR(who, "10.0.0.1");
  }
  pml__web_guard_closed(c);
  pml__web_guard_free(g);
}

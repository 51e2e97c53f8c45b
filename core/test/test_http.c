#include "store/http.h"

#include "base/clock.h"
#include "test/certs.h"
#include "test/http_world.h"

#include <dlfcn.h>
#include <netdb.h>

TEST(http_refuses_private_addresses) {
  world w;
  begin(&w, echo);
  reply *r = REQUEST(&w, .no_private = 1);
  CHECK_EQ(r->rc, PML_EBOUND);
  HAS(r->message, "127.0.0.1 is private");
  drop(r);
  static const char *const urls[] = {"http://localhost/",
                                     "http://0.0.0.0/",
                                     "http://0/",
                                     "http://2130706433/",
                                     "http://0x7f.1/",
                                     "http://[::1]/",
                                     "http://[::ffff:127.0.0.1]/",
                                     "http://169.254.169.254/latest/",
                                     "http://10.1.2.3/"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    r = REQUEST(&w, .no_private = 1, .url = urls[i]);
    if (r->rc != PML_EBOUND) fprintf(stderr, "%s: %d %s\n", urls[i], r->rc, r->message);
    CHECK_EQ(r->rc, PML_EBOUND);
    drop(r);
  }
  CHECK_EQ(w.peer->connections, 0);
  /* A connection that one call was allowed to make is not there for one that is not. */
  r = REQUEST(&w, .path = "/");
  CHECK_EQ(r->status, 200);
  drop(r);
  r = REQUEST(&w, .no_private = 1);
  CHECK_EQ(r->rc, PML_EBOUND);
  CHECK_EQ(w.peer->requests, 1);
  drop(r);
  end(&w);
}

static void to_elsewhere(http_peer_conn *c) {
  if (strcmp(c->path, "/away") == 0)
    http_peer_say(c, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\n"
                     "Content-Length: 0\r\n\r\n");
  else echo(c);
}
TEST(http_networks_of_the_options_are_allowed_and_redirects_keep_to_them) {
  world w;
  pml_cidr own;
  pml_http_options o = PML_HTTP_OPTIONS;
  CHECK_EQ(pml_cidr_parse(pml_slice_str("127.0.0.1/32"), &own, NULL), 0);
  o.allow = &own;
  o.n_allow = 1;
  begin_with(&w, to_elsewhere, &o, NULL, NULL);
  reply *r = REQUEST(&w, .no_private = 1);
  CHECK_EQ(r->status, 200);
  drop(r);
  r = REQUEST(&w, .no_private = 1, .path = "/away", .redirects = 5);
  CHECK_EQ(r->rc, PML_EBOUND);
  HAS(r->message, "127.0.0.2 is private");
  drop(r);
  end(&w);
}

TEST(http_a_deadline_holds) {
  test_has_bounds_of_time();
  world w;
  begin(&w, bad);
  uint64_t from = pml_clock_ms();
  reply *r = REQUEST(&w, .path = "/never", .ms = 60);
  CHECK_EQ(r->rc, PML_ETIMEOUT);
  CHECK(pml_clock_ms() - from < 2000);
  drop(r);
  /* The service sees it end. */
  while (w.peer->closed < 1) turn(&w);
  end(&w);
}

/* Names that take two seconds to look up: libcurl asks this function before libc's. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
  if (node && strcmp(node, "slow.invalid") == 0) {
    usleep(2000000);
    return EAI_AGAIN;
  }
  return real(node, service, hints, res);
}

TEST(http_a_slow_name_holds_nothing_up) {
  test_has_bounds_of_time();
  world w;
  begin(&w, echo);
  reply *slow[8];
  uint64_t from = pml_clock_ms();
  for (int i = 0; i < 8; i++)
    slow[i] = send_off(&w, &(ask){.url = "http://slow.invalid/", .ms = 100});
  reply *r = REQUEST(&w, .path = "/");
  CHECK_EQ(r->status, 200);
  drop(r);
  for (int i = 0; i < 8; i++) {
    until(&w, slow[i]);
    CHECK_EQ(slow[i]->rc, PML_ETIMEOUT);
    drop(slow[i]);
  }
  end(&w);
  CHECK(pml_clock_ms() - from < 1500);
}

TEST(http_a_call_that_is_cancelled_is_gone) {
  world w;
  begin(&w, bad);
  reply *r = send_off(&w, &(ask){.path = "/never"});
  while (!w.peer->requests) turn(&w);
  pml_store_cancel(&r->call);
  pml_store_call_drop(&r->call);
  while (w.peer->closed < 1) turn(&w);
  CHECK_EQ(r->times, 0);
  drop(r);
  r = send_off(&w, &(ask){.path = "/"}); /* not begun yet */
  pml_store_cancel(&r->call);
  pml_store_call_drop(&r->call);
  drop(r);
  end(&w);
}

TEST(http_a_store_closes_with_requests_under_way) {
  world w;
  begin(&w, bad);
  reply *r[20];
  for (int i = 0; i < 20; i++) r[i] = send_off(&w, &(ask){.path = "/never"});
  while (w.peer->requests < 8) turn(&w);
  close_store(&w);
  for (int i = 0; i < 20; i++) {
    until(&w, r[i]);
    CHECK_EQ(r[i]->rc, PML_ECLOSED);
    CHECK_EQ(r[i]->times, 1);
    drop(r[i]);
  }
  while (w.peer->closed < 8) usleep(1000);
  pml_loop_free(w.loop);
}

static void wait_for_word(http_peer_conn *c) {
  while (!c->peer->go) usleep(1000);
  echo(c);
}
TEST(http_has_eight_connections_to_a_host_and_the_rest_waits) {
  world w;
  pml_store_stats stats;
  begin(&w, wait_for_word);
  static reply *r[1025];
  for (int i = 0; i < 1025; i++) r[i] = send_off(&w, &(ask){.path = "/"});
  while (w.peer->now < 8) turn(&w);
  until(&w, r[1024]);
  CHECK_EQ(r[1024]->rc, PML_EFULL);
  pml_store_stats_get(w.s, &stats);
  CHECK_EQ(stats.waiting, 1024);
  CHECK_EQ(stats.open, 8);
  CHECK_EQ(stats.busy, 8);
  w.peer->go = 1;
  for (int i = 0; i < 1025; i++) {
    until(&w, r[i]);
    CHECK_EQ(r[i]->rc, i < 1024 ? 0 : PML_EFULL);
    drop(r[i]);
  }
  CHECK_EQ(w.peer->most, 8);
  CHECK_EQ(w.peer->connections, 8);
  end(&w);
}

TEST(http_connections_that_nobody_uses_are_closed) {
  world w;
  pml_http_options o = PML_HTTP_OPTIONS;
  pml_store_stats stats;
  o.idle_ms = 20;
  begin_with(&w, echo, &o, NULL, NULL);
  drop(REQUEST(&w, .path = "/"));
  while (w.peer->closed < 1) turn(&w);
  pml_store_stats_get(w.s, &stats);
  CHECK_EQ(stats.open, 0);
  drop(REQUEST(&w, .path = "/"));
  CHECK_EQ(w.peer->connections, 2);
  end(&w);
}

TEST(http_takes_no_proxy_from_the_environment) {
  world w;
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  begin(&w, echo);
  reply *r = REQUEST(&w, .path = "/");
  CHECK_EQ(r->status, 200);
  HAS(r->body, "GET / HTTP/1.1\r\n");
  drop(r);
  end(&w);
}

TEST(http_verifies_who_answers) {
  certs c;
  char cert[96], key[96], other[96], other_key[96], missing[96], err[256];
  world w;
  pml_http_options o = PML_HTTP_OPTIONS;
  certs_begin(&c);
  certs_make(&c, "cert.pem", "key.pem", "localhost", -60, 3600, NULL);
  certs_make(&c, "other.pem", "other_key.pem", "elsewhere", -60, 3600, NULL);
  snprintf(cert, sizeof cert, "%s/cert.pem", c.dir);
  snprintf(key, sizeof key, "%s/key.pem", c.dir);
  snprintf(other, sizeof other, "%s/other.pem", c.dir);
  snprintf(other_key, sizeof other_key, "%s/other_key.pem", c.dir);
  snprintf(missing, sizeof missing, "%s/none.pem", c.dir);

  o.ca_file = cert;
  begin_with(&w, echo, &o, cert, key);
  reply *r = REQUEST(&w, .path = "/tls");
  if (r->rc) fprintf(stderr, "%s\n", r->message);
  CHECK_EQ(r->status, 200);
  drop(r);
  end(&w);

  begin_with(&w, echo, &PML_HTTP_OPTIONS, cert, key); /* nobody trusts it */
  r = REQUEST(&w, .path = "/tls");
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "its certificate is not trusted");
  drop(r);
  end(&w);

  o.ca_file = other; /* trusted, and of another host */
  begin_with(&w, echo, &o, other, other_key);
  r = REQUEST(&w, .path = "/tls");
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "its certificate is not trusted");
  drop(r);
  end(&w);

  o.ca_file = missing;
  pml_loop *l = pml_loop_new();
  CHECK(!pml_http_open(l, &o, NULL, err, sizeof err));
  HAS(err, "none.pem cannot be read");
  pml_loop_free(l);
  certs_end(&c);
}

static void to_plain(http_peer_conn *c) {
  http_peer_say(c,
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
}
TEST(http_no_redirect_leads_out_of_tls) {
  certs c;
  char cert[96], key[96];
  world w;
  pml_http_options o = PML_HTTP_OPTIONS;
  certs_begin(&c);
  certs_make(&c, "cert.pem", "key.pem", "localhost", -60, 3600, NULL);
  snprintf(cert, sizeof cert, "%s/cert.pem", c.dir);
  snprintf(key, sizeof key, "%s/key.pem", c.dir);
  o.ca_file = cert;
  begin_with(&w, to_plain, &o, cert, key);
  reply *r = REQUEST(&w, .path = "/", .redirects = 1);
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "from https to http");
  drop(r);
  end(&w);
  certs_end(&c);
}

TEST(http_no_connection_is_an_error_that_says_so) {
  world w;
  begin(&w, echo);
  reply *r = REQUEST(&w, .url = "http://u:pass@127.0.0.1:1/path?key=s3cret");
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "GET http://127.0.0.1:1: ");
  CHECK(!strstr(r->message, "s3cret") && !strstr(r->message, "pass"));
  drop(r);
  r = REQUEST(&w, .url = "http://nobody.invalid/");
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "nobody.invalid");
  drop(r);
  end(&w);
}

TEST(http_no_requests_on_a_virtual_loop) {
  char err[256] = "";
  pml_loop *l = pml_loop_new_virtual();
  CHECK(!pml_http_open(l, &PML_HTTP_OPTIONS, NULL, err, sizeof err));
  HAS(err, "test.http");
  pml_loop_free(l);
}

/* An answer that cancels, submits and closes. */
static reply *second, *third;
static world *chain_world;
static void on_first(pml_store_call *c, void *ud) {
  on_done(c, ud);
  pml_store_cancel(&second->call);
  third = send_off(chain_world, &(ask){.path = "/third"});
  pml_store_close(chain_world->s, on_closed, &chain_world->closed);
}
TEST(http_an_answer_may_do_what_it_likes) {
  world w;
  begin(&w, bad);
  chain_world = &w;
  reply *first = send_off(&w, &(ask){.path = "/first"});
  first->call.done = on_first;
  second = send_off(&w, &(ask){.path = "/never"});
  until(&w, first);
  until(&w, third);
  CHECK_EQ(third->rc, PML_ECLOSED);
  CHECK_EQ(second->times, 0);
  while (!w.closed) turn(&w);
  pml_store_call_drop(&second->call);
  drop(first);
  drop(second);
  drop(third);
  pml_loop_free(w.loop);
}

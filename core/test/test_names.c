#include "store/names.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

#include <netinet/in.h>

/* Without waiting: an answer at the end of a turn wakes no poll. */
#define UNTIL(loop, expr) \
  while (!(expr)) uv_run(pml_loop_uv(loop), UV_RUN_NOWAIT)

/* A resolver whose answers a test gives: the last look-ups, held back. */
static struct {
  uv_getaddrinfo_t *req[16];
  uv_getaddrinfo_cb cb[16];
  char host[16][300];
  int n, refuse;
} resolver;

static int fake_lookup(uv_loop_t *l, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node,
                       const char *service, const struct addrinfo *hints) {
  CHECK(service == NULL);
  CHECK_EQ(hints->ai_socktype, SOCK_STREAM);
  if (resolver.refuse) return resolver.refuse;
  CHECK(resolver.n < 16);
  req->loop = l;
  resolver.req[resolver.n] = req;
  resolver.cb[resolver.n] = cb;
  snprintf(resolver.host[resolver.n++], 300, "%s", node);
  return 0;
}

/* Answers look-up i: with the addresses of the text, which are numeric, or with a status. */
static void resolve(int i, int status, const char *const *addresses) {
  struct addrinfo *first = NULL, **at = &first;
  for (; addresses && *addresses; addresses++) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    CHECK_EQ(getaddrinfo(*addresses, NULL, &hints, at), 0);
    at = &(*at)->ai_next;
  }
  resolver.cb[i](resolver.req[i], status, first);
}

typedef struct {
  pml_names_ask a;
  int times;
} asker;

static void on_done(pml_names_ask *a) { PML_CONTAINER(a, asker, a)->times++; }

static pml_loop *loop_new(void) {
  pml_loop *l = pml_loop_new();
  CHECK(l);
  return l;
}

static asker *ask(pml_names *n, const char *host, uint32_t ms) {
  asker *k = pml_alloc0(sizeof *k);
  k->a.done = on_done;
  pml_names_ask_for(n, &k->a, host, 6379, ms);
  CHECK_EQ(k->times, 0);
  return k;
}

static void is_v4(const asker *k, uint32_t i, const char *text) {
  char s[64];
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)&k->a.at[i];
  CHECK_EQ(v4->sin_family, AF_INET);
  uv_ip4_name(v4, s, sizeof s);
  CHECK_STR(s, text);
  CHECK_EQ(ntohs(v4->sin_port), 6379);
}

TEST(names_numeric_addresses_need_no_lookup) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  asker *four = ask(n, "127.0.0.1", 1000), *six = ask(n, "::1", 1000);
  UNTIL(l, four->times && six->times);
  CHECK_EQ(four->a.rc, 0);
  is_v4(four, 0, "127.0.0.1");
  CHECK_EQ(six->a.n, 1);
  CHECK_EQ(six->a.at[0].ss_family, AF_INET6);
  CHECK_EQ(ntohs(((struct sockaddr_in6 *)&six->a.at[0])->sin6_port), 6379);
  CHECK_EQ(resolver.n, 0);
  pml_free(four);
  pml_free(six);
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_one_lookup_serves_all_and_is_kept) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  asker *one = ask(n, "db", 1000), *two = ask(n, "db", 1000);
  const char *const found[] = {"10.0.0.1", "10.0.0.2", NULL};
  CHECK_EQ(resolver.n, 1);
  CHECK_STR(resolver.host[0], "db");
  resolve(0, 0, found);
  CHECK_EQ(one->times, 0); /* at the end of the turn */
  UNTIL(l, one->times && two->times);
  CHECK_EQ(two->a.rc, 0);
  CHECK_EQ(two->a.n, 2);
  is_v4(two, 0, "10.0.0.1");
  is_v4(two, 1, "10.0.0.2");
  asker *three = ask(n, "db", 1000);
  UNTIL(l, three->times);
  is_v4(three, 1, "10.0.0.2");
  CHECK_EQ(resolver.n, 1);
  CHECK_EQ(one->times + two->times + three->times, 3);
  pml_free(one);
  pml_free(two);
  pml_free(three);
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_a_failure_is_told_and_kept_for_a_second) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  asker *one = ask(n, "nowhere.invalid", 1000);
  resolve(0, UV_EAI_NONAME, NULL);
  UNTIL(l, one->times);
  CHECK_EQ(one->a.rc, PML_ENOENT);
  CHECK_STR(one->a.why, "the name nowhere.invalid has no address: unknown node or service");
  asker *two = ask(n, "nowhere.invalid", 1000);
  UNTIL(l, two->times);
  CHECK_EQ(two->a.rc, PML_ENOENT);
  CHECK_EQ(resolver.n, 1);
  /* libuv may refuse at once. */
  resolver.refuse = UV_ENOMEM;
  asker *three = ask(n, "other.invalid", 1000);
  UNTIL(l, three->times);
  CHECK_EQ(three->a.rc, PML_ENOENT);
  pml_free(one);
  pml_free(two);
  pml_free(three);
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_an_answer_without_addresses_is_a_failure) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  asker *one = ask(n, "empty", 1000);
  resolve(0, 0, NULL);
  UNTIL(l, one->times);
  CHECK_EQ(one->a.rc, PML_ENOENT);
  CHECK_EQ(one->a.n, 0);
  pml_free(one);
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_who_asks_waits_until_its_deadline_and_the_lookup_goes_on) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  asker *one = ask(n, "slow", 5);
  const char *const found[] = {"10.0.0.1", NULL};
  UNTIL(l, one->times);
  CHECK_EQ(one->a.rc, PML_ETIMEOUT);
  CHECK_STR(one->a.why, "the name slow was not found in 5 ms");
  resolve(0, 0, found);
  asker *two = ask(n, "slow", 1000);
  UNTIL(l, two->times);
  CHECK_EQ(two->a.rc, 0);
  CHECK_EQ(resolver.n, 1);
  CHECK_EQ(one->times, 1);
  pml_free(one);
  pml_free(two);
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_lookups_are_bounded) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  asker *k[10];
  char host[300];
  for (int i = 0; i < 9; i++) {
    snprintf(host, sizeof host, "host-%d", i);
    k[i] = ask(n, host, 1000);
  }
  CHECK_EQ(resolver.n, 8);
  UNTIL(l, k[8]->times);
  CHECK_EQ(k[8]->a.rc, PML_EFULL);
  CHECK_STR(k[8]->a.why, "8 host names are being looked up already");
  memset(host, 'x', 254);
  host[254] = 0;
  k[9] = ask(n, host, 1000);
  UNTIL(l, k[9]->times);
  CHECK_EQ(k[9]->a.rc, PML_ENOENT);
  for (int i = 0; i < 8; i++) resolve(i, UV_EAI_AGAIN, NULL);
  UNTIL(l, k[7]->times);
  for (int i = 0; i < 10; i++) pml_free(k[i]);
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_keep_a_bounded_number_of_names) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, fake_lookup);
  char host[300];
  const char *const found[] = {"10.0.0.1", NULL};
  for (int i = 0; i < 200; i++) {
    snprintf(host, sizeof host, "host-%d", i);
    asker *k = ask(n, host, 1000);
    CHECK_EQ(resolver.n, 1);
    resolve(0, 0, found);
    resolver.n = 0;
    UNTIL(l, k->times);
    CHECK_EQ(k->a.rc, 0);
    pml_free(k);
  }
  pml_names_close(n);
  pml_loop_free(l);
}

TEST(names_cancel_and_close_answer_nobody) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, NULL);
  asker *one = ask(n, "localhost", 1000), *two = ask(n, "127.0.0.1", 1000);
  asker *three = ask(n, "localhost", 1000), *four = ask(n, "127.0.0.1", 1000);
  pml_names_ask zeroed = {0};
  pml_names_cancel(&zeroed);
  pml_names_cancel(&one->a);
  pml_names_cancel(&one->a);
  pml_names_cancel(&two->a);
  pml_names_close(n);
  pml_loop_free(l); /* waits for the thread */
  CHECK_EQ(one->times + two->times + three->times + four->times, 0);
  pml_free(one);
  pml_free(two);
  pml_free(three);
  pml_free(four);
}

TEST(names_the_system_knows_localhost) {
  pml_loop *l = loop_new();
  pml_names *n = pml_names_new(l, NULL);
  asker *one = ask(n, "localhost", 4000);
  UNTIL(l, one->times);
  CHECK_EQ(one->a.rc, 0);
  CHECK(one->a.n >= 1);
  pml_free(one);
  pml_names_close(n);
  pml_loop_free(l);
}

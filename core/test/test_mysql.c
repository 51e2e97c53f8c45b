/* The driver without a server, and with one that is silent or no server of this kind;
 * spec/core/store_mysql_spec.lua has a real one. */
#include "store/mysql.h"

#include "base/err.h"
#include "store/mysql_library.h"
#include "test/net.h"
#include "test/test.h"

typedef struct {
  pml_loop *l;
  pml_store *s;
  pml_store_call c[8];
  int done, want;
} world;

static void need_library(void) {
  pml__mysql lib;
  char err[256];
  if (pml__mysql_load(&lib, err, sizeof err) == 0) return;
  fprintf(stderr, "# skipped: this machine has no libmariadb\n");
  exit(0);
}

static int listener(int *port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &n), 0);
  *port = ntohs(a.sin_port);
  return fd;
}

static void world_init(world *w, int port, uint32_t connect_ms) {
  char err[256];
  need_library();
  *w = (world){.l = pml_loop_new(), .want = 1};
  pml_mysql_options o = {.host = "127.0.0.1",
                         .port = (uint16_t)port,
                         .user = "game",
                         .password = "secret",
                         .pool = PML_STORE_POOL_OPTIONS};
  o.pool.connect_ms = connect_ms;
  w->s = pml_mysql_open(w->l, &o, NULL, err, sizeof err);
  CHECK(w->s);
}

static void on_done(pml_store_call *c, void *ud) {
  world *w = ud;
  (void)c;
  if (++w->done == w->want) pml_loop_stop(w->l);
}

static pml_store_call *ask(world *w, int i, uint32_t ms) {
  w->c[i] = (pml_store_call){
    .op = PML_STORE_QUERY, .text = pml_buf_from("select 1", 8), .ms = ms, .done = on_done, .ud = w};
  pml_store_submit(w->s, &w->c[i]);
  return &w->c[i];
}

static void says(pml_store_call *c, const char *text) {
  char said[512];
  pml_slice m = pml_buf_slice(c->message);
  snprintf(said, sizeof said, "%.*s", (int)m.n, (const char *)m.p);
  if (strstr(said, text)) return;
  fprintf(stderr, "\"%s\" has no \"%s\"\n", said, text);
  exit(1);
}

static void world_end(world *w) {
  if (w->s) pml_store_close(w->s, NULL, NULL);
  for (int i = 0; i < 8; i++) pml_store_call_drop(&w->c[i]);
  pml_loop_free(w->l);
}

TEST(mysql_needs_a_real_loop) {
  char err[256] = "";
  need_library();
  pml_loop *l = pml_loop_new_virtual();
  pml_mysql_options o = {.host = "127.0.0.1", .pool = PML_STORE_POOL_OPTIONS};
  CHECK(!pml_mysql_open(l, &o, NULL, err, sizeof err));
  CHECK(strstr(err, "a running server"));
  pml_loop_free(l);
}

TEST(mysql_opens_nothing_before_a_call) {
  world w;
  pml_store_stats st;
  world_init(&w, 1, 3000);
  pml_store_stats_get(w.s, &st);
  CHECK_EQ(st.open, 0);
  world_end(&w);
}

TEST(mysql_that_nobody_listens_for) {
  world w;
  int port, fd = listener(&port); /* bound, and does not listen */
  world_init(&w, port, 3000);
  pml_store_call *c = ask(&w, 0, 2000);
  pml_loop_run(w.l);
  CHECK_EQ(c->rc, PML_ECLOSED);
  says(c, "the database cannot be reached: ");
  world_end(&w);
  close(fd);
}

/* The system takes the connection, and nobody says anything in it. */
TEST(mysql_that_is_silent) {
  world w;
  int port, fd = listener(&port);
  CHECK_EQ(listen(fd, 8), 0);
  world_init(&w, port, 100);
  pml_store_call *c = ask(&w, 0, 4000);
  pml_loop_run(w.l);
  CHECK_EQ(c->rc, PML_ECLOSED);
  says(c, "no connection in 100 ms");
  c = ask(&w, 1, 50);
  w.done = 0;
  pml_loop_run(w.l);
  CHECK_EQ(c->rc, PML_ETIMEOUT);
  world_end(&w); /* while threads are still in their calls */
  close(fd);
}

TEST(mysql_is_closed_with_calls_under_way) {
  world w;
  int port, fd = listener(&port);
  CHECK_EQ(listen(fd, 8), 0);
  world_init(&w, port, 3000);
  for (int i = 0; i < 8; i++) ask(&w, i, 4000);
  pml_store_cancel(&w.c[0]);
  w.want = 7;
  pml_store_close(w.s, NULL, NULL);
  w.s = NULL;
  pml_loop_run(w.l);
  for (int i = 1; i < 8; i++) CHECK_EQ(w.c[i].rc, PML_ECLOSED);
  world_end(&w);
  close(fd);
}

static void *babble(void *ud) {
  static const char said[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
  int fd = accept(*(int *)ud, NULL, NULL);
  CHECK(send(fd, said, sizeof said - 1, MSG_NOSIGNAL) > 0);
  shutdown(fd, SHUT_WR);
  char byte;
  while (recv(fd, &byte, 1, 0) > 0) {}
  close(fd);
  return NULL;
}

TEST(mysql_that_is_something_else) {
  world w;
  pthread_t t;
  int port, fd = listener(&port);
  CHECK_EQ(listen(fd, 8), 0);
  CHECK_EQ(pthread_create(&t, NULL, babble, &fd), 0);
  world_init(&w, port, 3000);
  pml_store_call *c = ask(&w, 0, 4000);
  pml_loop_run(w.l);
  CHECK_EQ(c->rc, PML_ECLOSED);
  says(c, "the database cannot be reached: ");
  pthread_join(t, NULL);
  world_end(&w);
  close(fd);
}

#include "store/redis_listener.h"

#include "base/err.h"
#include "test/redis_server.h"

typedef struct {
  pml_loop *loop;
  server v;
  pml_redis_listener *l;
  int news, close_at; /* closes when so much news has come */
  char said[2048];    /* all news, one after the other */
} world;

static void on_news(pml_redis_news what, pml_slice channel, pml_slice text, void *ud) {
  static const char *const names[] = {"message", "missed", "refused", "lost"};
  world *w = ud;
  size_t k = strlen(w->said);
  if (what == PML_REDIS_LOST || what == PML_REDIS_MISSED) text.n = 0;
  snprintf(w->said + k, sizeof w->said - k, "%s %.*s %.*s|", names[what], (int)channel.n,
           channel.n ? (const char *)channel.p : "", (int)text.n,
           text.n ? (const char *)text.p : "");
  if (++w->news != w->close_at) return;
  pml_redis_listener_close(w->l);
  w->l = NULL;
}

static world *world_new(uint32_t silent_ms) {
  world *w = pml_alloc0(sizeof *w);
  char err[256] = "";
  pml_redis_options o = PML_REDIS_OPTIONS;
  w->loop = pml_loop_new();
  server_listen(&w->v, w->loop, 0);
  o.host = "127.0.0.1";
  o.port = (uint16_t)w->v.port;
  if (silent_ms) o.silent_ms = silent_ms;
  w->l = pml_redis_listener_open(w->loop, &o, NULL, on_news, w, err, sizeof err);
  CHECK_STR(err, "");
  return w;
}

static void world_end(world *w) {
  if (w->l) pml_redis_listener_close(w->l);
  server_end(&w->v);
  pml_loop_free(w->loop);
  pml_free(w);
}

static int add(world *w, const char *name) {
  return pml_redis_listener_add(w->l, pml_slice_str(name));
}

#define CAME(w, i, text) \
  UNTIL((w)->loop, (w)->v.client[i].n >= strlen(text)); \
  CHECK_BYTES((w)->v.client[i].in, (w)->v.client[i].n, text)

#define SUBSCRIBE(name) "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\n" name "\r\n"
#define UNSUBSCRIBE(name) "*2\r\n$11\r\nUNSUBSCRIBE\r\n$1\r\n" name "\r\n"
#define YES(name) "*3\r\n$9\r\nsubscribe\r\n$1\r\n" name "\r\n:1\r\n"
#define MESSAGE(name, text) "*3\r\n$7\r\nmessage\r\n$1\r\n" name "\r\n+" text "\r\n"

TEST(redis_listener_subscribes_and_hears) {
  world *w = world_new(0);
  CHECK_EQ(add(w, "a"), 0);
  CHECK_EQ(add(w, "b"), 0);
  CHECK_EQ(add(w, "a"), PML_EEXIST);
  CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b"));
  CHECK(!pml_redis_listener_is_up(w->l));
  server_say(&w->v.client[0], YES("a") MESSAGE("a", "1") YES("b") MESSAGE("b", "2"));
  UNTIL(w->loop, w->news == 2);
  CHECK_STR(w->said, "message a 1|message b 2|");
  CHECK(pml_redis_listener_is_up(w->l));
  CHECK_EQ(add(w, "c"), 0);
  CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b") SUBSCRIBE("c"));
  world_end(w);
}

TEST(redis_listener_drops_what_comes_behind_an_end) {
  world *w = world_new(0);
  add(w, "a");
  add(w, "b");
  CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b"));
  server_say(&w->v.client[0], YES("a") YES("b"));
  UNTIL(w->loop, pml_redis_listener_is_up(w->l));
  pml_redis_listener_remove(w->l, pml_slice_str("a"));
  pml_redis_listener_remove(w->l, pml_slice_str("a"));
  CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b") UNSUBSCRIBE("a"));
  server_say(&w->v.client[0], MESSAGE("a", "late") MESSAGE("b", "1"));
  UNTIL(w->loop, w->news == 1);
  CHECK_STR(w->said, "message b 1|");
  /* Without a channel it needs no connection; with a new one it has another. */
  pml_redis_listener_remove(w->l, pml_slice_str("b"));
  UNTIL(w->loop, w->v.client[0].ended);
  add(w, "c");
  CAME(w, 1, SUBSCRIBE("c"));
  world_end(w);
}

TEST(redis_listener_comes_back_and_says_what_may_be_missed) {
  world *w = world_new(0);
  add(w, "a");
  add(w, "b");
  CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b"));
  server_say(&w->v.client[0], YES("a")); /* b has never been subscribed to: it misses nothing */
  server_say(&w->v.client[0], MESSAGE("a", "1"));
  UNTIL(w->loop, w->news == 1);
  server_reset(&w->v.client[0]);
  UNTIL(w->loop, w->news == 2);
  CAME(w, 1, SUBSCRIBE("a") SUBSCRIBE("b"));
  server_say(&w->v.client[1], YES("a") MESSAGE("a", "2") YES("b") MESSAGE("b", "3"));
  UNTIL(w->loop, w->news == 5);
  CHECK_STR(w->said, "message a 1|lost  |missed a |message a 2|message b 3|");
  world_end(w);
}

TEST(redis_listener_waits_for_a_server_that_is_down) {
  world *w = world_new(0);
  int port = w->v.port;
  server_end(&w->v);
  add(w, "a");
  UNTIL(w->loop, w->news == 1);
  w->v = (server){0};
  server_listen(&w->v, w->loop, port);
  CAME(w, 0, SUBSCRIBE("a"));
  server_say(&w->v.client[0], YES("a") MESSAGE("a", "1"));
  UNTIL(w->loop, w->news == 2);
  CHECK_STR(w->said, "lost  |message a 1|"); /* told once, and nothing was missed */
  world_end(w);
}

TEST(redis_listener_forgets_a_channel_that_is_refused) {
  world *w = world_new(0);
  add(w, "a");
  add(w, "b");
  CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b"));
  server_say(&w->v.client[0], "-NOPERM no\r\n" YES("b") MESSAGE("b", "1") MESSAGE("a", "2"));
  UNTIL(w->loop, w->news == 2);
  CHECK_STR(w->said, "refused a NOPERM no|message b 1|");
  CHECK_EQ(add(w, "a"), 0);
  world_end(w);
}

TEST(redis_listener_notices_a_server_that_is_silent) {
  world *w = world_new(300);
  add(w, "a");
  CAME(w, 0, SUBSCRIBE("a"));
  server_say(&w->v.client[0], YES("a"));
  UNTIL(w->loop, strstr(w->v.client[0].in, "*1\r\n$4\r\nPING\r\n"));
  server_say(&w->v.client[0], "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  UNTIL(w->loop, w->news >= 1);
  CHECK(strstr(w->said, "lost  |") == w->said);
  UNTIL(w->loop, w->v.clients >= 2);
  world_end(w);
}

TEST(redis_listener_bounds_channels_and_messages) {
  world *w = world_new(0);
  char name[600];
  CHECK_EQ(add(w, ""), PML_EINVAL);
  memset(name, 'x', sizeof name);
  name[513] = 0;
  CHECK_EQ(add(w, name), PML_EINVAL);
  for (int i = 0; i < PML_REDIS_CHANNELS_MAX; i++) {
    snprintf(name, sizeof name, "c%d", i);
    CHECK_EQ(add(w, name), 0);
  }
  CHECK_EQ(add(w, "one more"), PML_EFULL);
  world_end(w);
}

TEST(redis_listener_survives_nonsense) {
  static const char *const cases[] = {
    "-ERR what\r\n-ERR what\r\n",
    "*0\r\n*1\r\n+message\r\n*3\r\n$7\r\nmessage\r\n$-1\r\n:1\r\n"
    "*2\r\n+message\r\n*1\r\n+a\r\n:1\r\n+x\r\n" MESSAGE("a", "1"),
    "HTTP/1.1 400\r\n",
  };
  for (int i = 0; i < 3; i++) {
    world *w = world_new(0);
    add(w, "a");
    add(w, "b");
    CAME(w, 0, SUBSCRIBE("a") SUBSCRIBE("b"));
    server_say(&w->v.client[0], cases[i]);
    UNTIL(w->loop, w->news >= (i == 0 ? 2 : 1));
    world_end(w);
  }
}

TEST(redis_listener_may_be_closed_from_inside) {
  for (int i = 1; i <= 3; i++) {
    world *w = world_new(0);
    w->close_at = i;
    add(w, "a");
    CAME(w, 0, SUBSCRIBE("a"));
    server_say(&w->v.client[0], YES("a") MESSAGE("a", "1"));
    UNTIL(w->loop, w->news == 1);
    server_hang_up(&w->v.client[0]);
    UNTIL(w->loop, !w->l || w->news == 2);
    if (w->l) {
      CAME(w, 1, SUBSCRIBE("a"));
      server_say(&w->v.client[1], YES("a"));
    }
    UNTIL(w->loop, !w->l);
    world_end(w);
  }
}

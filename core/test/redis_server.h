/* redis_server: a server for tests of core/store/redis*.c, on the loop under test, that answers
 * only what a test says. It lets clients in by itself: SELECT and AUTH are answered +OK, unless
 * `login` says otherwise. */
#ifndef PML_TEST_REDIS_SERVER_H
#define PML_TEST_REDIS_SERVER_H

#include "base/mem.h"
#include "loop/loop.h"
#include "test/test.h"

/* Without waiting: an answer at the end of a turn wakes no poll. */
#define UNTIL(loop, expr) \
  while (!(expr)) uv_run(pml_loop_uv(loop), UV_RUN_NOWAIT)

#define SERVER_CLIENTS 8

typedef struct server server;
typedef struct {
  uv_tcp_t tcp;
  server *of;
  char *in; /* all that came behind the login, with a zero */
  size_t n, cap;
  int open, greeted, ended;
} server_client;

struct server {
  pml_loop *loop;
  uv_tcp_t tcp;
  int port, listening, clients, handles;
  const char *login; /* the answer to a login; NULL: +OK, "": none */
  server_client client[SERVER_CLIENTS];
  char room[65536];
};

static inline void server_closed(uv_handle_t *h) { (*(int *)h->data)--; }

static inline void server_say(server_client *c, const char *text) {
  size_t n = strlen(text), at = 0;
  while (at < n) {
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)text + at, (unsigned)(n - at));
    int rc = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    if (rc == UV_EAGAIN) uv_run(pml_loop_uv(c->of->loop), UV_RUN_NOWAIT);
    else if (rc < 0) return; /* the client has gone */
    else at += (size_t)rc;
  }
}

static inline void server_hang_up(server_client *c) {
  if (!c->open) return;
  c->open = 0;
  c->tcp.data = &c->of->handles;
  uv_close((uv_handle_t *)&c->tcp, server_closed);
}

/* With a reset instead of an end. */
static inline void server_reset(server_client *c) {
  if (!c->open) return;
  c->open = 0;
  c->tcp.data = &c->of->handles;
  CHECK_EQ(uv_tcp_close_reset(&c->tcp, server_closed), 0);
}

static inline void server_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
  server_client *c = h->data;
  (void)hint;
  *b = uv_buf_init(c->of->room, sizeof c->of->room);
}

/* How long the command at p is, 0: not yet whole. */
static inline size_t server_command(const char *p, const char *end) {
  const char *at = p;
  if (end - at < 4) return 0;
  CHECK(*at == '*');
  int words = atoi(at + 1);
  for (int i = 0; i < 2 * words + 1; i++) {
    const char *line = memchr(at, '\n', (size_t)(end - at));
    if (!line) return 0;
    at = line + 1;
  }
  return (size_t)(at - p);
}

/* Takes logins from the front of what has come. */
static inline void server_greet(server_client *c) {
  while (!c->greeted) {
    size_t n = server_command(c->in, c->in + c->n);
    if (!n) return;
    c->greeted = strstr(c->in, "SELECT") && strstr(c->in, "SELECT") < c->in + n;
    if (!c->of->login) server_say(c, "+OK\r\n");
    else server_say(c, c->of->login);
    c->n -= n;
    memmove(c->in, c->in + n, c->n + 1);
  }
}

static inline void server_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
  server_client *c = s->data;
  if (n < 0) {
    c->ended = 1;
    server_hang_up(c);
  }
  if (n <= 0) return;
  while (c->n + (size_t)n + 1 > c->cap)
    c->in = pml_realloc(c->in, c->cap = c->cap ? c->cap * 2 : 4096);
  memcpy(c->in + c->n, b->base, (size_t)n);
  c->n += (size_t)n;
  c->in[c->n] = 0;
  if (!c->greeted) server_greet(c);
}

static inline void server_accept(uv_stream_t *s, int status) {
  server *v = s->data;
  CHECK_EQ(status, 0);
  CHECK(v->clients < SERVER_CLIENTS);
  server_client *c = &v->client[v->clients];
  *c = (server_client){.of = v, .open = 1, .in = pml_alloc0(4096), .cap = 4096};
  uv_tcp_init(s->loop, &c->tcp);
  c->tcp.data = c;
  v->handles++;
  CHECK_EQ(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
  uv_read_start((uv_stream_t *)&c->tcp, server_alloc, server_read);
  v->clients++;
}

/* port 0: a free one. */
static inline void server_listen(server *v, pml_loop *l, int port) {
  struct sockaddr_in a;
  int len = sizeof a;
  v->loop = l;
  uv_ip4_addr("127.0.0.1", port, &a);
  uv_tcp_init(pml_loop_uv(l), &v->tcp);
  v->tcp.data = v;
  CHECK_EQ(uv_tcp_bind(&v->tcp, (struct sockaddr *)&a, 0), 0);
  CHECK_EQ(uv_listen((uv_stream_t *)&v->tcp, 16, server_accept), 0);
  uv_tcp_getsockname(&v->tcp, (struct sockaddr *)&a, &len);
  v->port = ntohs(a.sin_port);
  v->listening = 1;
  v->handles++;
}

static inline void server_stop_listening(server *v) {
  if (!v->listening) return;
  v->listening = 0;
  v->tcp.data = &v->handles;
  uv_close((uv_handle_t *)&v->tcp, server_closed);
}

static inline void server_end(server *v) {
  server_stop_listening(v);
  for (int i = 0; i < v->clients; i++) server_hang_up(&v->client[i]);
  UNTIL(v->loop, v->handles == 0);
  for (int i = 0; i < v->clients; i++) pml_free(v->client[i].in);
}

#endif

/* http_world: a store of HTTP and a service that it asks, for tests. */
#ifndef PML_TEST_HTTP_WORLD_H
#define PML_TEST_HTTP_WORLD_H

#include "store/http.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/http_peer.h"

#include <signal.h>

typedef struct {
  http_peer *peer;
  pml_loop *loop;
  pml_store *s;
  int closed;
} world;

typedef struct {
  pml_store_call call;
  int times, rc;
  long status;
  char *body; /* owned */
  size_t n;
  char headers[2048]; /* "name=value;" of each */
  char message[1024];
} reply;

/* One request, as a test writes it; what is left out is left out of the request. */
typedef struct {
  const char *method, *path, *url, *body;
  const char *headers[8];
  int redirects, no_private;
  size_t max_bytes;
  uint32_t ms;
} ask;

static inline void on_done(pml_store_call *c, void *ud) {
  reply *r = ud;
  pml_slice m = pml_buf_slice(c->message);
  r->times++;
  r->rc = c->rc;
  snprintf(r->message, sizeof r->message, "%.*s", (int)m.n, m.n ? (const char *)m.p : "");
  if (c->rc == 0) {
    pml_datum *v = c->values.v;
    r->status = (long)v[0].i;
    pml_slice body = pml_data_slice(&c->values, &v[1]);
    r->n = body.n;
    r->body = pml_strndup((const char *)body.p, body.n);
    size_t at = 0;
    for (size_t i = 2; i < c->values.n && at < sizeof r->headers; i += 2) {
      pml_slice name = pml_data_slice(&c->values, &v[i]);
      pml_slice value = pml_data_slice(&c->values, &v[i + 1]);
      at += (size_t)snprintf(r->headers + at, sizeof r->headers - at, "%.*s=%.*s;", (int)name.n,
                             (const char *)name.p, (int)value.n, (const char *)value.p);
    }
  }
  pml_store_call_drop(c);
}

static inline void text(pml_data *d, const char *s) {
  pml_data_text(d, PML_DATUM_TEXT, pml_slice_str(s));
}

static inline reply *send_off(world *w, const ask *a) {
  reply *r = pml_alloc0(sizeof *r);
  pml_data *d = &r->call.params;
  char url[512];
  snprintf(url, sizeof url, "%s://%s:%d%s", w->peer->tls ? "https" : "http",
           w->peer->tls ? "localhost" : "127.0.0.1", w->peer->port, a->path ? a->path : "/");
  r->call.op = PML_STORE_REQUEST;
  r->call.ms = a->ms ? a->ms : 4000;
  r->call.done = on_done;
  r->call.ud = r;
  text(d, a->method ? a->method : "GET");
  text(d, a->url ? a->url : url);
  if (a->body) text(d, a->body);
  else pml_data_null(d);
  pml_data_int(d, a->redirects);
  pml_data_int(d, (int64_t)a->max_bytes);
  pml_data_bool(d, !a->no_private);
  for (size_t i = 0; i < 8 && a->headers[i]; i++) text(d, a->headers[i]);
  pml_store_submit(w->s, &r->call);
  return r;
}

/* What is answered at the end of a turn is there before the loop sleeps, so it may not sleep. */
static inline void turn(world *w) {
  if (uv_run(pml_loop_uv(w->loop), UV_RUN_NOWAIT)) usleep(100);
}
static inline reply *until(world *w, reply *r) {
  while (!r->times) turn(w);
  return r;
}

#define REQUEST(w, ...) until(w, send_off(w, &(ask){__VA_ARGS__}))
#define HAS(text, part) \
  do { \
    if (!strstr(text, part)) fprintf(stderr, "\"%s\" is not in \"%s\"\n", part, text); \
    CHECK(strstr(text, part)); \
  } while (0)

static inline void drop(reply *r) {
  pml_free(r->body);
  pml_free(r);
}

static inline void begin_with(world *w, void (*answer)(http_peer_conn *c),
                              const pml_http_options *o, const char *cert, const char *key) {
  char err[256] = "";
  signal(SIGPIPE, SIG_IGN); /* OpenSSL's write in the peer */
  memset(w, 0, sizeof *w);
  w->peer = http_peer_start(answer, cert, key);
  w->loop = pml_loop_new();
  w->s = pml_http_open(w->loop, o, NULL, err, sizeof err);
  if (!w->s) fprintf(stderr, "%s\n", err);
  CHECK(w->s);
}
static inline void begin(world *w, void (*answer)(http_peer_conn *c)) {
  begin_with(w, answer, &PML_HTTP_OPTIONS, NULL, NULL);
}
static inline void on_closed(void *ud) { *(int *)ud = 1; }
static inline void close_store(world *w) {
  pml_store_close(w->s, on_closed, &w->closed);
  while (!w->closed) turn(w);
}
static inline void end(world *w) {
  close_store(w);
  pml_loop_free(w->loop);
}

/* What a well-behaved service does: repeats what it was asked. */
static inline void echo(http_peer_conn *c) {
  char headers[512];
  snprintf(headers, sizeof headers, "X-Method: %s\r\nX-PATH: %s\r\n", c->method, c->path);
  http_peer_ok(c, headers, c->request);
}

/* What a bad one does. */
static inline void bad(http_peer_conn *c) {
  static char kb[1025];
  memset(kb, 'x', 1024);
  if (strcmp(c->path, "/endless") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (http_peer_say(c, "400\r\n") && http_peer_say(c, kb) && http_peer_say(c, "\r\n")) {}
  } else if (strcmp(c->path, "/long") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 99000000000\r\n\r\n");
    http_peer_until_closed(c);
  } else if (strcmp(c->path, "/headers") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\n");
    while (http_peer_say(c, "X: ") && http_peer_say(c, kb) && http_peer_say(c, "\r\n")) {}
  } else if (strcmp(c->path, "/many") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\n");
    while (http_peer_say(c, "X: y\r\n")) {}
  } else if (strcmp(c->path, "/line") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nX: ");
    while (http_peer_say(c, kb)) {}
  } else if (strcmp(c->path, "/again") == 0) {
    while (http_peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n")) {}
  } else if (strcmp(c->path, "/cut") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  } else if (strcmp(c->path, "/chunk") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nhalf");
  } else if (strcmp(c->path, "/nothing") == 0) {
  } else if (strcmp(c->path, "/garbage") == 0) {
    http_peer_say(c, "what do you want?\r\n\r\n");
  } else if (strcmp(c->path, "/lengths") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello, ");
  } else if (strcmp(c->path, "/minus") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello");
  } else if (strcmp(c->path, "/more") == 0) {
    http_peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    return;
  } else if (strcmp(c->path, "/never") == 0) {
    http_peer_until_closed(c);
  } else {
    echo(c);
    return;
  }
  c->end = 1;
}

#endif

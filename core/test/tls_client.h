/* tls_client: a TLS client for the tests of core/net, on a raw socket of test/net: what it sends
 * can be cut, changed and kept back. */
#ifndef PML_TEST_TLS_CLIENT_H
#define PML_TEST_TLS_CLIENT_H

#include "net/tls_context.h"
#include "test/certs.h"
#include "test/conn_world.h"

#include <openssl/err.h>

/* Loads a pair that is made for it. Returns owned. */
static inline pml_tls *tls_load(void) {
  certs c;
  char err[1024] = "";
  certs_begin(&c);
  certs_make(&c, "a.crt", "a.key", "localhost", -60, 86400, NULL);
  pml_tls_files f = {.cert = "a.crt", .key = "a.key", .base = c.dir};
  pml_tls *t = pml_tls_load(&f, err, sizeof err);
  CHECK_STR(err, "");
  certs_end(&c);
  return t;
}

typedef struct {
  net_client *net;
  SSL_CTX *ctx;
  SSL *ssl;
  BIO *in, *out; /* memory: from the server, and to it */
  uint8_t *got;  /* plain bytes that came */
  size_t n, cap;
  int eof; /* the server said close_notify */
  int error;
} tls_client;

/* What the server sent goes to OpenSSL. */
static inline void tls_take(tls_client *c) {
  if (c->net->n) CHECK_EQ(BIO_write(c->in, c->net->in, (int)c->net->n), c->net->n);
  net_drop(c->net);
  char buf[16384];
  ERR_clear_error();
  int r;
  while ((r = SSL_read(c->ssl, buf, sizeof buf)) > 0) {
    while (c->n + (size_t)r > c->cap) c->got = pml_realloc(c->got, c->cap = 4096 + c->cap * 2);
    memcpy(c->got + c->n, buf, (size_t)r);
    c->n += (size_t)r;
  }
  int why = SSL_get_error(c->ssl, r);
  c->eof |= why == SSL_ERROR_ZERO_RETURN;
  c->error |= why == SSL_ERROR_SSL;
}
/* What OpenSSL has to say goes to the server; it is small. */
static inline void tls_give(tls_client *c) {
  char *p;
  long n = BIO_get_mem_data(c->out, &p);
  if (n > 0 && !net_ended(c->net)) net_send(c->net, p, (size_t)n);
  (void)BIO_reset(c->out);
}
#define TLS_UNTIL(w, c, expr) \
  while (tls_take(c), tls_give(c), !(expr)) uv_run(pml_loop_uv((w)->l), UV_RUN_ONCE)

/* A client that has said nothing yet; version: the only one it speaks, 0: any. */
static inline tls_client *tls_new(world *w, int version) {
  tls_client *c = pml_alloc0(sizeof *c);
  c->net = net_connect(w->l, pml_listener_port(w->s), 1);
  c->ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_options(c->ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
  if (version) {
    SSL_CTX_set_min_proto_version(c->ctx, version);
    SSL_CTX_set_max_proto_version(c->ctx, version);
  }
  c->ssl = SSL_new(c->ctx);
  c->in = BIO_new(BIO_s_mem());
  c->out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(c->in, -1);
  SSL_set_bio(c->ssl, c->in, c->out);
  SSL_set_connect_state(c->ssl);
  return c;
}
static inline tls_client *tls_connect(world *w, int version) {
  tls_client *c = tls_new(w, version);
  TLS_UNTIL(w, c, SSL_is_init_finished(c->ssl));
  return c;
}
static inline void tls_write(tls_client *c, const void *p, size_t n) {
  CHECK_EQ(SSL_write(c->ssl, p, (int)n), n);
  tls_give(c);
}
static inline void tls_free(world *w, tls_client *c) {
  net_close(w->l, c->net);
  SSL_free(c->ssl);
  SSL_CTX_free(c->ctx);
  pml_free(c->got);
  pml_free(c);
}

/* The last client: closes it, and all. */
static inline void tls_finish(world *w, tls_client *c) {
  tls_free(w, c);
  UNTIL(w->l, pml_conns_count(w->all) == 0);
  net_finish(w->l, w->all, w->s);
}

static inline void tls_begin_with(world *w, pml_conn_limits limits, int required) {
  memset(w, 0, sizeof *w);
  pml_conns_options o = options(w);
  o.limits = limits;
  start(w, &o);
  pml_tls *t = tls_load();
  pml_conns_set_tls(w->all, t, required);
  pml_tls_unref(t);
}
static inline void tls_begin(world *w) { tls_begin_with(w, (pml_conn_limits){0}, 0); }

#endif

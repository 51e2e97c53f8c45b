#include "net/tls_client.h"

#include "base/err.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define PIECE 16384

struct pml_tls_trust {
  SSL_CTX *ctx;
};

struct pml_tls_client {
  SSL *ssl;
  BIO *in, *out; /* owned by ssl */
  char error[256];
};

static const char *reason(void) {
  const char *text = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return text ? text : "no reason given";
}

pml_tls_trust *pml_tls_trust_new(const char *ca, int insecure, char *err, size_t nerr) {
  ERR_clear_error();
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  int ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  if (ok && !insecure && ca) ok = SSL_CTX_load_verify_file(ctx, ca);
  else if (ok && !insecure) ok = SSL_CTX_set_default_verify_paths(ctx);
  if (!ok) {
    snprintf(err, nerr, "%s: no authorities can be read from it: %s", ca ? ca : "OpenSSL",
             reason());
    SSL_CTX_free(ctx);
    return NULL;
  }
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(ctx, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
  pml_tls_trust *t = pml_alloc(sizeof *t);
  t->ctx = ctx;
  return t;
}

void pml_tls_trust_free(pml_tls_trust *t) {
  if (t) SSL_CTX_free(t->ctx);
  pml_free(t);
}

pml_tls_client *pml_tls_client_new(pml_tls_trust *t, const char *host) {
  pml_tls_client *c = pml_alloc0(sizeof *c);
  c->ssl = SSL_new(t->ctx);
  c->in = BIO_new(BIO_s_mem());
  c->out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(c->in, -1);
  SSL_set_bio(c->ssl, c->in, c->out);
  SSL_set_connect_state(c->ssl);
  X509_VERIFY_PARAM *p = SSL_get0_param(c->ssl);
  if (!X509_VERIFY_PARAM_set1_ip_asc(p, host)) {
    ERR_clear_error();
    SSL_set_tlsext_host_name(c->ssl, host);
    X509_VERIFY_PARAM_set1_host(p, host, 0);
  }
  return c;
}

void pml_tls_client_free(pml_tls_client *c) {
  if (c) SSL_free(c->ssl);
  pml_free(c);
}

const char *pml_tls_client_error(const pml_tls_client *c) { return c->error; }

static int fail(pml_tls_client *c) {
  long verified = SSL_get_verify_result(c->ssl);
  if (verified != X509_V_OK && SSL_get_verify_mode(c->ssl) != SSL_VERIFY_NONE) {
    ERR_clear_error();
    snprintf(c->error, sizeof c->error, "the server's certificate is not believed: %s",
             X509_verify_cert_error_string(verified));
  } else {
    snprintf(c->error, sizeof c->error, "TLS failed: %s", reason());
  }
  return PML_EPROTO;
}

int pml_tls_client_shake(pml_tls_client *c) {
  ERR_clear_error();
  int rc = SSL_do_handshake(c->ssl);
  if (rc == 1) return 1;
  return SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_READ ? 0 : fail(c);
}

void pml_tls_client_feed(pml_tls_client *c, const uint8_t *p, size_t n) {
  size_t taken;
  BIO_write_ex(c->in, p, n, &taken);
}

int pml_tls_client_read(pml_tls_client *c, pml_writer *out) {
  for (;;) {
    size_t n = 0;
    uint8_t *at = pml_writer_more(out, PIECE);
    ERR_clear_error();
    int rc = SSL_read_ex(c->ssl, at, PIECE, &n);
    pml_writer_cut(out, out->len - PIECE + n);
    if (rc == 1) continue;
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ: return 0;
    case SSL_ERROR_ZERO_RETURN: return PML_ECLOSED;
    default: return fail(c);
    }
  }
}

int pml_tls_client_write(pml_tls_client *c, const void *p, size_t n) {
  size_t taken;
  ERR_clear_error();
  return n == 0 || SSL_write_ex(c->ssl, p, n, &taken) == 1 ? 0 : fail(c);
}

void pml_tls_client_take(pml_tls_client *c, pml_writer *out) {
  size_t n = BIO_ctrl_pending(c->out), got = 0;
  if (!n) return;
  uint8_t *at = pml_writer_more(out, n);
  BIO_read_ex(c->out, at, n, &got);
  pml_writer_cut(out, out->len - n + got);
}

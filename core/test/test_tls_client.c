#include "net/tls_client.h"

#include "base/err.h"
#include "net/tls_context.h"
#include "test/certs.h"

static char err[1024];

typedef struct {
  certs c;
  pml_tls *t;
  SSL *server;
  BIO *in, *out; /* of server */
  pml_tls_trust *trust;
  pml_tls_client *client;
} pair;

/* A client that wants `host`, and a server for localhost that it may trust. */
static void begin(pair *p, const char *host, const char *ca, int insecure) {
  char path[128];
  certs_begin(&p->c);
  certs_make(&p->c, "a.crt", "a.key", "localhost", -60, 3600, NULL);
  certs_make(&p->c, "b.crt", "b.key", "localhost", -60, 3600, NULL);
  pml_tls_files f = {.cert = "a.crt", .key = "a.key", .base = p->c.dir};
  p->t = pml_tls_load(&f, err, sizeof err);
  CHECK(p->t != NULL);
  p->server = SSL_new(pml_tls_ctx(p->t));
  p->in = BIO_new(BIO_s_mem());
  p->out = BIO_new(BIO_s_mem());
  SSL_set_bio(p->server, p->in, p->out);
  SSL_set_accept_state(p->server);
  snprintf(path, sizeof path, "%s/%s", p->c.dir, ca);
  p->trust = pml_tls_trust_new(path, insecure, err, sizeof err);
  CHECK(p->trust != NULL);
  p->client = pml_tls_client_new(p->trust, host);
}

static void end(pair *p) {
  pml_tls_trust_free(p->trust);
  pml_tls_client_free(p->client);
  SSL_free(p->server);
  pml_tls_unref(p->t);
  certs_end(&p->c);
}

/* Bytes go both ways once. */
static void carry(pair *p) {
  pml_writer w = {0};
  uint8_t buf[8192];
  size_t n;
  pml_tls_client_take(p->client, &w);
  if (w.len) BIO_write_ex(p->in, pml_writer_at(&w, 0), w.len, &n);
  pml_writer_drop(&w);
  SSL_do_handshake(p->server);
  while (BIO_read_ex(p->out, buf, sizeof buf, &n)) pml_tls_client_feed(p->client, buf, n);
}

static int shake(pair *p) {
  int rc = 0;
  for (int i = 0; i < 10 && rc == 0; i++) {
    rc = pml_tls_client_shake(p->client);
    carry(p);
  }
  return rc;
}

TEST(tls_client_carries_bytes_both_ways) {
  pair p;
  uint8_t buf[100];
  size_t n;
  pml_writer w = {0};
  begin(&p, "localhost", "a.crt", 0);
  CHECK_EQ(shake(&p), 1);
  CHECK_EQ(pml_tls_client_write(p.client, "hello", 5), 0);
  CHECK_EQ(pml_tls_client_write(p.client, "", 0), 0);
  carry(&p);
  CHECK(SSL_read_ex(p.server, buf, sizeof buf, &n) && n == 5 && memcmp(buf, "hello", 5) == 0);
  CHECK_EQ(pml_tls_client_read(p.client, &w), 0);
  CHECK_EQ(w.len, 0);
  CHECK(SSL_write_ex(p.server, "and back", 8, &n));
  carry(&p);
  CHECK_EQ(pml_tls_client_read(p.client, &w), 0);
  CHECK(w.len == 8 && memcmp(pml_writer_at(&w, 0), "and back", 8) == 0);
  SSL_shutdown(p.server);
  carry(&p);
  CHECK_EQ(pml_tls_client_read(p.client, &w), PML_ECLOSED);
  pml_writer_drop(&w);
  end(&p);
}

TEST(tls_client_believes_nobody_else) {
  pair p;
  begin(&p, "localhost", "b.crt", 0);
  CHECK_EQ(shake(&p), PML_EPROTO);
  CHECK(strstr(pml_tls_client_error(p.client), "not believed: ") != NULL);
  end(&p);
  begin(&p, "example.org", "a.crt", 0);
  CHECK_EQ(shake(&p), PML_EPROTO);
  CHECK(strstr(pml_tls_client_error(p.client), "hostname mismatch") != NULL);
  end(&p);
  begin(&p, "127.0.0.1", "a.crt", 0);
  CHECK_EQ(shake(&p), PML_EPROTO);
  CHECK(strstr(pml_tls_client_error(p.client), "IP address mismatch") != NULL);
  end(&p);
  begin(&p, "example.org", "b.crt", 1);
  CHECK_EQ(shake(&p), 1);
  end(&p);
}

TEST(tls_client_says_what_it_cannot_read) {
  CHECK(pml_tls_trust_new("/nowhere/ca.pem", 0, err, sizeof err) == NULL);
  CHECK(strstr(err, "/nowhere/ca.pem: no authorities") == err);
  pml_tls_trust_free(NULL);
  pml_tls_client_free(NULL);
  pair p;
  begin(&p, "localhost", "a.crt", 0);
  pml_tls_client_feed(p.client, (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n\r\n", 28);
  CHECK_EQ(pml_tls_client_shake(p.client), PML_EPROTO);
  CHECK(strstr(pml_tls_client_error(p.client), "TLS failed: ") != NULL);
  end(&p);
}

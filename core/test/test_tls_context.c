#include "net/tls_context.h"

#include "test/certs.h"

static char err[1024];

/* One connection through memory, from a client context. Returns the client's end, owned: its
 * handshake is done, and the server's ticket has been read; NULL: they could not agree. */
static SSL *meet(SSL_CTX *client, pml_tls *t, const char *host, SSL_SESSION *again) {
  SSL *a = SSL_new(client), *b = SSL_new(pml_tls_ctx(t));
  BIO *ab, *ba;
  char byte;
  CHECK(BIO_new_bio_pair(&ab, 0, &ba, 0));
  SSL_set_bio(a, ab, ab);
  SSL_set_bio(b, ba, ba);
  if (host) SSL_set_tlsext_host_name(a, host);
  if (again) SSL_set_session(a, again);
  SSL_set_connect_state(a);
  SSL_set_accept_state(b);
  for (int i = 0; i < 20; i++) {
    SSL_do_handshake(a);
    SSL_do_handshake(b);
  }
  int done = SSL_is_init_finished(a) && SSL_is_init_finished(b);
  if (done) SSL_read(a, &byte, 1);
  SSL_set_shutdown(a, SSL_SENT_SHUTDOWN); /* or its session counts as broken */
  SSL_free(b);
  if (done) return a;
  SSL_free(a);
  return NULL;
}

/* The name that the server's certificate has been made for. */
static void name_of(SSL *s, char out[100]) {
  X509 *x = SSL_get1_peer_certificate(s);
  CHECK(x != NULL);
  X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, 100);
  X509_free(x);
}

static pml_tls *load(const certs *c, pml_tls_tickets *tickets, int strict) {
  pml_tls_pair names[] = {
    {.name = "Game.example.org", .setting = "ssl.n", .cert = "game.crt", .key = "game.key"},
    {.name = "*.example.org", .setting = "ssl.n", .cert = "star.crt", .key = "star.key"},
    {.name = "*.eu.example.org", .setting = "ssl.n", .cert = "eu.crt", .key = "eu.key"},
  };
  pml_tls_files f = {.cert = "a.crt",
                     .key = "a.key",
                     .base = c->dir,
                     .names = names,
                     .n = 3,
                     .tickets = tickets,
                     .strict = strict};
  return pml_tls_load(&f, err, sizeof err);
}

static void begin(certs *c) {
  certs_begin(c);
  certs_make(c, "a.crt", "a.key", "default.org", -60, 3600, NULL);
  certs_make(c, "game.crt", "game.key", "game.example.org", -60, 3600, NULL);
  certs_make(c, "star.crt", "star.key", "*.example.org", -60, 3600, NULL);
  certs_make(c, "eu.crt", "eu.key", "*.eu.example.org", -60, 60, NULL);
}

TEST(tls_context_picks_the_certificate_by_the_name_that_is_asked_for) {
  static const char *const rows[][2] = {
    {NULL, "default.org"},
    {"other.org", "default.org"},
    {"example.org", "default.org"},
    {".example.org", "default.org"},
    {"game.example.org", "game.example.org"},
    {"GAME.Example.ORG", "game.example.org"},
    {"chat.example.org", "*.example.org"},
    {"a.b.example.org", "*.example.org"},
    {"x.eu.example.org", "*.eu.example.org"},
    {"badexample.org", "default.org"},
  };
  certs c;
  begin(&c);
  pml_tls *t = load(&c, NULL, 1);
  CHECK(t != NULL);
  CHECK_STR(pml_tls_notes(t), "");
  SSL_CTX *client = SSL_CTX_new(TLS_client_method());
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char name[100] = "";
    SSL *s = meet(client, t, rows[i][0], NULL);
    CHECK(s != NULL);
    name_of(s, name);
    CHECK_STR(name, rows[i][1]);
    SSL_free(s);
  }
  CHECK(pml_tls_ctx_of(t, "game.example.org.") != pml_tls_ctx(t)); /* a whole name's dot */
  CHECK(pml_tls_ctx_of(t, "") == pml_tls_ctx(t));
  const char *file;
  CHECK(pml_tls_until(t, &file) > 0);
  CHECK_STR(file, "eu.crt");
  SSL_CTX_free(client);
  pml_tls_unref(t);
  certs_end(&c);
}

static int agrees(pml_tls *t, int version, const char *ciphers) {
  SSL_CTX *client = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(client, 0);
  SSL_CTX_set_min_proto_version(client, version);
  SSL_CTX_set_max_proto_version(client, version);
  if (ciphers) CHECK(SSL_CTX_set_cipher_list(client, ciphers));
  SSL *s = meet(client, t, NULL, NULL);
  int done = s != NULL;
  if (done) CHECK_EQ(SSL_version(s), version);
  SSL_free(s);
  SSL_CTX_free(client);
  return done;
}

TEST(tls_context_agrees_on_nothing_weak) {
  certs c;
  begin(&c);
  pml_tls *t = load(&c, NULL, 0);
  CHECK(t != NULL);
  CHECK(agrees(t, TLS1_3_VERSION, NULL));
  CHECK(agrees(t, TLS1_2_VERSION, NULL));
  CHECK(!agrees(t, TLS1_1_VERSION, NULL));
  CHECK(!agrees(t, TLS1_VERSION, NULL));
  CHECK(agrees(t, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"));
  CHECK(!agrees(t, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256")); /* CBC */
  CHECK(!agrees(t, TLS1_2_VERSION, "AES128-GCM-SHA256"));         /* no forward secrecy */
  pml_tls_unref(t);
  certs_end(&c);
}

TEST(tls_context_tickets_are_good_at_a_renewed_certificate) {
  for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
    certs c;
    begin(&c);
    pml_tls_tickets *tickets = pml_tls_tickets_new();
    pml_tls *t = load(&c, tickets, 0);
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(client, version);
    SSL *s = meet(client, t, "game.example.org", NULL);
    CHECK(s && !SSL_session_reused(s));
    SSL_SESSION *session = SSL_get1_session(s);
    SSL_free(s);
    pml_tls_unref(t);
    certs_make(&c, "game.crt", "game.key", "game.example.org", -60, 7200, NULL);
    t = load(&c, tickets, 0);
    s = meet(client, t, "game.example.org", session);
    CHECK(s && SSL_session_reused(s));
    SSL_free(s);
    pml_tls *stranger = load(&c, NULL, 0);
    s = meet(client, stranger, "game.example.org", session);
    CHECK(s && !SSL_session_reused(s));
    SSL_free(s);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    pml_tls_unref(stranger);
    pml_tls_unref(t);
    pml_tls_tickets_unref(tickets);
    certs_end(&c);
  }
}

static void alpn(SSL_CTX *client, pml_tls *t, const char *offer, unsigned n, const char *want) {
  const unsigned char *got;
  unsigned ngot;
  SSL_CTX_set_alpn_protos(client, (const unsigned char *)offer, n);
  SSL *s = meet(client, t, NULL, NULL);
  CHECK(s != NULL);
  SSL_get0_alpn_selected(s, &got, &ngot);
  CHECK_EQ(ngot, strlen(want));
  CHECK(memcmp(got ? (const char *)got : "", want, ngot) == 0);
  SSL_free(s);
}

TEST(tls_context_selects_http_1_1_when_it_is_offered) {
  certs c;
  begin(&c);
  pml_tls *t = load(&c, NULL, 0);
  SSL_CTX *client = SSL_CTX_new(TLS_client_method());
  alpn(client, t, "\x2h2\x8http/1.1", 12, "http/1.1");
  alpn(client, t, "\x2h2", 3, "");
  alpn(client, t, "\x6pomelo", 7, "");
  SSL_CTX_free(client);
  pml_tls_unref(t);
  certs_end(&c);
}

TEST(tls_context_tells_of_what_is_not_valid_now) {
  certs c;
  begin(&c);
  certs_make(&c, "game.crt", "game.key", "game.example.org", -60, -5, NULL);
  certs_make(&c, "star.crt", "star.key", "*.example.com", 3600, 7200, NULL);
  pml_tls *t = load(&c, NULL, 0);
  CHECK(t != NULL);
  CHECK(strstr(pml_tls_notes(t), "ssl.n.cert: game.crt: the certificate has expired, on ") != NULL);
  CHECK(strstr(pml_tls_notes(t), "\nssl.n.cert: star.crt: the certificate is not valid yet") !=
        NULL);
  CHECK(strstr(pml_tls_notes(t), "star.crt: the certificate is not for the name *.example.org"));
  pml_tls_unref(t);
  CHECK(load(&c, NULL, 1) == NULL);
  CHECK(strstr(err, "ssl.n.cert: game.crt: the certificate has expired") == err);
  certs_text(&c, "game.key", "nothing");
  CHECK(load(&c, NULL, 0) == NULL);
  CHECK(strstr(err, "ssl.n.key: game.key: ") == err);
  CHECK(pml_tls_ref(NULL) == NULL);
  pml_tls_unref(NULL);
  certs_end(&c);
}

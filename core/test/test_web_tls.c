#include "host/web_tls.h"

#include "base/err.h"
#include "test/certs.h"
#include "test/web.h"

#include <openssl/ssl.h>
#include <sys/resource.h>

#define HOUR 3600L

static certs files;

static void begin_tls(const char *cert, const char *key) {
  web_options.cert = cert;
  web_options.key = key;
  web_options.base = files.dir;
  begin();
}

static SSL_CTX *client_ctx(int version) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(ctx, 0);
  SSL_CTX_set_min_proto_version(ctx, version);
  SSL_CTX_set_max_proto_version(ctx, version);
  return ctx;
}

/* A connection with that version of TLS, or NULL. */
static SSL *join_tls(int version) {
  SSL_CTX *ctx = client_ctx(version);
  SSL *s = SSL_new(ctx);
  SSL_CTX_free(ctx);
  SSL_set_fd(s, join_web());
  if (SSL_connect(s) == 1) return s;
  close(SSL_get_fd(s));
  SSL_free(s);
  return NULL;
}

static void leave_tls(SSL *s) {
  close(SSL_get_fd(s));
  SSL_free(s);
}

/* The name in the certificate that the server shows. */
static const char *name_of_server(SSL *s) {
  static char name[100];
  X509 *x = SSL_get1_peer_certificate(s);
  X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof name);
  X509_free(x);
  return name;
}

static void ask_tls(SSL *s) {
  const char request[] = "GET /app.js HTTP/1.1\r\nHost: x\r\n\r\n";
  size_t n = 0;
  CHECK_EQ(SSL_write(s, request, sizeof request - 1), (int)sizeof request - 1);
  answer[0] = 0;
  while (!strstr(answer, "run()")) {
    int k = SSL_read(s, answer + n, (int)(sizeof answer - 1 - n));
    CHECK(k > 0);
    answer[n += (size_t)k] = 0;
  }
}

TEST(web_tls_serves_with_1_2_and_1_3_alone) {
  test_has_bounds_of_time();
  certs_begin(&files);
  certs_make(&files, "c.pem", "k.pem", "one.example", -HOUR, HOUR, NULL);
  begin_tls("c.pem", "k.pem");
  CHECK(pml_web_is_secure(web));
  const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (int i = 0; i < 2; i++) {
    SSL *s = join_tls(versions[i]);
    CHECK(s != NULL);
    CHECK_STR(name_of_server(s), "one.example");
    ask_tls(s);
    CHECK_EQ(status(), 200);
    CHECK_STR(header("Strict-Transport-Security"), "max-age=31536000");
    leave_tls(s);
  }
  CHECK(join_tls(TLS1_VERSION) == NULL);
  CHECK(join_tls(TLS1_1_VERSION) == NULL);
  get("/"); /* HTTP is no TLS */
  CHECK_EQ(status(), 0);
  finish();
  certs_end(&files);
}

TEST(web_tls_renews_the_pair_and_keeps_connections) {
  test_has_bounds_of_time();
  char err[512];
  certs_begin(&files);
  certs_make(&files, "c.pem", "k.pem", "one.example", -HOUR, HOUR, NULL);
  begin_tls("c.pem", "k.pem");
  SSL *old = join_tls(TLS1_3_VERSION);
  ask_tls(old);
  CHECK_EQ(pml_web_renew(web, err, sizeof err), 0);
  certs_make(&files, "c.pem", "k.pem", "two.example", -HOUR, HOUR, NULL);
  CHECK_EQ(pml_web_renew(web, err, sizeof err), 1);
  SSL *s = join_tls(TLS1_3_VERSION);
  CHECK_STR(name_of_server(s), "two.example");
  ask_tls(old);
  CHECK_EQ(status(), 200);
  leave_tls(s);
  /* What cannot be served changes nothing, and is said each time that somebody asks. */
  certs_text(&files, "k.pem", "no key");
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(pml_web_renew(web, err, sizeof err), PML_EINVAL);
    CHECK(strstr(err, "key: k.pem: ") == err);
  }
  s = join_tls(TLS1_3_VERSION);
  CHECK_STR(name_of_server(s), "two.example");
  leave_tls(s);
  leave_tls(old);
  finish();
  certs_end(&files);
}

TEST(web_tls_sees_that_the_files_have_changed) {
  test_has_bounds_of_time();
  certs_begin(&files);
  certs_make(&files, "c.pem", "k.pem", "one.example", -HOUR, HOUR, NULL);
  begin_tls("c.pem", "k.pem");
  certs_make(&files, "new-c.pem", "new-k.pem", "two.example", -HOUR, HOUR, NULL);
  char cmd[300];
  snprintf(cmd, sizeof cmd, "cd %s && mv new-c.pem c.pem && mv new-k.pem k.pem", files.dir);
  CHECK_EQ(system(cmd), 0);
  int renewed = 0;
  for (int i = 0; i < 40 && !renewed; i++) {
    usleep(50000); /* two seconds in all */
    SSL *s = join_tls(TLS1_3_VERSION);
    renewed = !strcmp(name_of_server(s), "two.example");
    leave_tls(s);
  }
  CHECK(renewed);
  finish();
  certs_end(&files);
}

TEST(web_tls_says_what_is_wrong_with_the_files) {
  test_has_bounds_of_time();
  char err[512];
  certs_begin(&files);
  certs_make(&files, "c.pem", "k.pem", "one.example", -HOUR, HOUR, NULL);
  certs_make(&files, "c2.pem", "k2.pem", "two.example", -HOUR, HOUR, NULL);
  certs_make(&files, "old.pem", "oldk.pem", "two.example", -2 * HOUR, -HOUR, NULL);
  certs_make(&files, "enc.pem", "enck.pem", "two.example", -HOUR, HOUR, "secret");
  const char *bad[][3] = {
    {"c.pem", "k2.pem", "key: k2.pem: "},
    {"none.pem", "k.pem", "cert: none.pem: "},
    {"c.pem", "none.pem", "key: none.pem: "},
    {"k.pem", "k.pem", "cert: k.pem: "},
    {"c.pem", "c.pem", "key: c.pem: "},
    {"enc.pem", "enck.pem", "key: enck.pem: "}, /* and nobody is asked for its password */
    {"old.pem", "oldk.pem", "cert: old.pem: the certificate has expired"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    pml_web_options o = {.cert = bad[i][0], .key = bad[i][1], .base = files.dir, .root = files.dir};
    err[0] = 0;
    CHECK_EQ(pml_web_check_pair(&o, 1, err, sizeof err), PML_EINVAL);
    CHECK(strstr(err, bad[i][2]) == err);
    CHECK(!strstr(err, "secret"));
  }
  pml_web_options o = {.cert = "old.pem", .key = "oldk.pem", .base = files.dir, .root = files.dir};
  CHECK_EQ(pml_web_check_pair(&o, 0, err, sizeof err), 0);
  o.key = "none.pem";
  pml_web *w = NULL;
  CHECK_EQ(pml_web_open(&o, NULL, &w, err, sizeof err), PML_EINVAL);
  CHECK(strstr(err, "key: none.pem: ") == err);
  certs_end(&files);
}

static double processor_time(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* By epoll, libmicrohttpd would spin. */
TEST(web_tls_takes_no_processor_for_a_handshake_that_waits) {
  test_has_bounds_of_time();
  certs_begin(&files);
  certs_make(&files, "c.pem", "k.pem", "one.example", -HOUR, HOUR, NULL);
  web_options.limits.request_ms = 600;
  begin_tls("c.pem", "k.pem");
  int fd = join_web();
  CHECK_EQ(write(fd, "\x16\x03\x01\x02\x00\x01", 6), 6);
  usleep(50000);
  double before = processor_time();
  usleep(400000);
  CHECK(processor_time() - before < 0.2);
  char b[100];
  CHECK(read(fd, b, sizeof b) <= 0); /* it is ended when its time is over */
  close(fd);
  SSL *s = join_tls(TLS1_3_VERSION);
  ask_tls(s);
  leave_tls(s);
  finish();
  certs_end(&files);
}

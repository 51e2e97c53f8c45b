#include "net/tls_pair.h"

#include "base/err.h"
#include "test/certs.h"

#include <sys/stat.h>
#include <time.h>

static char err[1024];
static pml_tls_validity validity;
static int in_chain; /* of the certificate that was used last */

static int use(const certs *c, const char *cert, const char *key, const char *more) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  pml_tls_pair p = {.setting = "s", .cert = cert, .key = key, .chain = {more}};
  err[0] = '\0';
  int rc = pml_tls_pair_use(ctx, c->dir, &p, &validity, err, sizeof err);
  STACK_OF(X509) *chain = NULL;
  SSL_CTX_get0_chain_certs(ctx, &chain);
  in_chain = chain ? sk_X509_num(chain) : 0;
  SSL_CTX_free(ctx);
  return rc;
}

/* The message begins with `begin` and holds `text`. */
static void says(const char *begin, const char *text) {
  if (strncmp(err, begin, strlen(begin)) == 0 && strstr(err, text)) return;
  fprintf(stderr, "%s\n", err);
  CHECK(0);
}

TEST(tls_pair_reads_a_certificate_its_chain_and_its_key) {
  certs c;
  certs_begin(&c);
  certs_make(&c, "a.crt", "a.key", "a.example.org", -60, 3600, NULL);
  certs_make(&c, "b.crt", "b.key", "b.example.org", -60, 3600, NULL);
  CHECK_EQ(use(&c, "a.crt", "a.key", NULL), 0);
  CHECK(validity.until > (int64_t)time(NULL) + 3000 && validity.from < (int64_t)time(NULL));
  CHECK_EQ(use(&c, "a.crt", "a.key", "b.crt"), 0);
  CHECK_EQ(in_chain, 1);
  char path[128];
  snprintf(path, sizeof path, "%s/a.crt", c.dir);
  CHECK_EQ(use(&c, path, "a.key", NULL), 0); /* an absolute one */
  certs_end(&c);
}

TEST(tls_pair_takes_both_from_one_file) {
  certs c;
  char command[256];
  certs_begin(&c);
  certs_make(&c, "a.crt", "a.key", "a.example.org", -60, 3600, NULL);
  snprintf(command, sizeof command, "cat %s/a.key %s/a.crt > %s/a.pem", c.dir, c.dir, c.dir);
  CHECK_EQ(system(command), 0);
  CHECK_EQ(use(&c, "a.pem", "a.pem", NULL), 0);
  certs_end(&c);
}

TEST(tls_pair_says_what_is_wrong_with_which_file) {
  certs c;
  certs_begin(&c);
  certs_make(&c, "a.crt", "a.key", "a.example.org", -60, 3600, NULL);
  certs_make(&c, "b.crt", "b.key", "b.example.org", -60, 3600, "secret");
  certs_text(&c, "empty", "");
  certs_text(&c, "cut", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  certs_text(&c, "cut.key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
  CHECK_EQ(use(&c, "none", "a.key", NULL), PML_EINVAL);
  says("s.cert: none: ", "No such file");
  CHECK_EQ(use(&c, ".", "a.key", NULL), PML_EINVAL);
  says("s.cert: .: ", "folder");
  CHECK_EQ(use(&c, "empty", "a.key", NULL), PML_EINVAL);
  says("s.cert: empty: ", "no certificate");
  CHECK_EQ(use(&c, "cut", "a.key", NULL), PML_EINVAL);
  says("s.cert: cut: ", "cannot be read");
  CHECK_EQ(use(&c, "a.key", "a.key", NULL), PML_EINVAL);
  says("s.cert: a.key: ", "private key and no certificate");
  CHECK_EQ(use(&c, "a.crt", "none", NULL), PML_EINVAL);
  says("s.key: none: ", "No such file");
  CHECK_EQ(use(&c, "a.crt", "a.crt", NULL), PML_EINVAL);
  says("s.key: a.crt: ", "no private key");
  CHECK_EQ(use(&c, "a.crt", "cut.key", NULL), PML_EINVAL);
  says("s.key: cut.key: ", "cannot be read");
  CHECK_EQ(use(&c, "a.crt", "b.key", NULL), PML_EINVAL);
  says("s.key: b.key: ", "passphrase");
  CHECK_EQ(use(&c, "a.crt", "a.key", "empty"), PML_EINVAL);
  says("s.ca: empty: ", "no certificate");
  certs_make(&c, "b.crt", "b.key", "b.example.org", -60, 3600, NULL);
  CHECK_EQ(use(&c, "a.crt", "b.key", NULL), PML_EINVAL);
  says("s.key: b.key: ", "does not belong to the certificate in a.crt");
  certs_end(&c);
}

TEST(tls_pair_waits_for_no_pipe_and_reads_no_giant) {
  certs c;
  char path[128];
  certs_begin(&c);
  certs_make(&c, "a.crt", "a.key", "a.example.org", -60, 3600, NULL);
  snprintf(path, sizeof path, "%s/pipe", c.dir);
  CHECK_EQ(mkfifo(path, 0600), 0);
  CHECK_EQ(use(&c, "pipe", "a.key", NULL), PML_EINVAL);
  says("s.cert: pipe: ", "pipe");
  snprintf(path, sizeof path, "%s/a.crt", c.dir);
  CHECK_EQ(truncate(path, PML_TLS_FILE_MAX + 1), 0);
  CHECK_EQ(use(&c, "a.crt", "a.key", NULL), PML_EINVAL);
  says("s.cert: a.crt: ", "1 MiB");
  certs_end(&c);
}

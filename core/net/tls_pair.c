#include "net/tls_pair.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  const char *base, *setting;
  char *err;
  size_t nerr;
} reading;

typedef struct {
  uint8_t *p; /* owned */
  size_t n;
} content;

static void forget(content *c) {
  if (c->p) OPENSSL_cleanse(c->p, c->n);
  pml_free(c->p);
  *c = (content){0};
}

/* "connectorConfig.ssl.cert: config/game.crt: text" */
static int wrong(const reading *r, const char *key, const char *path, const char *text) {
  snprintf(r->err, r->nerr, "%s.%s: %s: %s", r->setting, key, path, text);
  return PML_EINVAL;
}

/* What OpenSSL says of its last failure. */
static int refused(const reading *r, const char *key, const char *path, const char *text) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  char line[256];
  snprintf(line, sizeof line, "%s (%s)", text, reason ? reason : "no reason given");
  ERR_clear_error();
  return wrong(r, key, path, line);
}

/* Opens a regular file, without a wait for the other end of a pipe. A descriptor, or -1 with the
 * reason in *why. */
static int open_file(const char *path, struct stat *st, const char **why) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  *why = NULL;
  if (fd < 0) {
    *why = errno == EACCES ? "the user that runs pomelua may not read it" : strerror(errno);
    return -1;
  }
  if (fstat(fd, st) != 0) *why = strerror(errno);
  else if (!S_ISREG(st->st_mode)) *why = "it is a folder, a pipe or a device, not a file";
  else if (st->st_size > (off_t)PML_TLS_FILE_MAX) *why = "it has more than 1 MiB";
  if (!*why) return fd;
  close(fd);
  return -1;
}

/* The bytes of a file. 0, or PML_EINVAL with a line in err. */
static int read_file(const reading *r, const char *key, const char *path, content *out) {
  char full[4096];
  struct stat st;
  const char *why;
  if (path[0] == '/') snprintf(full, sizeof full, "%s", path);
  else snprintf(full, sizeof full, "%s/%s", r->base, path);
  int fd = open_file(full, &st, &why);
  if (fd < 0) return wrong(r, key, path, why);
  *out = (content){pml_alloc((size_t)st.st_size + 1), 0};
  for (;;) {
    ssize_t n = read(fd, out->p + out->n, (size_t)st.st_size - out->n);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out->n += (size_t)n;
  }
  close(fd);
  return 0;
}

static int no_passphrase(char *buf, int size, int writes, void *asked) {
  (void)buf;
  (void)size;
  (void)writes;
  *(int *)asked = 1;
  return -1;
}

static int has(const content *c, const char *text) {
  return memmem(c->p, c->n, text, strlen(text)) != NULL;
}

/* Certificates of a file: the first one becomes *own unless that is NULL, the others go to the
 * chain. */
static int read_certificates(const reading *r, const char *key, const char *path,
                             STACK_OF(X509) * chain, X509 **own) {
  content c = {0};
  int rc = read_file(r, key, path, &c), asked = 0, found = 0;
  if (rc) return rc;
  BIO *bio = BIO_new_mem_buf(c.p, (int)c.n);
  X509 *x;
  while ((x = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked))) {
    if (own && !found) *own = x;
    else sk_X509_push(chain, x);
    found++;
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    rc = refused(r, key, path, "a certificate in it cannot be read");
  } else if (!found) {
    rc = wrong(r, key, path,
               has(&c, "PRIVATE KEY-----")
                 ? "it holds a private key and no certificate"
                 : "it holds no certificate that begins with -----BEGIN CERTIFICATE-----");
  }
  ERR_clear_error();
  BIO_free(bio);
  forget(&c);
  return rc;
}

static int read_key(const reading *r, const pml_tls_pair *p, EVP_PKEY **out) {
  content c = {0};
  int rc = read_file(r, "key", p->key, &c), asked = 0;
  if (rc) return rc;
  BIO *bio = BIO_new_mem_buf(c.p, (int)c.n);
  *out = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
  if (asked) {
    rc = wrong(r, "key", p->key,
               "the key is behind a passphrase, and nobody is there to type it; `openssl pkey -in "
               "OLD -out NEW` writes it without");
  } else if (!*out && !has(&c, "PRIVATE KEY-----")) {
    rc = wrong(r, "key", p->key,
               "it holds no private key that begins with -----BEGIN PRIVATE KEY-----");
  } else if (!*out) {
    rc = refused(r, "key", p->key, "the private key cannot be read");
  }
  if (rc) EVP_PKEY_free(*out);
  if (rc) *out = NULL;
  ERR_clear_error();
  BIO_free(bio);
  forget(&c);
  return rc;
}

static int64_t seconds_of(const ASN1_TIME *t) {
  struct tm tm;
  return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* A name with a star is asked for as a host below it. */
static int covers(X509 *x, const char *name) {
  char host[300];
  if (!name) return 1;
  snprintf(host, sizeof host, "%s%s", name[0] == '*' ? "host" : name,
           name[0] == '*' ? name + 1 : "");
  return X509_check_host(x, host, 0, 0, NULL) == 1;
}

/* The server's own certificate, its key and its chain, into ctx. The chain comes last: it goes to
 * the certificate that was used before. */
static int use(const reading *r, SSL_CTX *ctx, const pml_tls_pair *p, X509 *own, EVP_PKEY *key,
               STACK_OF(X509) * chain) {
  if (!SSL_CTX_use_certificate(ctx, own))
    return refused(r, "cert", p->cert, "OpenSSL refuses the certificate");
  if (X509_check_private_key(own, key) != 1) {
    char line[4200];
    snprintf(line, sizeof line, "this key does not belong to the certificate in %s", p->cert);
    ERR_clear_error();
    return wrong(r, "key", p->key, line);
  }
  if (!SSL_CTX_use_PrivateKey(ctx, key))
    return refused(r, "key", p->key, "OpenSSL refuses the key");
  if (!SSL_CTX_set1_chain(ctx, chain))
    return refused(r, "cert", p->cert, "OpenSSL refuses a certificate of the chain");
  return 0;
}

int pml_tls_pair_use(SSL_CTX *ctx, const char *base, const pml_tls_pair *p, pml_tls_validity *v,
                     char *err, size_t nerr) {
  reading r = {base, p->setting, err, nerr};
  X509 *own = NULL;
  EVP_PKEY *key = NULL;
  STACK_OF(X509) *chain = sk_X509_new_null();
  ERR_clear_error();
  int rc = read_certificates(&r, "cert", p->cert, chain, &own);
  for (int i = 0; !rc && i < PML_TLS_CHAIN_FILES && p->chain[i]; i++)
    rc = read_certificates(&r, "ca", p->chain[i], chain, NULL);
  if (!rc) rc = read_key(&r, p, &key);
  if (!rc) rc = use(&r, ctx, p, own, key, chain);
  if (!rc)
    *v = (pml_tls_validity){seconds_of(X509_get0_notBefore(own)),
                            seconds_of(X509_get0_notAfter(own)), covers(own, p->name)};
  X509_free(own);
  EVP_PKEY_free(key);
  sk_X509_pop_free(chain, X509_free);
  return rc;
}

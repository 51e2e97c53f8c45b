/* certs: certificates and keys for tests, made when they are needed, in a folder of the test's. */
#ifndef PML_TEST_CERTS_H
#define PML_TEST_CERTS_H

#include "test/test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <unistd.h>

typedef struct {
  char dir[64];
} certs;

static inline void certs_begin(certs *c) {
  strcpy(c->dir, "/tmp/pml-certs-XXXXXX");
  CHECK(mkdtemp(c->dir) != NULL);
}

static inline FILE *certs_file(const certs *c, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", c->dir, name);
  FILE *f = fopen(path, "w");
  CHECK(f != NULL);
  return f;
}

static inline void certs_text(const certs *c, const char *name, const char *text) {
  FILE *f = certs_file(c, name);
  fputs(text, f);
  fclose(f);
}

/* A certificate for `host`, signed by its own key, valid from now + from to now + until seconds;
 * into cert and key. password NULL: the key is open. */
static inline void certs_make(const certs *c, const char *cert, const char *key, const char *host,
                              long from, long until, const char *password) {
  EVP_PKEY *k = EVP_EC_gen("P-256");
  X509 *x = X509_new();
  X509_NAME *n = X509_get_subject_name(x);
  char alt[300];
  CHECK(k && x);
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), from);
  X509_gmtime_adj(X509_getm_notAfter(x), until);
  X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
  X509_set_issuer_name(x, n);
  snprintf(alt, sizeof alt, "DNS:%s", host);
  X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
  CHECK(e && X509_add_ext(x, e, -1));
  X509_EXTENSION_free(e);
  CHECK(X509_set_pubkey(x, k) && X509_sign(x, k, EVP_sha256()));
  FILE *f = certs_file(c, cert);
  CHECK(PEM_write_X509(f, x));
  fclose(f);
  f = certs_file(c, key);
  CHECK(PEM_write_PrivateKey(f, k, password ? EVP_aes_128_cbc() : NULL,
                             (const unsigned char *)password, password ? (int)strlen(password) : 0,
                             NULL, NULL));
  fclose(f);
  X509_free(x);
  EVP_PKEY_free(k);
}

static inline void certs_end(const certs *c) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
  CHECK_EQ(system(command), 0);
}

#endif

#include "base/digest.h"

#include "base/err.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

_Static_assert(PML_DIGEST_MAX == EVP_MAX_MD_SIZE, "the longest digest of OpenSSL");

/* NULL: OpenSSL does not know it, or not any more. */
static const EVP_MD *digest_of(const char *name) {
  static const char *const names[] = {"md5", "sha1", "sha256", "sha512"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0) return EVP_get_digestbyname(name);
  return NULL;
}

int pml_digest(const char *name, pml_slice text, uint8_t out[PML_DIGEST_MAX], size_t *len) {
  const EVP_MD *md = digest_of(name);
  unsigned n;
  if (!md || EVP_Digest(text.p, text.n, out, &n, md, NULL) != 1) return PML_ENOENT;
  *len = n;
  return 0;
}

int pml_hmac(const char *name, pml_slice key, pml_slice text, uint8_t out[PML_DIGEST_MAX],
             size_t *len) {
  const EVP_MD *md = digest_of(name);
  unsigned n;
  if (!md || key.n > INT_MAX || !HMAC(md, key.p, (int)key.n, text.p, text.n, out, &n))
    return PML_ENOENT;
  *len = n;
  return 0;
}

int pml_random(uint8_t *out, size_t n) {
  while (n) {
    size_t k = n < 4096 ? n : 4096;
    if (RAND_bytes(out, (int)k) != 1) return PML_EIO;
    out += k;
    n -= k;
  }
  return 0;
}

int pml_same_secret(const uint8_t *a, const uint8_t *b, size_t n) {
  return CRYPTO_memcmp(a, b, n) == 0;
}

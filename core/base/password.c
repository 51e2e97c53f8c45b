#include "base/password.h"

#include "base/err.h"
#include "base/mem.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define METHOD "$y$"

/* What libcrypt works in, with the password as a C string. */
typedef struct {
  struct crypt_data data;
  char text[PML_PASSWORD_MAX + 1];
} desk;

void pml_password_wipe(void *text, size_t n) { OPENSSL_cleanse(text, n); }

static desk *desk_new(pml_slice text) {
  desk *d = pml_alloc0(sizeof *d);
  if (text.n) memcpy(d->text, text.p, text.n);
  return d;
}

static void desk_free(desk *d) {
  pml_password_wipe(d, sizeof *d);
  pml_free(d);
}

static int possible(pml_slice text) {
  if (text.n > PML_PASSWORD_MAX) return PML_ETOOBIG;
  return text.n && memchr(text.p, 0, text.n) ? PML_EINVAL : 0;
}

/* NULL: it failed, as errno says. Not crypt_r, whose failure is a text, and which a sanitizer that
 * was loaded before libcrypt calls at address 0. */
static const char *hashed(desk *d, const char *setting) {
  return crypt_rn(d->text, setting, &d->data, (int)sizeof d->data);
}

int pml_password_hash(pml_slice text, uint32_t cost, char out[PML_PASSWORD_HASH]) {
  int rc = possible(text);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (rc) return rc;
  if (!crypt_gensalt_rn(METHOD, cost, NULL, 0, setting, (int)sizeof setting)) return PML_EIO;
  desk *d = desk_new(text);
  const char *got = hashed(d, setting);
  rc = got && strlen(got) < PML_PASSWORD_HASH ? 0 : PML_EIO;
  if (rc == 0) memcpy(out, got, strlen(got) + 1);
  desk_free(d);
  return rc;
}

int pml_password_verify(pml_slice text, pml_slice hash, int *same) {
  char kept[PML_PASSWORD_HASH];
  /* All methods but the ones of the last century have a name between dollars. */
  if (hash.n < 4 || hash.n >= sizeof kept || hash.p[0] != '$') return PML_EINVAL;
  memcpy(kept, hash.p, hash.n);
  kept[hash.n] = 0;
  if (strlen(kept) != hash.n) return PML_EINVAL;
  int fits = possible(text) == 0;
  desk *d = desk_new(fits ? text : pml_slice_of("", 0)); /* takes as long as others do */
  errno = 0;
  const char *got = hashed(d, kept);
  int rc = got ? 0 : errno == ENOMEM ? PML_EIO : PML_EINVAL;
  if (got && strlen(got) != hash.n) rc = PML_EINVAL; /* a setting without its hash */
  if (rc == 0) *same = fits && CRYPTO_memcmp(got, kept, hash.n) == 0;
  desk_free(d);
  return rc;
}

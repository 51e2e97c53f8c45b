/* digest: digests, HMAC and random bytes, by OpenSSL. Pure but for the random bytes; every
 * function is for any thread. */
#ifndef PML_BASE_DIGEST_H
#define PML_BASE_DIGEST_H

#include "base/buf.h"

#define PML_DIGEST_MAX 64 /* bytes of the longest digest */

/* name: "md5", "sha1", "sha256" or "sha512". *len: how many bytes went to out. 0, or
 * PML_ENOENT: there is no such digest, or this OpenSSL refuses it. */
int pml_digest(const char *name, pml_slice text, uint8_t out[PML_DIGEST_MAX], size_t *len);
int pml_hmac(const char *name, pml_slice key, pml_slice text, uint8_t out[PML_DIGEST_MAX],
             size_t *len);
/* Whether n bytes are the same, in a time that does not tell where they differ. */
int pml_same_secret(const uint8_t *a, const uint8_t *b, size_t n);
/* Fills out with bytes that are fit for secrets. 0, or PML_EIO: the system gives none. */
int pml_random(uint8_t *out, size_t n);

#endif

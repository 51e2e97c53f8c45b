/* sign_key: a key that belongs to exactly one signature algorithm of RFC 7518, section 3.1, or RFC
 * 8037, section 3.1: HS256, HS384, HS512, RS256, PS256, ES256 or EdDSA. Which one is said when the
 * key is loaded, and never by what it checks. Signatures have the bytes of a JWS (ES256: r and s,
 * 32 bytes each). By OpenSSL.
 *
 * A key does not change; it may be used by any thread. */
#ifndef PML_BASE_SIGN_KEY_H
#define PML_BASE_SIGN_KEY_H

#include "base/buf.h"

#define PML_SIGNATURE_MAX 1024 /* bytes: of RSA with 8192 bits */
#define PML_SIGN_KEY_WHY 160   /* room for what is wrong with a key */

typedef struct pml_sign_key pml_sign_key;

/* text: the secret's bytes for HS..., PEM for the others. A private key signs and checks, a public
 * one checks. Refused, with the reason in why: an unknown algorithm, a key of another kind, HS...
 * with a secret shorter than its hash or with PEM, RSA of fewer than 2048 bits, keys that are
 * encrypted. Returns owned; NULL: refused. */
pml_sign_key *pml_sign_key_load(const char *alg, pml_slice text, char why[PML_SIGN_KEY_WHY]);
void pml_sign_key_free(pml_sign_key *k); /* NULL is allowed; a secret is wiped */

const char *pml_sign_key_alg(const pml_sign_key *k);
int pml_sign_key_can_sign(const pml_sign_key *k);
/* 0; PML_EPROTO: it is not the signature of text by this key. */
int pml_sign_key_verify(const pml_sign_key *k, pml_slice text, pml_slice signature);
/* 0; PML_EINVAL: it is a public key; PML_EIO: OpenSSL fails. */
int pml_sign_key_sign(const pml_sign_key *k, pml_slice text, uint8_t out[PML_SIGNATURE_MAX],
                      size_t *n);

#endif

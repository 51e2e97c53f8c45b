/* jwt: JSON Web Tokens in the compact form of a JWS (RFC 7515, 7519), checked as RFC 8725 says:
 *
 *     base64url(header) "." base64url(claims) "." base64url(signature)
 *
 * A token is wrong until everything is right: base64url without padding and with no other spelling,
 * both parts JSON objects in UTF-8 without duplicate members, `alg` that of the key, `kid` that of
 * a key, no `crit`. Keys that a header names or brings along (jwk, jku, x5u, x5c) are not looked
 * at. The claims are not read before the signature is right. Pure: what time it is the caller says.
 */
#ifndef PML_WIRE_JWT_H
#define PML_WIRE_JWT_H

#include "base/buf.h"
#include "base/sign_key.h"

#define PML_JWT_MAX 4096u    /* bytes of a token */
#define PML_JWT_MEMBERS 128u /* members of a header, and of the claims */
#define PML_JWT_KID_MAX 128u /* bytes of a kid that a token is made with */

/* What is wrong with a token; 0: nothing. */
typedef enum {
  PML_JWT_GOOD,
  PML_JWT_TOOLONG,
  PML_JWT_FORM,
  PML_JWT_HEADER,
  PML_JWT_CRIT,
  PML_JWT_KID,
  PML_JWT_ALG,
  PML_JWT_SIGNATURE,
  PML_JWT_CLAIMS,
  PML_JWT_SUB,
  PML_JWT_EXP,
  PML_JWT_EXPIRED,
  PML_JWT_EARLY,
  PML_JWT_AUDIENCE,
  PML_JWT_ISSUER
} pml_jwt_error;

/* A part of a sentence behind "the token": "has expired". Never NULL. */
const char *pml_jwt_why(pml_jwt_error e);

typedef struct {
  pml_slice kid; /* p NULL: it has none */
  const pml_sign_key *key;
} pml_jwt_key;

/* All is borrowed. */
typedef struct {
  const pml_jwt_key *keys; /* a token with a kid: the key of that kid; without: any of its alg */
  size_t nkeys;
  const pml_slice *audience; /* one of them is in aud; */
  size_t naudience;          /* 0: aud is not looked at */
  pml_slice issuer;          /* what iss is; p NULL: iss is not looked at */
  double now;                /* seconds since 1970 */
  double leeway;             /* seconds by which clocks may differ */
} pml_jwt_rules;

typedef struct {
  pml_buf *claims; /* the JSON text, owned */
  pml_buf *sub;    /* whom it is about, owned: valid UTF-8, not empty, without NUL and U+FFFD */
  double exp;      /* seconds since 1970 */
} pml_jwt;

/* On success the caller owns what is in *out (pml_jwt_drop), else there is nothing in it. */
pml_jwt_error pml_jwt_verify(pml_slice text, const pml_jwt_rules *rules, pml_jwt *out);
void pml_jwt_drop(pml_jwt *t);

/* Makes a token of claims, a JSON text that is not looked at. The kid is of printable ASCII without
 * `"` and `\` (pml_jwt_kid_valid). *out: owned. 0; PML_ETOOBIG: longer than PML_JWT_MAX; as
 * pml_sign_key_sign. */
int pml_jwt_sign(const pml_jwt_key *key, pml_slice claims, pml_buf **out);
int pml_jwt_kid_valid(pml_slice kid);

#endif

#include "base/sign_key.h"

#include "base/err.h"
#include "base/mem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>

#define RSA_LEAST 2048
#define RSA_MOST 8192
#define SECRET_MOST 4096
#define COORDINATE 32 /* bytes of r and of s on P-256 */

typedef enum { HMAC_SHA2, RSA_V15, RSA_PSS, ECDSA_P256, EDDSA } family;

typedef struct {
  const char *name;
  family family;
  const char *md; /* NULL: the algorithm has its own */
  size_t least;   /* HMAC_SHA2: bytes of the hash, and of the shortest secret */
} algorithm;

static const algorithm algorithms[] = {
  {"HS256", HMAC_SHA2, "SHA256", 32}, {"HS384", HMAC_SHA2, "SHA384", 48},
  {"HS512", HMAC_SHA2, "SHA512", 64}, {"RS256", RSA_V15, "SHA256", 0},
  {"PS256", RSA_PSS, "SHA256", 0},    {"ES256", ECDSA_P256, "SHA256", 0},
  {"EdDSA", EDDSA, NULL, 0},
};

struct pml_sign_key {
  const algorithm *alg;
  EVP_PKEY *pkey; /* NULL: a secret */
  int is_private;
  size_t n;
  uint8_t secret[];
};

static const algorithm *find(const char *name) {
  for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
    if (strcmp(algorithms[i].name, name) == 0) return &algorithms[i];
  return NULL;
}

static pml_sign_key *refuse(char *why, const char *text) {
  snprintf(why, PML_SIGN_KEY_WHY, "%s", text);
  return NULL;
}

/* ---- loading ---- */

static int holds(pml_slice text, const char *what) {
  return text.n && memmem(text.p, text.n, what, strlen(what)) != NULL;
}

static pml_sign_key *load_secret(const algorithm *a, pml_slice text, char *why) {
  if (holds(text, "-----BEGIN "))
    return refuse(why, "it is PEM: a public key as secret would let everybody sign; the key of an "
                       "HS algorithm is random bytes");
  if (text.n < a->least) {
    snprintf(why, PML_SIGN_KEY_WHY, "%s needs a secret of at least %zu bytes, this one has %zu",
             a->name, a->least, text.n);
    return NULL;
  }
  if (text.n > SECRET_MOST) return refuse(why, "a secret has at most 4096 bytes");
  pml_sign_key *k = pml_alloc0(sizeof *k + text.n);
  k->alg = a;
  k->is_private = 1;
  k->n = text.n;
  pml_slice_copy(k->secret, text);
  return k;
}

/* A key that is encrypted must not make OpenSSL ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u) {
  (void)buf, (void)size, (void)rwflag, (void)u;
  return -1;
}

static const char *wrong_kind(const algorithm *a, EVP_PKEY *p) {
  char group[32] = "";
  switch (a->family) {
  case RSA_V15:
  case RSA_PSS:
    if (!EVP_PKEY_is_a(p, "RSA")) return "its algorithm needs an RSA key, it is another";
    if (EVP_PKEY_get_bits(p) < RSA_LEAST) return "an RSA key has at least 2048 bits";
    if (EVP_PKEY_get_bits(p) > RSA_MOST) return "an RSA key has at most 8192 bits";
    return NULL;
  case ECDSA_P256:
    if (EVP_PKEY_is_a(p, "EC")) EVP_PKEY_get_group_name(p, group, sizeof group, NULL);
    return strcmp(group, "prime256v1") == 0 ? NULL
                                            : "ES256 needs a key on the curve P-256, it is another";
  case EDDSA:
    return EVP_PKEY_is_a(p, "ED25519") || EVP_PKEY_is_a(p, "ED448")
             ? NULL
             : "EdDSA needs an Ed25519 or an Ed448 key, it is another";
  case HMAC_SHA2: break;
  }
  return "it is no key of its algorithm";
}

static pml_sign_key *load_pem(const algorithm *a, pml_slice text, char *why) {
  if (text.n > 65536) return refuse(why, "it is longer than a key");
  BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
  int is_private = holds(text, "PRIVATE KEY-----");
  EVP_PKEY *p = NULL;
  if (bio && is_private) p = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
  else if (bio) p = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
  BIO_free(bio);
  ERR_clear_error();
  if (!p && holds(text, "ENCRYPTED"))
    return refuse(why, "it is encrypted, and nobody could type its password");
  if (!p) return refuse(why, "it is no key in PEM (-----BEGIN PUBLIC KEY----- or PRIVATE KEY)");
  const char *wrong = wrong_kind(a, p);
  if (wrong) {
    EVP_PKEY_free(p);
    return refuse(why, wrong);
  }
  pml_sign_key *k = pml_alloc0(sizeof *k);
  k->alg = a;
  k->pkey = p;
  k->is_private = is_private;
  return k;
}

pml_sign_key *pml_sign_key_load(const char *alg, pml_slice text, char why[PML_SIGN_KEY_WHY]) {
  const algorithm *a = find(alg);
  if (!a)
    return refuse(why, "there is no such algorithm, only HS256, HS384, HS512, RS256, PS256, ES256 "
                       "and EdDSA");
  return a->family == HMAC_SHA2 ? load_secret(a, text, why) : load_pem(a, text, why);
}

void pml_sign_key_free(pml_sign_key *k) {
  if (!k) return;
  EVP_PKEY_free(k->pkey);
  OPENSSL_cleanse(k->secret, k->n);
  pml_free(k);
}

const char *pml_sign_key_alg(const pml_sign_key *k) { return k->alg->name; }
int pml_sign_key_can_sign(const pml_sign_key *k) { return k->is_private; }

/* ---- signing and checking ---- */

static int mac(const pml_sign_key *k, pml_slice text, uint8_t out[EVP_MAX_MD_SIZE]) {
  unsigned n;
  const EVP_MD *md = EVP_get_digestbyname(k->alg->md);
  if (!md || !HMAC(md, k->secret, (int)k->n, text.p, text.n, out, &n)) return PML_EIO;
  return n == k->alg->least ? 0 : PML_EIO;
}

/* PSS as RFC 7518, section 3.5, wants it: the salt is as long as the hash, and no other. */
static int set_padding(const pml_sign_key *k, EVP_PKEY_CTX *pc) {
  if (k->alg->family == RSA_V15) return EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PADDING) == 1;
  if (k->alg->family != RSA_PSS) return 1;
  return EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* r and s as OpenSSL wants them, which gives *der. 0: they are none. */
static int der_of(pml_slice sig, uint8_t **der) {
  if (sig.n != 2 * COORDINATE) return 0;
  ECDSA_SIG *pair = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(sig.p, COORDINATE, NULL);
  BIGNUM *s = BN_bin2bn(sig.p + COORDINATE, COORDINATE, NULL);
  int n = 0;
  if (pair && r && s && !BN_is_zero(r) && !BN_is_zero(s) && ECDSA_SIG_set0(pair, r, s)) {
    r = s = NULL;
    n = i2d_ECDSA_SIG(pair, der);
  }
  BN_free(r);
  BN_free(s);
  ECDSA_SIG_free(pair);
  return n > 0 ? n : 0;
}

static int check(const pml_sign_key *k, pml_slice text, pml_slice sig) {
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_PKEY_CTX *pc;
  int good = c && EVP_DigestVerifyInit_ex(c, &pc, k->alg->md, NULL, NULL, k->pkey, NULL) == 1 &&
             set_padding(k, pc) && EVP_DigestVerify(c, sig.p, sig.n, text.p, text.n) == 1;
  EVP_MD_CTX_free(c);
  return good;
}

int pml_sign_key_verify(const pml_sign_key *k, pml_slice text, pml_slice signature) {
  int good = 0;
  if (k->alg->family == HMAC_SHA2) {
    uint8_t own[EVP_MAX_MD_SIZE];
    if (signature.n == k->alg->least && mac(k, text, own) == 0)
      good = CRYPTO_memcmp(own, signature.p, signature.n) == 0;
  } else if (k->alg->family == ECDSA_P256) {
    uint8_t *der = NULL;
    int n = der_of(signature, &der);
    good = n && check(k, text, pml_slice_of(der, (size_t)n));
    OPENSSL_free(der);
  } else if (signature.n && signature.n <= PML_SIGNATURE_MAX) {
    good = check(k, text, signature);
  }
  ERR_clear_error(); /* of a forged signature: the thread's next call of OpenSSL must not find it */
  return good ? 0 : PML_EPROTO;
}

/* DER to r and s, in place. */
static int pair_of(uint8_t *out, size_t *n) {
  const uint8_t *at = out;
  ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*n);
  int good = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, COORDINATE) == COORDINATE &&
             BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + COORDINATE, COORDINATE) == COORDINATE;
  ECDSA_SIG_free(pair);
  *n = 2 * COORDINATE;
  return good;
}

int pml_sign_key_sign(const pml_sign_key *k, pml_slice text, uint8_t out[PML_SIGNATURE_MAX],
                      size_t *n) {
  if (!k->is_private) return PML_EINVAL;
  if (k->alg->family == HMAC_SHA2) {
    *n = k->alg->least;
    return mac(k, text, out);
  }
  size_t len = PML_SIGNATURE_MAX;
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_PKEY_CTX *pc;
  int good = c && EVP_DigestSignInit_ex(c, &pc, k->alg->md, NULL, NULL, k->pkey, NULL) == 1 &&
             set_padding(k, pc) && EVP_DigestSign(c, out, &len, text.p, text.n) == 1;
  EVP_MD_CTX_free(c);
  if (good && k->alg->family == ECDSA_P256) good = pair_of(out, &len);
  ERR_clear_error();
  if (!good) return PML_EIO;
  *n = len;
  return 0;
}

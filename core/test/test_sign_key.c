#include "base/sign_key.h"

#include "base/err.h"
#include "test/jwt_keys.h"
#include "test/test.h"

#define CLAIMS \
  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static pml_sign_key *load(const char *alg, const char *text) {
  char why[PML_SIGN_KEY_WHY] = "";
  pml_sign_key *k = pml_sign_key_load(alg, pml_slice_str(text), why);
  if (!k) fprintf(stderr, "%s: %s\n", alg, why);
  CHECK(k);
  return k;
}

/* What is wrong with a key begins so. */
static void refused(const char *alg, pml_slice text, const char *reason) {
  char why[PML_SIGN_KEY_WHY] = "";
  CHECK(!pml_sign_key_load(alg, text, why));
  if (strncmp(why, reason, strlen(reason)) != 0) CHECK_STR(why, reason);
}

TEST(sign_key_makes_the_signatures_of_the_rfcs) {
  static const struct {
    const char *alg, *key, *text, *hex;
  } rows[] = {
    {"HS256", KEY_SECRET, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS,
     "7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79"},
    {"RS256", KEY_RSA, "eyJhbGciOiJSUzI1NiJ9." CLAIMS,
     "702e218943e88fd11eb5d82dbf7845f34106ae1b81fff7731116add1717d83656d420afd3c96eedd73a2663e"
     "5166687b000b87226e0187ed1073f945e582adfcef16d85a798ee8c66ddb3db8975b17d09402beedd5d9d970"
     "07108db28160d5f8040ca7445762b81fbe7ff9d92e0ae76f24f25b33bbe6f44ae61eb1040acb20044d3ef912"
     "8ed40130795bd4bd3b41eecad066ab651981fde48df77f372dc38b9fafdd3befb18b5da3cc3c2eb02f9e3a41"
     "d612caad15911273a05f23b9e838faaf849d698429ef5a1e88798236c3d40e604522a544c8f27a7a2db80663"
     "d16cf7caea56de405cb2215a45b2c25566b55ac1a748a070dfc8a32a469543d019eefb47"},
    {"EdDSA", KEY_ED, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "860c98d2297f3060a33f42739672d61b53cf3adefed3d3c672f320dc021b411e9d59b8628dc351e248b88b29"
     "468e0e41855b0fb7d83bb15be902bfccb8cd0a02"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    pml_sign_key *k = load(rows[i].alg, rows[i].key);
    uint8_t out[PML_SIGNATURE_MAX];
    size_t n = 0;
    CHECK_STR(pml_sign_key_alg(k), rows[i].alg);
    CHECK_EQ(pml_sign_key_sign(k, pml_slice_str(rows[i].text), out, &n), 0);
    CHECK(test_hex_eq(out, n, rows[i].hex));
    pml_sign_key_free(k);
  }
}

static const struct {
  const char *alg, *key, *public_key;
  size_t n;
} kinds[] = {
  {"HS256", KEY_SECRET, KEY_SECRET, 32},   {"HS384", KEY_SECRET, KEY_SECRET, 48},
  {"HS512", KEY_SECRET, KEY_SECRET, 64},   {"RS256", KEY_RSA, KEY_RSA_PUBLIC, 256},
  {"PS256", KEY_RSA, KEY_RSA_PUBLIC, 256}, {"ES256", KEY_EC, KEY_EC_PUBLIC, 64},
  {"EdDSA", KEY_ED, KEY_ED_PUBLIC, 64},
};
#define KINDS (sizeof kinds / sizeof *kinds)

TEST(sign_key_checks_what_its_private_half_has_signed_and_nothing_else) {
  pml_slice text = pml_slice_str("a.b");
  for (size_t i = 0; i < KINDS; i++) {
    pml_sign_key *k = load(kinds[i].alg, kinds[i].key),
                 *p = load(kinds[i].alg, kinds[i].public_key);
    uint8_t sig[PML_SIGNATURE_MAX + 1] = {0};
    size_t n = 0;
    CHECK_EQ(pml_sign_key_sign(k, text, sig, &n), 0);
    CHECK_EQ(n, kinds[i].n);
    CHECK_EQ(pml_sign_key_verify(p, text, pml_slice_of(sig, n)), 0);
    CHECK_EQ(pml_sign_key_verify(k, text, pml_slice_of(sig, n)), 0);
    CHECK_EQ(pml_sign_key_verify(p, pml_slice_str("a.c"), pml_slice_of(sig, n)), PML_EPROTO);
    CHECK_EQ(pml_sign_key_verify(p, text, pml_slice_of(sig, n - 1)), PML_EPROTO);
    CHECK_EQ(pml_sign_key_verify(p, text, pml_slice_of(sig, n + 1)), PML_EPROTO);
    CHECK_EQ(pml_sign_key_verify(p, text, pml_slice_of(NULL, 0)), PML_EPROTO);
    for (size_t bit = 0; bit < n; bit += 31) {
      sig[bit] ^= 0x10;
      CHECK_EQ(pml_sign_key_verify(p, text, pml_slice_of(sig, n)), PML_EPROTO);
      sig[bit] ^= 0x10;
    }
    pml_sign_key_free(k);
    pml_sign_key_free(p);
  }
}

/* A signature of another algorithm by the same key. */
TEST(sign_key_has_one_algorithm) {
  pml_slice text = pml_slice_str("a.b");
  for (size_t i = 0; i < KINDS; i++) {
    for (size_t j = 0; j < KINDS; j++) {
      if (i == j) continue;
      pml_sign_key *k = load(kinds[i].alg, kinds[i].key), *o = load(kinds[j].alg, kinds[j].key);
      uint8_t sig[PML_SIGNATURE_MAX];
      size_t n = 0;
      CHECK_EQ(pml_sign_key_sign(o, text, sig, &n), 0);
      CHECK_EQ(pml_sign_key_verify(k, text, pml_slice_of(sig, n)), PML_EPROTO);
      pml_sign_key_free(k);
      pml_sign_key_free(o);
    }
  }
}

TEST(sign_key_es256_takes_64_bytes_of_r_and_s_and_no_der) {
  pml_sign_key *k = load("ES256", KEY_EC_PUBLIC);
  uint8_t sig[72] = {0}; /* r and s are 0: CVE-2022-21449 */
  pml_slice text = pml_slice_str("a.b");
  for (size_t n = 0; n <= sizeof sig; n++)
    CHECK_EQ(pml_sign_key_verify(k, text, pml_slice_of(sig, n)), PML_EPROTO);
  sig[31] = 1; /* r = 1, s = 0 */
  CHECK_EQ(pml_sign_key_verify(k, text, pml_slice_of(sig, 64)), PML_EPROTO);
  sig[31] = 0, sig[63] = 1; /* r = 0, s = 1 */
  CHECK_EQ(pml_sign_key_verify(k, text, pml_slice_of(sig, 64)), PML_EPROTO);
  memset(sig, 0xff, sizeof sig); /* above the order of the curve */
  CHECK_EQ(pml_sign_key_verify(k, text, pml_slice_of(sig, 64)), PML_EPROTO);
  pml_sign_key_free(k);
}

TEST(sign_key_public_ones_do_not_sign) {
  pml_sign_key *k = load("EdDSA", KEY_ED_PUBLIC);
  uint8_t sig[PML_SIGNATURE_MAX];
  size_t n;
  CHECK(!pml_sign_key_can_sign(k));
  CHECK_EQ(pml_sign_key_sign(k, pml_slice_str("a"), sig, &n), PML_EINVAL);
  pml_sign_key_free(k);
  k = load("EdDSA", KEY_ED);
  CHECK(pml_sign_key_can_sign(k));
  pml_sign_key_free(k);
  pml_sign_key_free(NULL);
}

TEST(sign_key_refuses_keys_that_prove_nothing) {
  pml_slice secret = pml_slice_of(KEY_SECRET, KEY_SECRET_BYTES);
  refused("HS256", pml_slice_of(secret.p, 31),
          "HS256 needs a secret of at least 32 bytes, this one");
  refused("HS384", pml_slice_of(secret.p, 47),
          "HS384 needs a secret of at least 48 bytes, this one");
  refused("HS512", pml_slice_of(secret.p, 63),
          "HS512 needs a secret of at least 64 bytes, this one");
  refused("HS256", pml_slice_of(NULL, 0), "HS256 needs a secret of at least 32 bytes");
  refused("HS256", pml_slice_str(KEY_RSA_PUBLIC), "it is PEM: a public key as secret would let");
  refused("none", secret, "there is no such algorithm");
  refused("ES512", secret, "there is no such algorithm");
  refused("hs256", secret, "there is no such algorithm");
  refused("RS256", pml_slice_str(KEY_RSA_1024), "an RSA key has at least 2048 bits");
  refused("PS256", pml_slice_str(KEY_RSA_1024), "an RSA key has at least 2048 bits");
  refused("RS256", pml_slice_str(KEY_EC), "its algorithm needs an RSA key");
  refused("ES256", pml_slice_str(KEY_P384), "ES256 needs a key on the curve P-256");
  refused("ES256", pml_slice_str(KEY_K256), "ES256 needs a key on the curve P-256");
  refused("ES256", pml_slice_str(KEY_RSA), "ES256 needs a key on the curve P-256");
  refused("EdDSA", pml_slice_str(KEY_X25519), "EdDSA needs an Ed25519 or an Ed448 key");
  refused("EdDSA", pml_slice_str(KEY_ENCRYPTED), "it is encrypted, and nobody could type");
  refused("RS256", pml_slice_str("key"), "it is no key in PEM");
  refused("RS256", pml_slice_str("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
          "it is no key in PEM");
  refused("RS256", pml_slice_of(NULL, 0), "it is no key in PEM");
}

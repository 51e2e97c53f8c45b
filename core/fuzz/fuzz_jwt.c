/* A token that is not signed is never good, however it is written. Of one that is signed: what is
 * good holds what it must, and is not good any more with any other letter. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "test/jwt_keys.h"
#include "wire/jsonread.h"
#include "wire/jwt.h"
#include "wire/utf8.h"

#define NOW 1000.0
#define LEEWAY 20.0

static pml_jwt_key keys[4];
static const pml_slice audience[] = {{(const uint8_t *)"game", 4}, {(const uint8_t *)"arena", 5}};

static void load(size_t i, const char *kid, const char *alg, const char *text) {
  char why[PML_SIGN_KEY_WHY];
  keys[i] = (pml_jwt_key){pml_slice_str(kid), pml_sign_key_load(alg, pml_slice_str(text), why)};
  MUST(keys[i].key);
}

static pml_jwt_error verify(pml_slice text, uint8_t mode, pml_jwt *out) {
  pml_jwt_rules r = {.keys = keys, .nkeys = 4, .now = NOW, .leeway = LEEWAY};
  if (mode & 1) {
    r.audience = audience;
    r.naudience = 2;
  }
  if (mode & 2) r.issuer = pml_slice_str("me");
  *out = (pml_jwt){0};
  pml_jwt_error e = pml_jwt_verify(text, &r, out);
  MUST(pml_jwt_why(e)[0]);
  if (e) MUST(!out->claims && !out->sub);
  return e;
}

static void base64url(pml_writer *w, pml_slice in) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (size_t i = 0; i < in.n; i += 3) {
    uint32_t v = (uint32_t)in.p[i] << 16 | (i + 1 < in.n ? in.p[i + 1] << 8 : 0) |
                 (i + 2 < in.n ? in.p[i + 2] : 0);
    size_t n = in.n - i < 3 ? in.n - i : 3;
    for (size_t j = 0; j <= n; j++) pml_writer_byte(w, (uint8_t)letters[v >> (18 - 6 * j) & 63]);
  }
}

static void look(const pml_jwt *t) {
  pml_jsonread r;
  pml_token token;
  MUST(t->sub->len && pml_utf8_valid(t->sub->data, t->sub->len));
  MUST(!memchr(t->sub->data, 0, t->sub->len));
  MUST(t->exp > NOW - LEEWAY && t->exp < 1e12);
  pml_jsonread_init(&r, pml_buf_slice(t->claims));
  MUST(pml_jsonread_next(&r, &token) == 0 && token.kind == PML_TOKEN_OBJECT);
  MUST(pml_jsonread_skip(&r, &token) == 0);
  MUST(pml_jsonread_next(&r, &token) == 0 && token.kind == PML_TOKEN_END);
}

/* The input is a header, a NUL, and claims: they get a signature that is right. */
static void signed_token(pml_slice in, uint8_t mode) {
  const uint8_t *nul = in.n ? memchr(in.p, 0, in.n) : NULL;
  size_t n = nul ? (size_t)(nul - in.p) : 0;
  pml_slice head = nul ? pml_slice_of(in.p, n) : pml_slice_str("{\"alg\":\"HS256\"}");
  pml_slice claims = nul ? pml_slice_of(nul + 1, in.n - n - 1) : in;
  pml_writer w = {0};
  uint8_t sig[PML_SIGNATURE_MAX];
  size_t len;
  pml_jwt t;
  base64url(&w, head);
  pml_writer_byte(&w, '.');
  base64url(&w, claims);
  MUST(pml_sign_key_sign(keys[0].key, pml_slice_of(pml_writer_at(&w, 0), w.len), sig, &len) == 0);
  pml_writer_byte(&w, '.');
  base64url(&w, pml_slice_of(sig, len));
  pml_buf *b = pml_writer_finish(&w);
  if (verify(pml_buf_slice(b), mode, &t) == PML_JWT_GOOD) {
    look(&t);
    MUST(pml_slice_eq(pml_buf_slice(t.claims), claims));
    pml_jwt_drop(&t);
    size_t at = (mode * 31u + in.n * 7u) % b->len;
    b->data[at] ^= (uint8_t)(1u << (mode >> 2 & 7));
    MUST(verify(pml_buf_slice(b), mode, &t) != PML_JWT_GOOD);
  }
  pml_buf_unref(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml_jwt t;
  if (!keys[0].key) {
    load(0, "one", "HS256", KEY_SECRET);
    load(1, "two", "ES256", KEY_EC_PUBLIC);
    load(2, "three", "EdDSA", KEY_ED_PUBLIC);
    load(3, "four", "RS256", KEY_RSA_PUBLIC);
  }
  if (!n) return 0;
  uint8_t *copy = malloc(n);
  memcpy(copy, d, n);
  pml_slice in = pml_slice_of(copy + 1, n - 1);
  if (copy[0] & 0x80) MUST(verify(in, copy[0], &t) != PML_JWT_GOOD);
  else signed_token(in, copy[0]);
  free(copy);
  return 0;
}

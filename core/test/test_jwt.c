#include "wire/jwt.h"

#include "base/digest.h"
#include "base/err.h"
#include "test/jwt_keys.h"
#include "test/test.h"

/* The examples of RFC 7515 (A.1 to A.4), RFC 8037 (A.4) and RFC 7520 (4.1 and 4.2). Their claims
 * have no sub, or are no JSON: who says so has found the signature right. */
#define CLAIMS \
  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
  "fQ"
#define A1 \
  "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS "." \
  "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define A2 \
  "eyJhbGciOiJSUzI1NiJ9." CLAIMS "." \
  "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
  "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
  "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
  "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define A3 \
  "eyJhbGciOiJFUzI1NiJ9." CLAIMS "." \
  "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define A4 \
  "eyJhbGciOiJFUzUxMiJ9." \
  "UGF5bG9hZA" \
  "." \
  "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8G" \
  "aSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
#define ED8037 \
  "eyJhbGciOiJFZERTQSJ9." \
  "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc" \
  "." \
  "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
#define COOKBOOK \
  "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250" \
  "byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hl" \
  "cmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
#define C41 \
  "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." COOKBOOK "." \
  "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xugl" \
  "II7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x" \
  "8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE" \
  "_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
#define C42 \
  "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." COOKBOOK "." \
  "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TT" \
  "B5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrY" \
  "RXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtf" \
  "a64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
/* PS256 by another library, with the key of A.2: salts of 32 bytes and of none. */
#define PS \
  "eyJhbGciOiJQUzI1NiJ9." CLAIMS "." \
  "U1JNiOR3jpTW5PaTTb8o5lS92hErrP7TtM-PWJfx1wk5sRDjH7ryAnFcAeOGwiEEvpF3WRmvp9jpkM2W_x8kbIbcCvE5" \
  "cInmoCX303lgGxaW5Oxu_Bx_XYWMCA-JGYxKsmWTNxQdaFUe3cKgq6TbZiqsyuLQlQaLZJaAnMGmsEUjUrnuM8HPpf28" \
  "lY_h14hIFYoBut1Og3qqW5vxqNO2HqvLmUpVe47JP2f9tE5jd5RkxvywHs7UwaAAe8W3omCMiKRKw1TcK7D-0JyRVhiN" \
  "j-xGnQDOtpV6Rve8d6EzhzQW6zqaiyrYPAMAkSL5Asl1ZfZ3XekvRRm-7yEwxjC_1w"
#define PS_NO_SALT \
  "eyJhbGciOiJQUzI1NiJ9." CLAIMS "." \
  "cMDnon9-kWOmWl3ENxyEIYFFJYZTPzSZAh5spERaclkKwJmvwMMNUMCbdMAak1TUhOHX2HHV0ImU0QgH8_r8sZKD_Ym2" \
  "fIs6dyawyPikuwkHN5FPlTLqEIx0GdKYUiIb7lezAXraCkMp8QFBKdBOWZFl1QBolOc9ZbPDcx7yGnGuXpJFdhvtmpxR" \
  "QMMmti_YtxtYFtnynI8-tROWpUJY02C-wx_xmySr86Q9PYQ64BsNZLHrW9LErNqvSDE7hd77ic8oRps8O2a3Sm1YizLj" \
  "2jAXBktyainlOJgO0dcJz1X84nHJp7ySpc34rbN2LqbE8o2nVA7ZARiWPphEIuqkYg"

#define NOW 1300819000.0

static pml_sign_key *load(const char *alg, const char *text) {
  char why[PML_SIGN_KEY_WHY];
  pml_sign_key *k = pml_sign_key_load(alg, pml_slice_str(text), why);
  CHECK(k);
  return k;
}

static pml_jwt_error verify(pml_slice text, const pml_jwt_rules *r) {
  pml_jwt t = {0};
  char *exact = malloc(text.n + !text.n); /* its end is watched */
  memcpy(exact, text.p, text.n);
  pml_jwt_error e = pml_jwt_verify(pml_slice_of(exact, text.n), r, &t);
  CHECK((e == PML_JWT_GOOD) == (t.claims != NULL));
  CHECK((e == PML_JWT_GOOD) == (t.sub != NULL));
  pml_jwt_drop(&t);
  free(exact);
  return e;
}

/* With one key of an algorithm. */
static pml_jwt_error with_key(const char *token, const char *alg, const char *key) {
  pml_jwt_key k = {.key = load(alg, key)};
  if (strstr(token, "ImtpZCI6")) k.kid = pml_slice_str("bilbo.baggins@hobbiton.example");
  const pml_jwt_rules r = {.keys = &k, .nkeys = 1, .now = NOW};
  pml_jwt_error e = verify(pml_slice_str(token), &r);
  pml_sign_key_free((pml_sign_key *)(uintptr_t)k.key);
  return e;
}

TEST(jwt_knows_the_signatures_of_the_rfcs) {
  CHECK_EQ(with_key(A1, "HS256", KEY_SECRET), PML_JWT_SUB);
  CHECK_EQ(with_key(A2, "RS256", KEY_RSA_PUBLIC), PML_JWT_SUB);
  CHECK_EQ(with_key(A3, "ES256", KEY_EC_PUBLIC), PML_JWT_SUB);
  CHECK_EQ(with_key(PS, "PS256", KEY_RSA_PUBLIC), PML_JWT_SUB);
  CHECK_EQ(with_key(PS_NO_SALT, "PS256", KEY_RSA_PUBLIC), PML_JWT_SIGNATURE);
  CHECK_EQ(with_key(ED8037, "EdDSA", KEY_ED_PUBLIC), PML_JWT_CLAIMS);
  CHECK_EQ(with_key(C41, "RS256", KEY_COOKBOOK_PUBLIC), PML_JWT_CLAIMS);
  CHECK_EQ(with_key(C42, "PS256", KEY_COOKBOOK_PUBLIC), PML_JWT_ALG); /* PS384 */
  CHECK_EQ(with_key(A4, "ES256", KEY_EC_PUBLIC), PML_JWT_ALG);        /* ES512 */
}

TEST(jwt_takes_the_algorithm_of_the_key_and_never_that_of_the_token) {
  CHECK_EQ(with_key(A2, "HS256", KEY_SECRET), PML_JWT_ALG);
  CHECK_EQ(with_key(A1, "RS256", KEY_RSA_PUBLIC), PML_JWT_ALG);
  CHECK_EQ(with_key(A2, "PS256", KEY_RSA_PUBLIC), PML_JWT_ALG);
  CHECK_EQ(with_key(A2, "RS256", KEY_COOKBOOK_PUBLIC), PML_JWT_SIGNATURE);
  CHECK_EQ(with_key("eyJhbGciOiJub25lIn0." CLAIMS ".", "HS256", KEY_SECRET), PML_JWT_FORM);
  CHECK_EQ(with_key("eyJhbGciOiJub25lIn0." CLAIMS ".AA", "HS256", KEY_SECRET), PML_JWT_ALG);
  const pml_jwt_rules nothing = {.now = NOW};
  CHECK_EQ(verify(pml_slice_str(A1), &nothing), PML_JWT_ALG);
}

/* ---- tokens made here ---- */

static void base64url(pml_writer *w, pml_slice in) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (size_t i = 0; i < in.n; i += 3) {
    uint32_t v = (uint32_t)in.p[i] << 16 | (i + 1 < in.n ? in.p[i + 1] << 8 : 0) |
                 (i + 2 < in.n ? in.p[i + 2] : 0);
    size_t n = in.n - i < 3 ? in.n - i : 3;
    for (size_t j = 0; j <= n; j++) pml_writer_byte(w, (uint8_t)letters[v >> (18 - 6 * j) & 63]);
  }
}

/* A token with this header and these claims, signed by HS256. */
static pml_buf *token(const pml_sign_key *k, pml_slice header, pml_slice claims) {
  pml_writer w = {0};
  uint8_t sig[PML_SIGNATURE_MAX];
  size_t n;
  base64url(&w, header);
  pml_writer_byte(&w, '.');
  base64url(&w, claims);
  CHECK_EQ(pml_sign_key_sign(k, pml_slice_of(pml_writer_at(&w, 0), w.len), sig, &n), 0);
  pml_writer_byte(&w, '.');
  base64url(&w, pml_slice_of(sig, n));
  return pml_writer_finish(&w);
}

static const pml_slice audience[] = {{(const uint8_t *)"game", 4}, {(const uint8_t *)"arena", 5}};

/* The token of CVE-2015-9235 and of libjwt's issue 200: HS256 with the text of the public key,
 * which everybody has. */
TEST(jwt_is_not_signed_by_the_text_of_a_public_key) {
  static const char *const headers[] = {
    "{\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"kid\":\"one\"}", "{\"alg\":\"RS256\"}",
    "{\"alg\":\"RS256\",\"kid\":\"one\"}"};
  pml_jwt_key k = {pml_slice_str("one"), load("RS256", KEY_RSA_PUBLIC)};
  const pml_jwt_rules r = {.keys = &k, .nkeys = 1, .now = 1000};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    pml_writer w = {0};
    uint8_t mac[PML_DIGEST_MAX];
    size_t n;
    base64url(&w, pml_slice_str(headers[i]));
    pml_writer_byte(&w, '.');
    base64url(&w, pml_slice_str("{\"sub\":\"ann\",\"exp\":1001}"));
    CHECK_EQ(pml_hmac("sha256", pml_slice_str(KEY_RSA_PUBLIC),
                      pml_slice_of(pml_writer_at(&w, 0), w.len), mac, &n),
             0);
    pml_writer_byte(&w, '.');
    base64url(&w, pml_slice_of(mac, n));
    pml_buf *t = pml_writer_finish(&w);
    CHECK_EQ(verify(pml_buf_slice(t), &r), i < 2 ? PML_JWT_ALG : PML_JWT_SIGNATURE);
    pml_buf_unref(t);
  }
  pml_sign_key_free((pml_sign_key *)(uintptr_t)k.key);
}

/* What becomes of a header and claims whose signature is right. checks: aud and iss are, too. */
static pml_jwt_error judged(const char *header, const char *claims, double leeway, int checks) {
  pml_jwt_key k = {pml_slice_str("one"), load("HS256", KEY_SECRET)};
  pml_jwt_rules r = {.keys = &k, .nkeys = 1, .now = 1000, .leeway = leeway};
  if (checks) {
    r.audience = audience;
    r.naudience = 2;
    r.issuer = pml_slice_str("https://login");
  }
  pml_buf *t = token(k.key, pml_slice_str(header), pml_slice_str(claims));
  pml_jwt_error e = verify(pml_buf_slice(t), &r);
  pml_buf_unref(t);
  pml_sign_key_free((pml_sign_key *)(uintptr_t)k.key);
  return e;
}

#define HEADER "{\"alg\":\"HS256\"}"
#define GOOD "{\"sub\":\"ann\",\"exp\":1001}"

TEST(jwt_header_is_an_object_with_one_alg_and_nothing_critical) {
  static const struct {
    const char *header;
    pml_jwt_error e;
  } rows[] = {
    {HEADER, PML_JWT_GOOD},
    {" {\n\"typ\" : \"JWT\", \"alg\":\"HS\\u0032\\u0035\\u0036\", \"x\":[{\"alg\":1}]} ",
     PML_JWT_GOOD},
    {"{\"alg\":\"HS256\",\"kid\":\"one\"}", PML_JWT_GOOD},
    {"{\"alg\":\"HS256\",\"kid\":\"o\\u006ee\"}", PML_JWT_GOOD},
    {"{\"alg\":\"HS256\",\"jku\":\"http://evil\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}",
     PML_JWT_GOOD},
    {"{\"alg\":\"HS256\",\"kid\":\"two\"}", PML_JWT_KID},
    {"{\"alg\":\"HS256\",\"kid\":\"\"}", PML_JWT_KID},
    {"{\"alg\":\"HS256\",\"kid\":\"one\\u0000\"}", PML_JWT_KID},
    {"{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", PML_JWT_KID},
    {"{\"alg\":\"HS256\",\"kid\":1}", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\",\"kid\":null}", PML_JWT_HEADER},
    {"{\"alg\":\"hs256\"}", PML_JWT_ALG},
    {"{\"alg\":\"HS256 \"}", PML_JWT_ALG},
    {"{\"alg\":\"HS256\\u0000\"}", PML_JWT_ALG},
    {"{\"alg\":\"none\"}", PML_JWT_ALG},
    {"{\"alg\":\"nOnE\",\"kid\":\"one\"}", PML_JWT_ALG},
    {"{\"alg\":\"RS256\",\"kid\":\"one\"}", PML_JWT_ALG},
    {"{\"alg\":[\"HS256\"]}", PML_JWT_HEADER},
    {"{\"alg\":null}", PML_JWT_HEADER},
    {"{}", PML_JWT_HEADER},
    {"[\"alg\",\"HS256\"]", PML_JWT_HEADER},
    {"\"HS256\"", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\"", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\"}{}", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\"}x", PML_JWT_HEADER},
    {"{\"alg\":\"none\",\"alg\":\"HS256\"}", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\",\"al\\u0067\":\"none\"}", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\",\"x\":1,\"x\":1}", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", PML_JWT_HEADER},
    {"\xef\xbb\xbf{\"alg\":\"HS256\"}", PML_JWT_HEADER},
    {"{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", PML_JWT_CRIT},
    {"{\"alg\":\"HS256\",\"crit\":[]}", PML_JWT_CRIT},
    {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", PML_JWT_CRIT},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    pml_jwt_error e = judged(rows[i].header, GOOD, 0, 0);
    if (e != rows[i].e) fprintf(stderr, "%s: %s\n", rows[i].header, pml_jwt_why(e));
    CHECK_EQ(e, rows[i].e);
  }
}

TEST(jwt_claims_are_an_object_with_sub_and_exp) {
  static const struct {
    const char *claims;
    pml_jwt_error e;
  } rows[] = {
    {GOOD, PML_JWT_GOOD},
    {"{\"sub\":\"ann\",\"exp\":1001.5,\"nbf\":0,\"iat\":999.25}", PML_JWT_GOOD},
    {"{\"sub\":\"ann\",\"exp\":1.001e3}", PML_JWT_GOOD},
    {"{\"sub\":\"a\\u00e9\",\"exp\":1001,\"aud\":\"other\",\"iss\":7}", PML_JWT_GOOD},
    {"{\"sub\":\"ann\",\"exp\":1000}", PML_JWT_EXPIRED},
    {"{\"sub\":\"ann\",\"exp\":0}", PML_JWT_EXPIRED},
    {"{\"sub\":\"ann\",\"exp\":-1}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":-0}", PML_JWT_EXPIRED},
    {"{\"sub\":\"ann\",\"exp\":1e300}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":1e400}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":253402300800}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":253402300799}", PML_JWT_GOOD},
    {"{\"sub\":\"ann\",\"exp\":99999999999999999999999999999999}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":NaN}", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":Infinity}", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":0x7fffffff}", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":+1001}", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":\"1001\"}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":null}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":true}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":[1001]}", PML_JWT_EXP},
    {"{\"sub\":\"ann\"}", PML_JWT_EXP},
    {"{\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":\"\",\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":7,\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":null,\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":{\"sub\":\"ann\"},\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":\"a\\u0000b\",\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":\"\\ud800\",\"exp\":1001}", PML_JWT_SUB},
    {"{\"sub\":\"ann\",\"sub\":\"bob\",\"exp\":1001}", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":1001,\"\\u0065xp\":9999}", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":1001,\"nbf\":1001}", PML_JWT_EARLY},
    {"{\"sub\":\"ann\",\"exp\":1001,\"nbf\":1000}", PML_JWT_GOOD},
    {"{\"sub\":\"ann\",\"exp\":1001,\"iat\":1000.5}", PML_JWT_EARLY},
    {"{\"sub\":\"ann\",\"exp\":1001,\"nbf\":\"1\"}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":1001,\"iat\":{}}", PML_JWT_EXP},
    {"{\"sub\":\"ann\",\"exp\":1001}x", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":1001", PML_JWT_CLAIMS},
    {"{\"sub\":\"ann\",\"exp\":1001,\"aud\":[1]}", PML_JWT_CLAIMS},
    {"[]", PML_JWT_CLAIMS},
    {"null", PML_JWT_CLAIMS},
    {"\"eyJhbGciOiJIUzI1NiJ9.e30.AA\"", PML_JWT_CLAIMS},
    {"{\"sub\":\"\xc3\",\"exp\":1001}", PML_JWT_CLAIMS},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    pml_jwt_error e = judged(HEADER, rows[i].claims, 0, 0);
    if (e != rows[i].e) fprintf(stderr, "%s: %s\n", rows[i].claims, pml_jwt_why(e));
    CHECK_EQ(e, rows[i].e);
  }
}

TEST(jwt_clocks_may_differ_by_the_leeway) {
  CHECK_EQ(judged(HEADER, "{\"sub\":\"a\",\"exp\":981}", 20, 0), PML_JWT_GOOD);
  CHECK_EQ(judged(HEADER, "{\"sub\":\"a\",\"exp\":980}", 20, 0), PML_JWT_EXPIRED);
  CHECK_EQ(judged(HEADER, "{\"sub\":\"a\",\"exp\":1001,\"nbf\":1020}", 20, 0), PML_JWT_GOOD);
  CHECK_EQ(judged(HEADER, "{\"sub\":\"a\",\"exp\":1001,\"iat\":1021}", 20, 0), PML_JWT_EARLY);
}

TEST(jwt_aud_and_iss_are_checked_when_they_are_configured) {
#define WITH(more) "{\"sub\":\"a\",\"exp\":1001" more "}"
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":\"arena\",\"iss\":\"https://login\""), 0, 1),
           PML_JWT_GOOD);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":[\"x\",\"game\"],\"iss\":\"https://login\""), 0, 1),
           PML_JWT_GOOD);
  CHECK_EQ(judged(HEADER, WITH(",\"iss\":\"https://login\""), 0, 1), PML_JWT_AUDIENCE);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":[],\"iss\":\"https://login\""), 0, 1), PML_JWT_AUDIENCE);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":\"games\",\"iss\":\"https://login\""), 0, 1),
           PML_JWT_AUDIENCE);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":{\"game\":1},\"iss\":\"https://login\""), 0, 1),
           PML_JWT_AUDIENCE);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":[[\"game\"]],\"iss\":\"https://login\""), 0, 1),
           PML_JWT_CLAIMS);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":\"game\""), 0, 1), PML_JWT_ISSUER);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":\"game\",\"iss\":\"https://login/\""), 0, 1),
           PML_JWT_ISSUER);
  CHECK_EQ(judged(HEADER, WITH(",\"aud\":\"game\",\"iss\":[\"https://login\"]"), 0, 1),
           PML_JWT_ISSUER);
}

TEST(jwt_has_limits_of_length_depth_and_members) {
  char claims[PML_JWT_MAX];
  snprintf(claims, sizeof claims, "{\"sub\":\"a\",\"exp\":1001,\"x\":");
  size_t n = strlen(claims);
  memset(claims + n, '[', 1000);
  memset(claims + n + 1000, ']', 1000);
  strcpy(claims + n + 2000, "}");
  CHECK_EQ(judged(HEADER, claims, 0, 0), PML_JWT_CLAIMS);
  n = (size_t)sprintf(claims, "{\"sub\":\"a\",\"exp\":1001");
  for (unsigned i = 2; i < PML_JWT_MEMBERS; i++) n += (size_t)sprintf(claims + n, ",\"%u\":0", i);
  strcpy(claims + n, "}");
  CHECK_EQ(judged(HEADER, claims, 0, 0), PML_JWT_GOOD);
  strcpy(claims + n, ",\"\":0}");
  CHECK_EQ(judged(HEADER, claims, 0, 0), PML_JWT_CLAIMS);
  n = (size_t)sprintf(claims, "{\"sub\":\"a\",\"exp\":1001,\"x\":\"");
  memset(claims + n, 'x', 3100 - n);
  strcpy(claims + 3100, "\"}");
  CHECK_EQ(judged(HEADER, claims, 0, 0), PML_JWT_TOOLONG);
}

TEST(jwt_base64url_has_one_spelling) {
  pml_jwt_key k = {pml_slice_of(NULL, 0), load("HS256", KEY_SECRET)};
  const pml_jwt_rules r = {.keys = &k, .nkeys = 1, .now = 1000};
  pml_buf *t = token(k.key, pml_slice_str(HEADER), pml_slice_str(GOOD));
  char text[400];
  size_t n = t->len;
  CHECK_EQ(verify(pml_buf_slice(t), &r), PML_JWT_GOOD);
  for (size_t cut = 0; cut < n; cut++) /* also each of the signature's last letters */
    CHECK(verify(pml_slice_of(t->data, cut), &r) != PML_JWT_GOOD);
  memcpy(text, t->data, n);
  /* 32 bytes are 43 letters: the last one holds two bits that mean nothing. */
  for (int other = 1; other < 4; other++) {
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    text[n - 1] = letters[(strchr(letters, t->data[n - 1]) - letters) + other];
    CHECK_EQ(verify(pml_slice_of(text, n), &r), PML_JWT_FORM);
  }
  memcpy(text, t->data, n);
  static const char *const tails[] = {"=",    "==", ".", ".AA", "A", "AA",
                                      "AAAA", "\n", " ", "\0",  "!"};
  for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
    size_t m = strlen(tails[i]) ? strlen(tails[i]) : 1;
    memcpy(text + n, tails[i], m);
    CHECK(verify(pml_slice_of(text, n + m), &r) != PML_JWT_GOOD);
  }
  for (int c = 0; c < 256; c++) { /* in the place of the first letter: only 'e' begins with '{"' */
    memcpy(text, t->data, n);
    text[0] = (char)c;
    CHECK_EQ(verify(pml_slice_of(text, n), &r) == PML_JWT_GOOD, c == 'e');
  }
  static const char *const forms[] = {"",     ".",    "..",       "...",          "a.b",
                                      "a..c", ".b.c", "e30.e30.", "e30.e30.AA.AA"};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    CHECK_EQ(verify(pml_slice_str(forms[i]), &r), PML_JWT_FORM);
  pml_buf_unref(t);
  pml_sign_key_free((pml_sign_key *)(uintptr_t)k.key);
}

TEST(jwt_kid_chooses_among_keys_and_without_one_all_of_the_alg_are_tried) {
  pml_sign_key *old = load("HS256", "an old secret of the login service, 32 bytes and more"),
               *new = load("HS256", KEY_SECRET), *rsa = load("RS256", KEY_RSA);
  pml_jwt_key keys[] = {
    {pml_slice_str("r"), rsa}, {pml_slice_str("old"), old}, {pml_slice_str("new"), new}};
  pml_jwt_rules r = {.keys = keys, .nkeys = 3, .now = 1000};
  for (size_t i = 0; i < 3; i++) {
    pml_buf *t, *plain;
    pml_jwt out;
    CHECK_EQ(pml_jwt_sign(&keys[i], pml_slice_str(GOOD), &t), 0);
    CHECK_EQ(pml_jwt_verify(pml_buf_slice(t), &r, &out), PML_JWT_GOOD);
    CHECK_BYTES(out.claims->data, out.claims->len, GOOD);
    CHECK_BYTES(out.sub->data, out.sub->len, "ann");
    CHECK(out.exp == 1001);
    pml_jwt_drop(&out);
    pml_jwt_key no_kid = {pml_slice_of(NULL, 0), keys[i].key};
    CHECK_EQ(pml_jwt_sign(&no_kid, pml_slice_str(GOOD), &plain), 0);
    CHECK_EQ(verify(pml_buf_slice(plain), &r), PML_JWT_GOOD);
    keys[i].kid = pml_slice_str("other");
    CHECK_EQ(verify(pml_buf_slice(t), &r), PML_JWT_KID);
    keys[i].kid = pml_slice_of(NULL, 0); /* a key without a kid is for tokens without one */
    CHECK_EQ(verify(pml_buf_slice(t), &r), PML_JWT_KID);
    CHECK_EQ(verify(pml_buf_slice(plain), &r), PML_JWT_GOOD);
    pml_buf_unref(t);
    pml_buf_unref(plain);
    keys[i].kid = pml_slice_str("again");
  }
  pml_jwt_key forged = {pml_slice_str("k"), old};
  pml_buf *t;
  keys[2].kid = pml_slice_str("k");
  CHECK_EQ(pml_jwt_sign(&forged, pml_slice_str(GOOD), &t), 0);
  CHECK_EQ(verify(pml_buf_slice(t), &r), PML_JWT_SIGNATURE);
  pml_buf_unref(t);
  pml_sign_key_free(old);
  pml_sign_key_free(new);
  pml_sign_key_free(rsa);
}

TEST(jwt_is_made_within_its_limits) {
  pml_jwt_key k = {pml_slice_str("a"), load("EdDSA", KEY_ED_PUBLIC)};
  pml_buf *t = NULL;
  char long_text[3000];
  memset(long_text, ' ', sizeof long_text);
  CHECK_EQ(pml_jwt_sign(&k, pml_slice_str(GOOD), &t), PML_EINVAL);
  pml_sign_key_free((pml_sign_key *)(uintptr_t)k.key);
  k.key = load("EdDSA", KEY_ED);
  CHECK_EQ(pml_jwt_sign(&k, pml_slice_of(long_text, 3000), &t), PML_ETOOBIG);
  CHECK_EQ(pml_jwt_sign(&k, pml_slice_of(long_text, 2900), &t), 0);
  CHECK(t->len <= PML_JWT_MAX);
  pml_buf_unref(t);
  pml_sign_key_free((pml_sign_key *)(uintptr_t)k.key);
  CHECK(pml_jwt_kid_valid(pml_slice_str("2026-11 a")));
  CHECK(!pml_jwt_kid_valid(pml_slice_str("")));
  CHECK(!pml_jwt_kid_valid(pml_slice_str("a\"b")));
  CHECK(!pml_jwt_kid_valid(pml_slice_str("a\\b")));
  CHECK(!pml_jwt_kid_valid(pml_slice_str("a\nb")));
  CHECK(!pml_jwt_kid_valid(pml_slice_of(long_text, PML_JWT_KID_MAX + 1)));
}

/* Against the plainest decoder there is, whole and in pieces. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/utf8.h"

/* Decodes one character of 1..4 bytes; surrogates are let through. 0: none. */
static size_t plain(const uint8_t *p, size_t n, uint32_t *out) {
  size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
  if (len == 0 || n < len) return 0;
  uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
  for (size_t i = 1; i < len; i++) {
    if (p[i] >> 6 != 2) return 0;
    c = c << 6 | (p[i] & 0x3f);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < least[len] || c > 0x10ffff) return 0;
  *out = c;
  return len;
}

static int is_high(uint32_t c) { return c >= 0xd800 && c <= 0xdbff; }
static int is_low(uint32_t c) { return c >= 0xdc00 && c <= 0xdfff; }

/* As pml_cesu8_check; strict: as pml_utf8_valid, with 0 and PML_EPROTO. */
static int judge(const uint8_t *p, size_t n, int strict, tape *points) {
  int pairs = 0;
  for (size_t i = 0; i < n;) {
    uint32_t c, low;
    size_t k = plain(p + i, n - i, &c);
    if (!k) return PML_EPROTO;
    i += k;
    if (is_low(c)) return PML_EPROTO;
    if (is_high(c)) {
      if (strict || i == n || !(k = plain(p + i, n - i, &low)) || !is_low(low)) return PML_EPROTO;
      i += k;
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      pairs = 1;
    }
    tape_put(points, &c, sizeof c);
  }
  return pairs;
}

static int second_byte(uint8_t c, uint8_t b) {
  if (b >> 6 != 2) return 0;
  if (c == 0xe0) return b >= 0xa0;
  if (c == 0xed) return b < 0xa0;
  if (c == 0xf0) return b >= 0x90;
  return c != 0xf4 || b < 0x90;
}

/* The points that pml_utf8_mend has to make of p. */
static void mended(const uint8_t *p, size_t n, tape *points) {
  for (size_t i = 0; i < n;) {
    uint32_t c, low;
    size_t k = plain(p + i, n - i, &c), more = 0;
    if (k && is_high(c) && i + k < n && (more = plain(p + i + k, n - i - k, &low)) && is_low(low)) {
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      k += more;
    } else if (!k || is_high(c) || is_low(c)) {
      c = 0xfffd;
    }
    if (!k) { /* the longest start of a character */
      size_t most = p[i] >= 0xf0 && p[i] <= 0xf4 ? 3 : p[i] >= 0xe0 && p[i] <= 0xef ? 2 : 1;
      k = 1;
      if (most > 1 && i + 1 < n && second_byte(p[i], p[i + 1])) {
        for (k = 2; k < most && i + k < n && p[i + k] >> 6 == 2;) k++;
      }
    }
    tape_put(points, &c, sizeof c);
    i += k;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  chunks c = chunks_of(d[0]);
  n--;
  uint8_t *p = malloc(n ? n : 1);
  memcpy(p, d + 1, n);
  tape strict = {0}, loose = {0}, mend = {0}, back = {0};
  int want = judge(p, n, 1, &strict);
  MUST(pml_utf8_valid(p, n) == (want == 0));

  pml_utf8 u = {0};
  int rc = 0;
  for (size_t i = 0, k; i < n && !rc; i += k) {
    k = chunks_next(&c, n - i);
    rc = pml_utf8_feed(&u, p + i, k);
  }
  MUST((rc == 0 && !pml_utf8_partial(&u)) == (want == 0));

  want = judge(p, n, 0, &loose);
  MUST(pml_cesu8_check(p, n) == want);
  mended(p, n, &mend);
  if (want >= 0) MUST(tape_eq(&loose, &mend));
  pml_writer w = {0};
  pml_utf8_mend(&w, p, n);
  pml_buf *b = pml_writer_finish(&w);
  MUST(b->len <= 3 * n);
  MUST(judge(b->data, b->len, 1, &back) == 0);
  MUST(tape_eq(&mend, &back));
  if (want == 0) MUST(pml_slice_eq(pml_buf_slice(b), pml_slice_of(p, n)));
  pml_buf_unref(b);
  free(strict.p), free(loose.p), free(mend.p), free(back.p), free(p);
  return 0;
}

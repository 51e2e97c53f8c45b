#include "wire/utf8.h"

#include "base/err.h"
#include "test/test.h"

/* What RFC 3629 says, as plainly as it can be written. 0: not valid. */
static size_t plain(const uint8_t *p, size_t n) {
  if (n >= 1 && p[0] < 0x80) return 1;
  size_t len = n < 1 ? 0 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
  if (len == 0 || n < len) return 0;
  uint32_t c = p[0] & (0xffu >> (len + 1));
  for (size_t i = 1; i < len; i++) {
    if (p[i] >> 6 != 2) return 0;
    c = c << 6 | (p[i] & 0x3f);
  }
  if (c < (len == 2 ? 0x80u : len == 3 ? 0x800u : 0x10000u)) return 0;
  return c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

TEST(utf8_agrees_with_the_rfc_on_every_start_of_three_bytes) {
  for (uint32_t v = 0; v < 1u << 24; v += v >> 16 < 0x80 ? 257 : 1) {
    uint8_t p[4] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, 0x80};
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0x80 ? 2 : 1;
    CHECK_EQ(pml_utf8_valid(p, n), plain(p, n) == n);
  }
}

static const char *const good[] = {
  "",
  "a",
  "\x7f",
  "\xc2\x80",
  "\xdf\xbf",
  "\xe0\xa0\x80",
  "\xed\x9f\xbf",
  "\xee\x80\x80",
  "\xef\xbf\xbf",
  "\xf0\x90\x80\x80",
  "\xf4\x8f\xbf\xbf",
  "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80!",
  "a long line of ASCII that is more than thirty-two bytes, then \xe4\xb8\xad\xe6\x96\x87",
};
static const char *const bad[] = {
  "\x80",
  "\xbf",
  "\xc0\x80",
  "\xc1\xbf",
  "\xc2",
  "\xc2"
  "a",
  "\xe0\x9f\xbf",
  "\xe4\xb8",
  "\xe4\xb8"
  "a",
  "\xed\xa0\x80",
  "\xed\xbf\xbf",
  "\xf0\x8f\xbf\xbf",
  "\xf4\x90\x80\x80",
  "\xf5\x80\x80\x80",
  "\xfe",
  "\xff",
  "\xf0\x9f\x98",
  "ok\xf0\x9f\x98 not",
  "a long line of ASCII that is more than thirty-two bytes, then \xff",
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static int in_steps(const char *s, size_t step) {
  pml_utf8 u = {0};
  size_t n = strlen(s);
  for (size_t i = 0; i < n; i += step) {
    size_t k = n - i < step ? n - i : step;
    if (pml_utf8_feed(&u, (const uint8_t *)s + i, k)) return 0;
  }
  return !pml_utf8_partial(&u);
}

TEST(utf8_is_judged_the_same_whole_and_in_pieces) {
  for (size_t i = 0; i < COUNT(good); i++) {
    CHECK(pml_utf8_valid((const uint8_t *)good[i], strlen(good[i])));
    for (size_t step = 1; step < 5; step++) CHECK(in_steps(good[i], step));
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    CHECK(!pml_utf8_valid((const uint8_t *)bad[i], strlen(bad[i])));
    for (size_t step = 1; step < 5; step++) CHECK(!in_steps(bad[i], step));
  }
}

TEST(utf8_feed_fails_at_the_first_byte_that_cannot_be) {
  pml_utf8 u = {0};
  CHECK_EQ(pml_utf8_feed(&u, (const uint8_t *)"\xf4", 1), 0);
  CHECK(pml_utf8_partial(&u));
  CHECK_EQ(pml_utf8_feed(&u, (const uint8_t *)"\x90", 1), PML_EPROTO);
  u = (pml_utf8){0};
  CHECK_EQ(pml_utf8_feed(&u, (const uint8_t *)"\xed\xa0", 2), PML_EPROTO);
}

TEST(utf8_takes_no_bytes_at_all) {
  pml_utf8 u = {0};
  CHECK_EQ(pml_utf8_feed(&u, NULL, 0), 0);
  CHECK(pml_utf8_valid(NULL, 0));
  CHECK_EQ(pml_cesu8_check(NULL, 0), 0);
}

static void check_cesu8(const char *in, int rc, const char *out) {
  CHECK_EQ(pml_cesu8_check((const uint8_t *)in, strlen(in)), rc);
  if (rc < 0) return;
  pml_writer w = {0};
  pml_utf8_mend(&w, (const uint8_t *)in, strlen(in));
  CHECK_BYTES(w.b ? w.b->data : NULL, w.len, out);
  pml_writer_drop(&w);
}

TEST(utf8_surrogate_pairs_become_one_character) {
  check_cesu8("", 0, "");
  check_cesu8("plain \xf0\x9f\x98\x80", 0, "plain \xf0\x9f\x98\x80");
  check_cesu8("\xed\xa0\xbd\xed\xb8\x80", 1, "\xf0\x9f\x98\x80");
  check_cesu8("<\xed\xa0\xbd\xed\xb8\x80\xc3\xbc\xed\xaf\xbf\xed\xbf\xbf>", 1,
              "<\xf0\x9f\x98\x80\xc3\xbc\xf4\x8f\xbf\xbf>");
  check_cesu8("\xed\xa0\x80\xed\xb0\x80", 1, "\xf0\x90\x80\x80");
}

TEST(utf8_lone_surrogates_are_refused) {
  check_cesu8("\xed\xa0\xbd", PML_EPROTO, NULL);
  check_cesu8("\xed\xb8\x80", PML_EPROTO, NULL);
  check_cesu8("\xed\xa0\xbd"
              "abc",
              PML_EPROTO, NULL);
  check_cesu8("\xed\xb8\x80\xed\xa0\xbd", PML_EPROTO, NULL);
  check_cesu8("\xed\xa0\xbd\xed\xa0\xbd", PML_EPROTO, NULL);
  check_cesu8("\xed\xa0\xbd\xed\xb8", PML_EPROTO, NULL);
  check_cesu8("a\xff", PML_EPROTO, NULL);
}

#define FFFD "\xef\xbf\xbd"

static void check_mended(const char *in, const char *out) {
  pml_writer w = {0};
  pml_utf8_mend(&w, (const uint8_t *)in, strlen(in));
  CHECK_BYTES(w.b ? w.b->data : NULL, w.len, out);
  pml_writer_drop(&w);
}

TEST(utf8_what_is_ill_formed_becomes_a_replacement_character) {
  check_mended("", "");
  check_mended("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
  check_mended("a\xff"
               "b",
               "a" FFFD "b");
  check_mended("a\x80", "a" FFFD);
  check_mended("\xc0\xaf", FFFD FFFD);                         /* overlong */
  check_mended("\xe0\x80\xaf!", FFFD FFFD FFFD "!");           /* overlong */
  check_mended("\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD);       /* above U+10FFFF */
  check_mended("\xf0\x9f\x98 \xe4\xb8\"", FFFD " " FFFD "\""); /* cut characters */
  check_mended("<\xf0\x9f\xf0\x9f\x98\x80", "<" FFFD "\xf0\x9f\x98\x80");
  check_mended("\xed\xa0\xbd|\xed\xb8\x80", FFFD "|" FFFD); /* lone surrogates */
  check_mended("\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80", FFFD "\xf0\x9f\x98\x80");
  check_mended("\xed\xa0", FFFD FFFD); /* half of a lone one, as of any bytes that start none */
}

TEST(utf8_mended_text_keeps_its_nuls) {
  pml_writer w = {0};
  pml_utf8_mend(&w, (const uint8_t *)"a\0\xff\0", 4);
  CHECK_EQ(w.len, 6);
  CHECK(memcmp(pml_writer_at(&w, 0), "a\0" FFFD "\0", 6) == 0);
  pml_writer_drop(&w);
}

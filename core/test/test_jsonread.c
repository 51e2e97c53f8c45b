#include "wire/jsonread.h"

#include "base/err.h"
#include "test/test.h"

/* The kinds of all tokens as letters, "!" or "^" for the error that ends them. */
static const char *tokens(const char *json) {
  static char out[300];
  static const char letters[] = "E{}[]ksntf0";
  size_t n = 0, len = strlen(json);
  char *exact = malloc(len + !len); /* its end is watched */
  memcpy(exact, json, len);
  pml_jsonread r;
  pml_jsonread_init(&r, pml_slice_of(exact, len));
  for (;;) {
    pml_token t;
    int rc = pml_jsonread_next(&r, &t);
    out[n++] = rc == 0 ? letters[t.kind] : rc == PML_EPROTO ? '!' : '^';
    if (rc || t.kind == PML_TOKEN_END) break;
  }
  out[n] = 0;
  free(exact);
  return out;
}

TEST(jsonread_gives_the_tokens) {
  CHECK_STR(tokens(" { \"a\" : [1, -2.5e3,true,false,null,\"x\",[],{}] , \"b\":{}}\n"),
            "{k[nntf0s[]{}]k{}}E");
  CHECK_STR(tokens("5"), "nE");
  CHECK_STR(tokens("\"\""), "sE");
}

TEST(jsonread_is_exactly_rfc_8259) {
  static const char *const wrong[] = {
    "",       " ",     "{",         "}",        "[",          "]",       "[1",          "[1,]",
    "[,1]",   "{,}",   "{\"a\"}",   "{\"a\":}", "{\"a\":1,}", "{1:1}",   "[1}",         "{\"a\":1]",
    "1 2",    "01",    "1.",        ".5",       "-",          "+1",      "1e",          "1e+",
    "nul",    "truex", "'a'",       "\"",       "\"\\\"",     "\"\\x\"", "\"\\u12g4\"", "\"\\u12",
    "\"\n\"", "[1 2]", "{\"a\" 1}", "NaN",      "Infinity",   "[\"\\",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const char *got = tokens(wrong[i]);
    if (got[strlen(got) - 1] != '!') fprintf(stderr, "%s: %s\n", wrong[i], got);
    CHECK(got[strlen(got) - 1] == '!');
  }
}

TEST(jsonread_gives_an_error_again_after_an_error) {
  pml_jsonread r;
  pml_token t;
  pml_jsonread_init(&r, pml_slice_str("[x,1]"));
  CHECK_EQ(pml_jsonread_next(&r, &t), 0);
  CHECK_EQ(pml_jsonread_next(&r, &t), PML_EPROTO);
  CHECK_EQ(pml_jsonread_offset(&r), 1);
  CHECK_EQ(pml_jsonread_next(&r, &t), PML_EPROTO);
  CHECK_EQ(pml_jsonread_next(&r, &t), PML_EPROTO);
}

TEST(jsonread_depth_is_bounded) {
  char json[200], expected[200];
  memset(json, '[', 65);
  json[65] = 0;
  memset(expected, '[', 64);
  strcpy(expected + 64, "^");
  CHECK_STR(tokens(json), expected);
}

TEST(jsonread_skips_a_value) {
  pml_jsonread r;
  pml_token t;
  pml_jsonread_init(&r, pml_slice_str("[{\"a\":[1,{\"b\":[]}]},2]"));
  CHECK_EQ(pml_jsonread_next(&r, &t), 0);
  CHECK_EQ(pml_jsonread_next(&r, &t), 0);
  CHECK_EQ(pml_jsonread_skip(&r, &t), 0);
  CHECK_EQ(pml_jsonread_next(&r, &t), 0);
  CHECK_EQ(t.kind, PML_TOKEN_NUMBER);
  CHECK_EQ(pml_jsonread_skip(&r, &t), 0); /* nothing more */
  CHECK_EQ(pml_jsonread_next(&r, &t), 0);
  CHECK_EQ(t.kind, PML_TOKEN_ARRAY_END);
}

static int means(const char *json, const char *text) {
  pml_jsonread r;
  pml_token t;
  pml_writer w = {0};
  pml_jsonread_init(&r, pml_slice_str(json));
  CHECK_EQ(pml_jsonread_next(&r, &t), 0);
  pml_jsonread_text(&w, &t);
  int same = w.len == strlen(text) && memcmp(pml_writer_at(&w, 0), text, w.len) == 0;
  pml_writer_drop(&w);
  return same;
}

TEST(jsonread_gives_the_text_of_a_string) {
  CHECK(means("\"a\\n\\t\\b\\f\\r\\\"\\\\\\/b\"", "a\n\t\b\f\r\"\\/b"));
  CHECK(means("\"\\u0041\\u00e9\\u4f60\"", "A\xc3\xa9\xe4\xbd\xa0"));
  CHECK(means("\"\\ud83d\\uDE00\"", "\xf0\x9f\x98\x80"));
  CHECK(means("\"\\ud83dx\\ude00\"", "\xef\xbf\xbdx\xef\xbf\xbd")); /* halves alone */
  CHECK(means("\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"));
  CHECK(means("\"a\xff\"", "a\xef\xbf\xbd"));
}

TEST(jsonread_gives_the_value_of_a_number) {
  static const struct {
    const char *text;
    double d;
  } good[] = {{"0", 0},
              {"-0", 0},
              {"123456789012345", 123456789012345.0},
              {"9007199254740993", 9007199254740992.0},
              {"0.1", 0.1},
              {"-12.75", -12.75},
              {"1.25e3", 1250},
              {"1E-7", 1e-7},
              {"1.7976931348623157e308", 1.7976931348623157e308},
              {"0.000001234567890123456789", 0.000001234567890123456789},
              {"1e-400", 0},
              {"1e-99999999999", 0}};
  double d = 7;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    CHECK_EQ(pml_jsonread_number(pml_slice_str(good[i].text), &d), 0);
    CHECK(d == good[i].d);
  }
  d = 7;
  CHECK_EQ(pml_jsonread_number(pml_slice_str("1e309"), &d), PML_ETOOBIG);
  CHECK_EQ(pml_jsonread_number(pml_slice_str("01"), &d), PML_EPROTO);
  CHECK_EQ(pml_jsonread_number(pml_slice_str("1x"), &d), PML_EPROTO);
  CHECK_EQ(pml_jsonread_number(pml_slice_str(""), &d), PML_EPROTO);
  char longer[200];
  memset(longer, '1', 129);
  longer[129] = 0;
  CHECK_EQ(pml_jsonread_number(pml_slice_str(longer), &d), PML_ETOOBIG);
  CHECK(d == 7);
}

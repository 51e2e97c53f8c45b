#include "base/json_char.h"

#include "test/test.h"

static void check(const char *text, const char *want) {
  pml_writer w = {0};
  const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
  while (p < end) p += pml_json_put_char(&w, p);
  CHECK(p == end);
  pml_buf *b = pml_writer_finish(&w);
  CHECK_BYTES(b->data, b->len, want);
  pml_buf_unref(b);
}

TEST(json_char_escapes_what_must_be) {
  check("a\"b\\c", "a\\\"b\\\\c");
  check("\b\f\n\r\t", "\\b\\f\\n\\r\\t");
  check("\x01\x1f\x7f", "\\u0001\\u001f\x7f");
  check("/ '", "/ '");
}

TEST(json_char_copies_characters_but_those_above_the_bmp) {
  check("\xc3\xa9\xe4\xb8\xad", "\xc3\xa9\xe4\xb8\xad");
  check("\xf0\x9f\x98\x80", "\\ud83d\\ude00");
  check("\xf4\x8f\xbf\xbf", "\\udbff\\udfff");
}

TEST(json_char_has_a_zero) {
  pml_writer w = {0};
  CHECK_EQ(pml_json_put_char(&w, (const uint8_t *)""), 1);
  pml_json_put_unit(&w, 0xfffd);
  CHECK_BYTES(pml_writer_at(&w, 0), w.len, "\\u0000\\ufffd");
  pml_writer_drop(&w);
}

#include "script/json_string.h"

#include "base/mem.h"
#include "script/json.h"
#include "test/test.h"

static int writes(const char *s, size_t n, const char *expected) {
  pml_writer w = {0};
  CHECK(!pml_json_string(&w, s, n));
  int same = w.len == strlen(expected) && memcmp(pml_writer_at(&w, 0), expected, w.len) == 0;
  pml_writer_drop(&w);
  return same;
}

TEST(json_string_escapes_what_a_client_cannot_read) {
  CHECK(writes("plain", 5, "\"plain\""));
  CHECK(writes("a\"\\\n\0", 5, "\"a\\\"\\\\\\n\\u0000\""));
  CHECK(writes("\xc3\xa4", 2, "\"\xc3\xa4\""));
  CHECK(writes("\xf0\x9f\x98\x80", 4, "\"\\ud83d\\ude00\""));
  CHECK(writes("a\xff", 2, "\"a\xef\xbf\xbd\""));
}

TEST(json_string_has_a_largest_length) {
  pml_writer w = {0};
  char *s = pml_alloc0(PML_JSON_MAX + 1);
  CHECK_STR(pml_json_string(&w, s, PML_JSON_MAX + 1), "too large");
  pml_free(s);
  pml_writer_drop(&w);
}

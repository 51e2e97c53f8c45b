#include "test/test.h"
#include "wire/http_query.h"

static char decoded[256];
static const char *decode(const char *text, int form) {
  decoded[pml_http_decode(pml_slice_str(text), form, (uint8_t *)decoded)] = 0;
  return decoded;
}

TEST(http_query_gives_pairs) {
  pml_slice rest = pml_slice_str("&a=1&&b&=c&d=e=f&g="), name, value;
  static const char *const pairs[][2] = {{"a", "1"}, {"b", ""}, {"", "c"}, {"d", "e=f"}, {"g", ""}};
  for (size_t i = 0; i < 5; i++) {
    CHECK(pml_http_query_next(&rest, &name, &value));
    CHECK_BYTES(name.p, name.n, pairs[i][0]);
    CHECK_BYTES(value.p, value.n, pairs[i][1]);
  }
  CHECK(!pml_http_query_next(&rest, &name, &value));
  rest = pml_slice_of(NULL, 0);
  CHECK(!pml_http_query_next(&rest, &name, &value));
}

TEST(http_query_decodes) {
  CHECK_STR(decode("a%20b%2fc%2Fd", 0), "a b/c/d");
  CHECK_STR(decode("a+b", 0), "a+b");
  CHECK_STR(decode("a+b%2B", 1), "a b+");
  CHECK_STR(decode("%E4%BD%A0", 1), "\xe4\xbd\xa0");
}

TEST(http_query_leaves_what_is_no_encoding) {
  CHECK_STR(decode("100%", 1), "100%");
  CHECK_STR(decode("%4", 1), "%4");
  CHECK_STR(decode("%zz%4g%41", 1), "%zz%4gA");
  CHECK_EQ(pml_http_decode(pml_slice_of(NULL, 0), 1, NULL), 0);
}

TEST(http_query_knows_what_is_well_encoded) {
  CHECK(pml_http_is_encoded(pml_slice_str("/a%20b")));
  CHECK(pml_http_is_encoded(pml_slice_str("")));
  CHECK(!pml_http_is_encoded(pml_slice_str("/a%00b")));
  CHECK(!pml_http_is_encoded(pml_slice_str("/a%2")));
  CHECK(!pml_http_is_encoded(pml_slice_str("%")));
  CHECK(!pml_http_is_encoded(pml_slice_str("/a%g0")));
}

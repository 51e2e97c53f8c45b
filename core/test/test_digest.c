#include "base/digest.h"

#include "base/err.h"
#include "test/test.h"

static int is_hex(const uint8_t *p, size_t n, const char *want) {
  char hex[2 * PML_DIGEST_MAX + 1] = "";
  for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", p[i]);
  return strcmp(hex, want) == 0;
}

TEST(digest_is_that_of_the_standards) {
  uint8_t out[PML_DIGEST_MAX];
  size_t n;
  CHECK_EQ(pml_digest("md5", pml_slice_str("abc"), out, &n), 0);
  CHECK(is_hex(out, n, "900150983cd24fb0d6963f7d28e17f72"));
  CHECK_EQ(pml_digest("sha1", pml_slice_str("abc"), out, &n), 0);
  CHECK(is_hex(out, n, "a9993e364706816aba3e25717850c26c9cd0d89d"));
  CHECK_EQ(pml_digest("sha256", pml_slice_str(""), out, &n), 0);
  CHECK(is_hex(out, n, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK_EQ(pml_digest("sha512", pml_slice_str("abc"), out, &n), 0);
  CHECK_EQ(n, PML_DIGEST_MAX);
  CHECK_EQ(pml_digest("sha3", pml_slice_str("abc"), out, &n), PML_ENOENT);
  CHECK_EQ(pml_hmac("md5", pml_slice_str("key"),
                    pml_slice_str("The quick brown fox jumps over the lazy dog"), out, &n),
           0);
  CHECK(is_hex(out, n, "80070713463e7749b90c2dc24911e275"));
  CHECK_EQ(pml_hmac("none", pml_slice_str(""), pml_slice_str(""), out, &n), PML_ENOENT);
}

TEST(digest_random_bytes_differ) {
  uint8_t a[5000] = {0}, b[5000] = {0};
  CHECK_EQ(pml_random(a, sizeof a), 0);
  CHECK_EQ(pml_random(b, sizeof b), 0);
  CHECK(memcmp(a, b, sizeof a) != 0);
  CHECK(memcmp(a + 4096, b + 4096, 900) != 0);
  CHECK_EQ(pml_random(a, 0), 0);
}

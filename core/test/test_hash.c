#include "base/hash.h"

#include "test/test.h"

TEST(hash_depends_on_key_and_every_byte) {
  pml_hash_key a, b;
  pml_hash_key_init(&a);
  pml_hash_key_init(&b);
  char text[40] = "";
  int same = 0;
  for (size_t n = 0; n <= sizeof text; n++) {
    uint32_t h = pml_hash(&a, text, n);
    CHECK_EQ(pml_hash(&a, text, n), h);
    same += pml_hash(&b, text, n) == h;
    for (size_t i = 0; i < n; i++) {
      text[i] ^= 1;
      same += pml_hash(&a, text, n) == h;
      text[i] ^= 1;
    }
  }
  CHECK(same < 3); /* of 861 values of 32 bits */
}

#include "base/crc32.h"

#include "test/test.h"

static long long signed_crc(const char *s) { return (int32_t)pml_crc32(s, strlen(s)); }

TEST(crc32_gives_the_values_of_the_default_route) {
  CHECK_EQ(signed_crc(""), 0);
  CHECK_EQ(signed_crc("1"), -2082672713);
  CHECK_EQ(signed_crc("10001"), 12275155);
  CHECK_EQ(signed_crc("alice"), 663665735);
  CHECK_EQ(signed_crc("user*room"), 959214317);
}

TEST(crc32_gives_the_check_value_of_its_kind) { CHECK_EQ(pml_crc32("123456789", 9), 0xCBF43926); }

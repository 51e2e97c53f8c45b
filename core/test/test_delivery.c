#include "base/delivery.h"

#include "test/test.h"

static uint64_t identity(const char *route, const char *key) {
  pml_slice k = pml_slice_str(key);
  pml_delivery how = pml_delivery_latest(pml_slice_str(route), key ? &k : NULL);
  CHECK_EQ(how.policy, PML_LATEST);
  CHECK(how.identity != 0);
  return how.identity;
}

TEST(delivery_identity_is_that_of_route_and_key) {
  CHECK(identity("onMove", "ann") == identity("onMove", "ann"));
  CHECK(identity("onMove", "ann") != identity("onMove", "bob"));
  CHECK(identity("onMove", "ann") != identity("onTurn", "ann"));
  CHECK(identity("onMove", NULL) == identity("onMove", NULL));
  CHECK(identity("onMove", NULL) != identity("onMove", ""));
  CHECK(identity("onMovea", "nn") != identity("onMove", "ann"));
}

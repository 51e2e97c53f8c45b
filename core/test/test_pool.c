#include "base/pool.h"
#include "test/test.h"

#include <string.h>

TEST(pool_gives_out_what_was_given_back) {
  pml_pool p;
  pml_pool_init(&p, 100, 2);
  char *a = pml_pool_take(&p), *b = pml_pool_take(&p), *c = pml_pool_take(&p);
  CHECK(a != b && b != c && a != c);
  memset(a, 1, 100);
  memset(b, 2, 100);
  memset(c, 3, 100);
  pml_pool_give(&p, a);
  pml_pool_give(&p, b);
  pml_pool_give(&p, c); /* above what is kept: freed */
  CHECK(p.count <= 2);
#ifndef __SANITIZE_ADDRESS__
  CHECK_EQ(p.count, 2);
  CHECK(pml_pool_take(&p) == b); /* the warmest first */
  CHECK(pml_pool_take(&p) == a);
  CHECK_EQ(p.count, 0);
  pml_pool_give(&p, a);
  pml_pool_give(&p, b);
#endif
  pml_pool_clear(&p);
  CHECK_EQ(p.count, 0);
  pml_pool_give(&p, pml_pool_take(&p)); /* goes on to serve */
  pml_pool_clear(&p);
}

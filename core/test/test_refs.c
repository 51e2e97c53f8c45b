#include "base/refs.h"
#include "test/test.h"

static unsigned count(pml_buf *b) { return atomic_load(&b->refs); }

TEST(refs_are_exact_once_they_are_settled) {
  pml_refs r = {0};
  pml_buf *b[40];
  CHECK(pml_refs_take(&r, NULL) == NULL);
  pml_refs_give(&r, NULL);
  for (int i = 0; i < 40; i++) b[i] = pml_buf_from("x", 1);
  for (int round = 0; round < 100; round++) /* more than are taken at once */
    for (int i = 0; i < 2; i++) CHECK(pml_refs_take(&r, b[i]) == b[i]);
  for (int k = 0; k < 70; k++) CHECK(pml_refs_take(&r, b[2]) == b[2]);
  pml_refs_settle(&r);
  CHECK_EQ(count(b[0]), 101);
  CHECK_EQ(count(b[1]), 101);
  CHECK_EQ(count(b[2]), 71);
  for (int round = 0; round < 100; round++)
    for (int i = 0; i < 2; i++) pml_refs_give(&r, b[i]);
  for (int k = 0; k < 70; k++) pml_refs_give(&r, b[2]);
  for (int i = 3; i < 40; i++) pml_refs_give(&r, pml_refs_take(&r, b[i])); /* places collide */
  pml_refs_settle(&r);
  for (int i = 0; i < 40; i++) CHECK_EQ(count(b[i]), 1);
  for (int i = 0; i < 40; i++) pml_refs_give(&r, b[i]); /* the last ones: they are freed */
  pml_refs_settle(&r);
  pml_refs_settle(&r);
}
